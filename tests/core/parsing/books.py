"""Workbooks that no library here can write: the old .xls, byte by byte, and OpenDocument."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

Cell = str | float
_SECTOR = 512
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _cell(row: int, column: int, value: Cell) -> bytes:
    place = struct.pack("<HHH", row, column, 0)
    if isinstance(value, str):  # LABEL, [MS-XLS] 2.4.148
        text = struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")
        return _record(0x0204, place + text)
    return _record(0x0203, place + struct.pack("<d", value))  # NUMBER


def _biff(rows: Sequence[Sequence[Cell]]) -> bytes:
    """Return a BIFF8 stream with one sheet."""
    begin = struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0x41, 0x06)
    sheet = _record(0x0809, begin[:2] + struct.pack("<H", 0x0010) + begin[4:])
    columns = max(map(len, rows))
    sheet += _record(0x0200, struct.pack("<IIHHH", 0, len(rows), 0, columns, 0))
    sheet += b"".join(
        _cell(r, c, value) for r, cells in enumerate(rows) for c, value in enumerate(cells)
    )
    sheet += _record(0x000A, b"")
    head = _record(0x0809, begin) + _record(0x0042, struct.pack("<H", 1200))
    name = struct.pack("<BB", 4, 0) + b"Data"
    tail = _record(0x000A, b"")
    at = len(head) + 4 + 6 + len(name) + len(tail)
    return head + _record(0x0085, struct.pack("<IBB", at, 0, 0) + name) + tail + sheet


def _entry(name: str, kind: int, start: int, size: int, child: int = 0xFFFFFFFF) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0" if name else b""
    return (
        encoded.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(encoded), kind, 1, _FREE, _FREE, child)
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )


def xls(rows: Sequence[Sequence[Cell]], stream: str = "Workbook", *, extra: str = "") -> bytes:
    """Return a compound file ([MS-CFB], version 3) whose one stream is the workbook."""
    content = _biff(rows).ljust(4096, b"\0")  # smaller streams live elsewhere
    content = content.ljust(-(-len(content) // _SECTOR) * _SECTOR, b"\0")
    sectors = len(content) // _SECTOR
    table = [_FAT, _END, *range(3, 2 + sectors), _END]  # FAT, directory, the stream
    fat = b"".join(struct.pack("<I", n) for n in table).ljust(_SECTOR, b"\xff")
    assert len(fat) == _SECTOR, "one sector of FAT is enough for a test"
    directory = _entry("Root Entry", 5, _END, 0, child=1) + _entry(stream, 2, 2, len(content))
    directory += _entry(extra, 2, _END, 0) if extra else bytes(128)
    directory += bytes(128)
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
        + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
        + struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, _END, 0, _END, 0)
        + struct.pack("<I", 0) + b"\xff" * 432
    )  # fmt: skip
    return header + fat + directory + content


def ods(
    rows: Sequence[Sequence[Cell]], *, body: str = "", add: dict[str, bytes] | None = None
) -> bytes:
    """Return an OpenDocument sheet; `body` stands for the rows when it is given."""
    body = body or "".join(f"<table:table-row>{''.join(map(_ods, row))}</table:table-row>"
                           for row in rows)  # fmt: skip
    names = "".join(
        f' xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{short}:1.0"'
        for short in ("office", "table", "text")
    )
    content = (
        f'<?xml version="1.0"?><office:document-content{names}><office:body><office:spreadsheet>'
        f'<table:table table:name="Data">{body}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", ODS_TYPE)
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"'
            f' ><manifest:file-entry manifest:full-path="/" manifest:media-type="{ODS_TYPE}"/>'
            "</manifest:manifest>",
        )
        for name, data in (add or {}).items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _ods(value: Cell) -> str:
    if isinstance(value, str):
        text = f"<text:p>{escape(value)}</text:p>"
        return f'<table:table-cell office:value-type="string">{text}</table:table-cell>'
    return (
        f'<table:table-cell office:value-type="float" office:value="{value}">'
        f"<text:p>{value}</text:p></table:table-cell>"
    )
