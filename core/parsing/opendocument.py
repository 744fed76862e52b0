"""Is an OpenDocument sheet safe to open? Repeated cells are counted as often as they stand there.

A single `number-rows-repeated="1048576"` beside `number-columns-repeated="16384"` makes calamine
ask for all of those cells.
"""

from __future__ import annotations

import zipfile
from xml.parsers import expat

from core.errors import FileRejected
from core.parsing import limits

MEDIA_TYPE = b"application/vnd.oasis.opendocument.spreadsheet"
_CHUNK_BYTES = 1 << 18


def is_opendocument(archive: zipfile.ZipFile) -> bool:
    """Tell whether an archive says that it is an OpenDocument sheet."""
    try:
        entry = archive.getinfo("mimetype")
        return entry.file_size == len(MEDIA_TYPE) and archive.read(entry) == MEDIA_TYPE
    except KeyError:
        return False


def check_opendocument(archive: zipfile.ZipFile) -> None:
    """Check the parts and count the cells. Only after core.parsing.structure has measured them.

    Raises FileRejected: encrypted, macros, workbook_too_large; ValueError where it is no XML.
    """
    names = archive.namelist()
    if any(name.startswith(("Basic/", "Scripts/")) and not name.endswith("/") for name in names):
        raise FileRejected(
            "Workbooks with macros are not taken. Save it without them.", code="macros"
        )
    if b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise FileRejected(
            "The workbook is encrypted. Save it without a password.", code="encrypted"
        )
    cells = _Cells()
    with archive.open("content.xml") as part:
        while chunk := part.read(_CHUNK_BYTES):
            cells.feed(chunk)


class _Cells:
    """Counts the cells of each table up to its last filled one, repetitions included."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._written = 0  # filled cells of all tables
        self._rows = self._width = 0  # of this table, to its last filled row and column
        self._row = self._column = 0  # where we are
        self._repeated = 1  # how often the open row stands there
        self._filled = 0  # filled cells of the open row, and the last one
        self._last = 0

    def feed(self, chunk: bytes) -> None:
        """Scan another piece."""
        try:
            self._parser.Parse(chunk, False)
        except expat.ExpatError as error:
            raise ValueError("not well-formed") from error

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "table:table":
            self._rows = self._width = self._row = 0
        elif tag == "table:table-row":
            self._repeated = _count(attributes.get("table:number-rows-repeated"))
            self._column = self._filled = self._last = 0
        elif tag in ("table:table-cell", "table:covered-table-cell"):
            times = _count(attributes.get("table:number-columns-repeated"))
            self._column += times
            if "office:value-type" in attributes or "calcext:value-type" in attributes:
                self._fill(times)
        elif tag == "text:p":
            self._fill(1)

    def _fill(self, times: int) -> None:
        self._filled += times
        self._last = self._column

    def _end(self, tag: str) -> None:
        if tag != "table:table-row":
            return
        self._row += self._repeated
        if not self._filled:
            return
        self._written += self._filled * self._repeated
        self._rows, self._width = self._row, max(self._width, self._last)
        if (
            self._width > limits.SHEET_COLUMNS
            or self._rows > limits.SHEET_ROWS
            or self._rows * self._width > limits.SHEET_AREA
            or self._written > 2 * limits.WORKBOOK_CELLS  # each counts with its value and its text
        ):
            raise FileRejected(
                "A sheet is too large: at most 500 columns, 12 million cells between the first and "
                "the last one, 6 million of them filled. Delete stray cells far from the table, or "
                "save the table as .csv.",
                code="workbook_too_large",
            )


def _count(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else 1
