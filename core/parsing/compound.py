"""Is an OLE compound file an old Excel workbook? Judged by the names of its streams."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from core.errors import FileRejected

_ENTRY_BYTES = 128  # a directory entry: 64 bytes of name in UTF-16, its length, its kind
_STREAM, _STORAGE = 2, 1
_BOOKS = ("Workbook", "Book")  # BIFF8; BIFF5, which calamine reads too
_MACROS = ("_VBA_PROJECT_CUR", "_VBA_PROJECT")
_ENCRYPTED = ("EncryptedPackage", "EncryptionInfo")


def check_compound(path: Path) -> None:
    """Raise FileRejected unless the file is an .xls without macros: encrypted, macros,
    type_not_supported."""
    with path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as view:
        if any(_has_entry(view, name) for name in _ENCRYPTED):
            raise FileRejected(
                "The workbook is encrypted. Save it without a password.", code="encrypted"
            )
        if any(_has_entry(view, name) for name in _MACROS):
            raise FileRejected(
                "Workbooks with macros are not taken. Save it as .xlsx.", code="macros"
            )
        if not any(_has_entry(view, name) for name in _BOOKS):
            raise FileRejected(
                "The content is an Office document or a mail, not a table. Save it as .xlsx "
                "without a password, or as .csv.",
                code="type_not_supported",
            )


def _has_entry(view: mmap.mmap, name: str) -> bool:
    """Look for a directory entry wherever one can stand: sectors are multiples of its size."""
    wanted = name.encode("utf-16-le") + b"\0\0"
    at = view.find(wanted)
    while at >= 0:
        if at % _ENTRY_BYTES == 0 and at + _ENTRY_BYTES <= len(view):
            length, kind = struct.unpack_from("<HB", view, at + 64)
            if length == len(wanted) and kind in (_STREAM, _STORAGE):
                return True
        at = view.find(wanted, at + 1)
    return False
