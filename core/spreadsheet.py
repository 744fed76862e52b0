"""A workbook (XLSX) as a stream of bytes: written row by row, sent as it is written.

Libraries write a workbook to a file first; a million rows would keep the reader waiting for
minutes, and a proxy would give up. What is written here is the least that the format asks for
(ECMA-376 part 1, §18): texts within their cells, numbers, one bold style for the headings, and what
is said once a sheet: widths, a filter, fills that follow from the text of a column.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape

from core.parsing.rows import letter_of

Cell = str | int | float | None
Table = tuple[str, Sequence[str], Iterable[Sequence[Cell]]]  # name, headings, rows

# What programs open: ECMA-376 says nothing, Excel does.
SHEET_ROWS, SHEET_COLUMNS, CELL_CHARACTERS, NAME_CHARACTERS = 1_048_576, 16_384, 32_767, 31
# A member over 2 GiB needs ZIP64, which Excel does not take from a stream: begin another sheet.
SHEET_CHARACTERS = 1_500_000_000
_CHUNK_CHARACTERS = 1 << 17
# XML has no signs for these; Excel writes them so, and what looks like it with its own escaped.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]|_(?=x[0-9A-Fa-f]{4}_)")
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\\x00-\x1f]")

_RESERVED = "history"  # Excel keeps the name for itself

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_RELS = (
    f'{_HEAD}<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" '
    f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)
_XF = 'numFmtId="0" fillId="0" borderId="0"'
_FONT = '<sz val="11"/><name val="Calibri"/>'
_STYLES = (  # of all workbooks; the fills of one stand behind
    f'{_HEAD}<styleSheet xmlns="{_MAIN}"><fonts count="2"><font>{_FONT}</font><font><b/>{_FONT}'
    '</font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill>'
    '<patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/>'
    '<top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1">'
    f'<xf fontId="0" {_XF}/></cellStyleXfs><cellXfs count="2"><xf fontId="0" xfId="0" {_XF}/>'
    f'<xf fontId="1" xfId="0" applyFont="1" {_XF}/></cellXfs><cellStyles count="1">'
    '<cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
)


@dataclass(frozen=True, slots=True)
class Look:
    """How sheets look. `fills` are text → RGB for the cells of `filled_column` that hold it."""

    frozen_columns: int = 0
    widths: Sequence[int] = ()  # of the first columns, in characters
    other_width: int | None = None
    filtered: bool = False
    filled_column: int = 0
    fills: Mapping[str, str] = field(default_factory=dict)

    def columns_xml(self) -> str:
        """Return the widths of columns."""
        found = [
            f'<col min="{n}" max="{n}" width="{width}" customWidth="1"/>'
            for n, width in enumerate(self.widths, 1)
        ]
        if self.other_width is not None:
            found.append(
                f'<col min="{len(self.widths) + 1}" max="{SHEET_COLUMNS}" '
                f'width="{self.other_width}" customWidth="1"/>'
            )
        return f"<cols>{''.join(found)}</cols>" if found else ""

    def end_xml(self, columns: int, rows: int) -> str:
        """Return what stands below the rows of a sheet."""
        found = []
        if self.filtered and columns:
            last = f"{letter_of(min(columns, SHEET_COLUMNS) - 1)}{rows}"
            found.append(f'<autoFilter ref="A1:{last}"/>')
        if self.fills and rows > 1:
            letter = letter_of(self.filled_column)
            rules = "".join(
                f'<cfRule type="cellIs" dxfId="{n}" priority="{n + 1}" operator="equal"><formula>'
                f'"{escape(text, quote=False)}"</formula></cfRule>'
                for n, text in enumerate(self.fills)
            )
            found.append(
                f'<conditionalFormatting sqref="{letter}2:{letter}{rows}">{rules}'
                "</conditionalFormatting>"
            )
        return "".join(found)

    def styles_xml(self) -> str:
        """Return the styles of a workbook."""
        fills = "".join(
            f'<dxf><fill><patternFill patternType="solid"><fgColor rgb="FF{rgb}"/>'
            f'<bgColor rgb="FF{rgb}"/></patternFill></fill></dxf>'
            for rgb in self.fills.values()
        )
        return f'{_STYLES}<dxfs count="{len(self.fills)}">{fills}</dxfs></styleSheet>'


_PLAIN = Look()


class _Sink:
    """Collects what the archive writes until it is taken away; it cannot be sought in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing waits here."""

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def workbook_chunks(tables: Iterable[Table], *, look: Look = _PLAIN) -> Iterator[bytes]:
    """Yield the bytes of a workbook, a sheet a table, several where one is too small.

    Each table's rows are read to their end before the next table is asked for. A text is a text
    whatever it begins with, and is cut to what a cell can hold.
    """
    sink = _Sink()
    names: list[str] = []
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:  # type: ignore[call-overload]
        archive.writestr("_rels/.rels", _RELS)
        for name, headings, rows in tables:
            pending: Iterator[Sequence[Cell]] | None = iter(rows)
            while pending is not None:
                names.append(_free_name(name, names))
                sheet = _Sheet(headings, pending, look)
                with archive.open(f"xl/worksheets/sheet{len(names)}.xml", "w") as entry:
                    for text in sheet.texts():
                        entry.write(text.encode())
                        yield sink.take()
                pending = sheet.rest
        for path, text in _frame(names, look):
            archive.writestr(path, text)
    yield sink.take()


class _Sheet:
    """One sheet. `rest` is what did not find room, None when all did."""

    def __init__(self, headings: Sequence[str], rows: Iterator[Sequence[Cell]], look: Look) -> None:
        self.rest: Iterator[Sequence[Cell]] | None = None
        self._headings = headings
        self._rows = rows
        self._look = look

    def texts(self) -> Iterator[str]:
        """Yield the XML in pieces."""
        frozen = self._look.frozen_columns
        corner = f"{letter_of(frozen)}2"
        split = f'xSplit="{frozen}" ' if frozen else ""
        pane = "bottomRight" if frozen else "bottomLeft"
        pieces = [
            f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane '
            f'{split}ySplit="1" topLeftCell="{corner}" activePane="{pane}" state="frozen"/>'
            f"</sheetView></sheetViews>{self._look.columns_xml()}<sheetData>",
            row_xml(1, self._headings, style=' s="1"'),
        ]
        size = total = 0
        number = 1
        for row in self._rows:
            number += 1
            pieces.append(row_xml(number, row))
            size += len(pieces[-1])
            if size > _CHUNK_CHARACTERS:
                total, size = total + size, 0
                yield "".join(pieces)
                pieces.clear()
            if number == SHEET_ROWS or total > SHEET_CHARACTERS:
                self.rest = _unless_empty(self._rows)
                break
        end = self._look.end_xml(len(self._headings), number)
        yield "".join([*pieces, f"</sheetData>{end}</worksheet>"])


def _unless_empty(rows: Iterator[Sequence[Cell]]) -> Iterator[Sequence[Cell]] | None:
    for first in rows:
        return _after(first, rows)
    return None


def _after(first: Sequence[Cell], rows: Iterator[Sequence[Cell]]) -> Iterator[Sequence[Cell]]:
    yield first
    yield from rows


def row_xml(number: int, cells: Sequence[Cell], *, style: str = "") -> str:
    """Return one row; cells that hold nothing are left out."""
    pieces = [f'<row r="{number}">']
    for index, value in enumerate(cells[:SHEET_COLUMNS]):
        if value is None or value == "":
            continue
        place = f'<c r="{_letter(index)}{number}"{style}'
        if isinstance(value, str):
            text = text_xml(cut(value, CELL_CHARACTERS))
            pieces.append(f'{place} t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>')
        else:
            pieces.append(f"{place}><v>{value!r}</v></c>")
    pieces.append("</row>")
    return "".join(pieces)


_letter = lru_cache(maxsize=SHEET_COLUMNS)(letter_of)


def text_xml(text: str) -> str:
    """Return a text as XML that gives the same text again."""
    if text.isalnum() and text.isascii():
        return text
    return escape(_UNPRINTABLE.sub(_escaped, text), quote=False)


def cut(text: str, units: int) -> str:
    """Return the beginning of a text that a program takes: Excel counts in UTF-16, as it stores."""
    if 2 * len(text) <= units or (text.isascii() and len(text) <= units):
        return text
    begin = text[:units].encode("utf-16-le", "surrogatepass")[: 2 * units]
    if begin[-1] & 0xFC == 0xD8:  # half a character
        begin = begin[:-2]
    return begin.decode("utf-16-le", "surrogatepass")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else f"_x{code:04X}_"


def _free_name(wanted: str, taken: Sequence[str]) -> str:
    """Return a name that programs take, and that no other sheet has."""
    plain = _NOT_IN_NAMES.sub("_", wanted).strip("' ") or "Sheet"
    used = {_RESERVED, *(name.casefold() for name in taken)}
    name, number = cut(plain, NAME_CHARACTERS).rstrip("' "), 1
    while name.casefold() in used:
        number += 1
        ending = f" ({number})"
        name = cut(plain, NAME_CHARACTERS - len(ending)) + ending
    return name


def _frame(names: Sequence[str], look: Look) -> Iterator[tuple[str, str]]:
    """Yield the parts that name the sheets."""
    sheets = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>'
        for n, name in enumerate(names, 1)
    )
    yield (
        "xl/workbook.xml",
        f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets>'
        "</workbook>",
    )
    related = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(names) + 1)
    )
    styles = f'<Relationship Id="rId{len(names) + 1}" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    yield (
        "xl/_rels/workbook.xml.rels",
        f'{_HEAD}<Relationships xmlns="{_RELATIONS}">{related}{styles}</Relationships>',
    )
    yield "xl/styles.xml", look.styles_xml()
    parts = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPES}.worksheet+xml"/>'
        for n in range(1, len(names) + 1)
    )
    yield (
        "[Content_Types].xml",
        f'{_HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPES}.styles+xml"/>{parts}</Types>',
    )
