"""Is the file what it says, and safe to open? Asked by the scan stage and again by the parser.

Nothing here hands the file to a spreadsheet library. Archives are judged by their directory and
by what really comes out when they are inflated, piece by piece; sheets by a streaming expat pass.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from xml.parsers import expat

from core.errors import FileRejected
from core.parsing import limits
from core.parsing.sniff import detect_encoding, detect_type

_TEXT_EXTENSIONS = frozenset({".csv", ".tsv", ".txt", ".tab"})
_WORKBOOK_EXTENSIONS = frozenset({".xlsx"})
_END_OF_DIRECTORY = b"PK\x05\x06"
# Other names may lie about being XML; then only the limits of the child process hold.
_XML = (".xml", ".rels")
_CHUNK_BYTES = 1 << 18

_REMEDY = {
    "zip": "Unpack the archive and upload the .csv or .xlsx file in it.",
    "ole": "Save it as .xlsx without a password, or as .csv.",
    "pdf": "Export the table as .csv or .xlsx.",
    "markup": "Export the table as .csv or .xlsx; a renamed web page is not a workbook.",
}


@dataclass(frozen=True, slots=True)
class StructureVerdict:
    """Whether a file may go on. `detected_type` is "xlsx", "csv" or what it is instead."""

    ok: bool
    detected_type: str
    code: str = ""
    message: str = ""
    hidden_rows: int = 0  # hidden or filtered rows of a workbook


@dataclass(slots=True)
class SheetSize:
    """What a sheet holds, as counted, not as declared."""

    last_row: int = 0
    last_column: int = 0
    cells: int = 0
    hidden_rows: int = 0
    formulas: int = 0


@dataclass(slots=True)
class WorkbookSize:
    """Sizes by the path of the sheet within the archive."""

    sheets: dict[str, SheetSize] = field(default_factory=dict)


def check_structure(path: Path, declared_name: str) -> StructureVerdict:
    """Judge a file by its bytes, its declared name and, for workbooks, the archive inside.

    Never raises for what is in the file: the verdict says what is wrong and what to do about it.
    """
    detected = detect_type(path)
    hidden_rows = 0
    try:
        if detected == "empty":
            raise FileRejected("The file is empty. Upload one with a header and rows.",
                               code="file_empty")  # fmt: skip
        if detected == "text":
            detect_encoding(path)
            detected = "csv"
        elif detected == "zip":
            sheets = measure_workbook(path).sheets.values()
            hidden_rows = sum(sheet.hidden_rows for sheet in sheets)
            detected = "xlsx"
        else:
            _refuse(detected, declared_name)
        _compare_with_name(detected, declared_name)
    except FileRejected as error:
        return StructureVerdict(False, detected, error.code, error.message)
    return StructureVerdict(True, detected, hidden_rows=hidden_rows)


def _refuse(detected: str, declared_name: str) -> None:
    remedy = _REMEDY.get(detected, "Upload a .csv or .xlsx file.")
    suffix = PurePosixPath(declared_name).suffix.lower()
    if detected == "ole" and suffix in _WORKBOOK_EXTENSIONS:
        raise FileRejected(f"The workbook is encrypted or in the old format. {remedy}",
                           code="encrypted")  # fmt: skip
    code = "not_text" if suffix in _TEXT_EXTENSIONS else "type_not_supported"
    raise FileRejected(f"The content is {detected}, not a table. {remedy}", code=code)


def _compare_with_name(detected: str, declared_name: str) -> None:
    suffix = PurePosixPath(declared_name).suffix.lower()
    expected = _TEXT_EXTENSIONS if detected == "csv" else _WORKBOOK_EXTENSIONS
    if suffix in (".xlsm", ".xltm", ".xlsb", ".xlam"):
        raise FileRejected("Workbooks with macros are not taken. Save it as .xlsx.", code="macros")
    if suffix and suffix not in expected:
        right = ".csv" if detected == "csv" else ".xlsx"
        raise FileRejected(
            f"The name ends in {suffix[:12]}, the content is {detected}. Rename it to {right}, or "
            "save it again in the right format.",
            code="type_mismatch",
        )


def measure_workbook(path: Path) -> WorkbookSize:
    """Check an XLSX archive and count the cells of its sheets without loading any of them.

    Raises FileRejected: zip_bomb, encrypted, macros, external_links, embedded_objects,
    workbook_too_large, unsafe_xml, workbook_damaged, type_not_supported.
    """
    try:
        with path.open("rb") as source:
            _check_directory_size(source)
            with zipfile.ZipFile(source) as archive:
                _check_entries(archive.infolist())
                return _measure_entries(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError,
            UnicodeDecodeError, OSError, ValueError, RuntimeError) as error:  # fmt: skip
        raise FileRejected(
            "The workbook is damaged. Open it in a spreadsheet program and save it again.",
            code="workbook_damaged",
        ) from error


def _check_directory_size(source: BinaryIO) -> None:
    """Read the entry count ourselves: zipfile would load a directory of any size first."""
    size = source.seek(0, 2)
    source.seek(max(0, size - 65_557))  # the record and the longest comment
    tail = source.read()
    source.seek(0)
    at = tail.rfind(_END_OF_DIRECTORY)
    if at < 0 or len(tail) - at < 22:
        raise zipfile.BadZipFile
    entries, directory_bytes = struct.unpack_from("<HI", tail, at + 10)
    if entries > limits.ZIP_ENTRIES or directory_bytes > limits.ZIP_DIRECTORY_BYTES:
        raise _zip_bomb()


def _zip_bomb() -> FileRejected:
    return FileRejected(
        "The workbook unpacks to more than we take (300 MB, 2,000 parts). Remove unused sheets "
        "and formatting, or save the table as .csv.",
        code="zip_bomb",
    )


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    lowered = [name.lower() for name in names]
    if len(entries) > limits.ZIP_ENTRIES or len(set(lowered)) != len(names):
        raise _zip_bomb()
    if any(entry.flag_bits & 0x1 for entry in entries) or "encryptedpackage" in lowered:
        raise FileRejected("The workbook is encrypted. Save it without a password.",
                           code="encrypted")  # fmt: skip
    if any(_is_unsafe(name) for name in names):
        raise FileRejected("The archive holds unsafe paths; it is no workbook.", code="unsafe_zip")
    if "xl/workbook.xml" not in lowered:
        raise FileRejected(
            "The archive is not an Excel workbook. Upload a .csv or .xlsx file.",
            code="type_not_supported",
        )
    _check_parts(lowered)
    if sum(entry.file_size for entry in entries) > limits.ZIP_TOTAL_BYTES:
        raise _zip_bomb()


def _is_unsafe(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return name.startswith(("/", "\\")) or ".." in parts or ":" in name


def _check_parts(names: list[str]) -> None:
    for name in names:
        if "vbaproject" in name or "/macrosheets/" in name:
            raise FileRejected("Workbooks with macros are not taken. Save it as .xlsx.",
                               code="macros")  # fmt: skip
        if "/externallinks/" in name:
            raise FileRejected(
                "The workbook refers to other files. Paste their values, break the links "
                "(Data, Edit Links) and save it again.",
                code="external_links",
            )
        if "/embeddings/" in name or "/activex/" in name:
            raise FileRejected(
                "The workbook holds embedded objects. Remove them and save it again.",
                code="embedded_objects",
            )


def _measure_entries(archive: zipfile.ZipFile) -> WorkbookSize:
    """Inflate every XML part once, counting real bytes: declared sizes may lie."""
    size = WorkbookSize()
    total = cells = elements = 0
    for entry in archive.infolist():
        scan = _XmlScan() if entry.filename.lower().endswith(_XML) else None
        inflated = 0
        for chunk in _chunks(archive, entry):
            inflated += len(chunk)
            total += len(chunk)
            packed = max(entry.compress_size, 1)
            if total > limits.ZIP_TOTAL_BYTES or (
                inflated > limits.ZIP_RATIO_FLOOR and inflated / packed > limits.ZIP_RATIO
            ):
                raise _zip_bomb()
            if scan:
                scan.feed(chunk)
                if scan.sheet and cells + scan.sheet.cells > limits.WORKBOOK_CELLS:
                    raise _too_large()
                if elements + scan.elements > limits.XML_ELEMENTS:
                    raise _zip_bomb()
        if scan:
            scan.feed(b"", last=True)
            elements += scan.elements
            if scan.sheet:
                size.sheets[entry.filename] = scan.sheet
                cells += scan.sheet.cells
    if len(size.sheets) > limits.WORKBOOK_SHEETS:
        raise _too_large()
    return size


def _chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(entry) as part:
        while chunk := part.read(_CHUNK_BYTES):
            yield chunk


def _too_large() -> FileRejected:
    return FileRejected(
        "A sheet is too large: at most 500 columns, 12 million cells between the first and the "
        "last one, 6 million of them filled, 100 sheets. Delete stray cells far from the table "
        "(Ctrl+End shows them), or save the table as .csv.",
        code="workbook_too_large",
    )


class _XmlScan:
    """One XML part: refuses document types, and counts the cells when its root is a sheet.

    The root decides, not the path: a workbook may keep its sheets wherever it says.
    """

    def __init__(self) -> None:
        self.sheet: SheetSize | None = None
        self.elements = 0
        self._fed = self._closed = 0
        # A builtin as handler: no Python frame for each of millions of elements.
        self._ends: list[str] = []
        self._row = self._column = self._merged = 0
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._root
        self._parser.EndElementHandler = self._ends.append

    def feed(self, chunk: bytes, *, last: bool = False) -> None:
        """Scan another piece. Raises FileRejected, and ValueError where it is no XML."""
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as error:
            raise ValueError("not well-formed") from error
        self._fed += len(chunk)
        self._closed += len(self._ends)
        self._ends.clear()
        if (
            self._fed - self._parser.CurrentByteIndex > limits.XML_TOKEN_BYTES
            or self.elements - self._closed > limits.XML_DEPTH
        ):
            raise _zip_bomb()

    def _refuse_doctype(self, *_: object) -> None:
        raise FileRejected(
            "The workbook declares a document type, which no spreadsheet program writes. Open it "
            "in one and save it again.",
            code="unsafe_xml",
        )

    def _root(self, tag: str, _: dict[str, str]) -> None:
        self.elements += 1
        if tag.rpartition(":")[2] in ("worksheet", "macrosheet", "dialogsheet"):
            self.sheet = SheetSize()
            self._parser.StartElementHandler = self._start
        else:
            self._parser.StartElementHandler = self._count

    def _count(self, _: str, __: dict[str, str]) -> None:
        self.elements += 1

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        name = tag if ":" not in tag else tag.rpartition(":")[2]
        if name == "c":
            self._cell(attributes.get("r"))
        elif name != "v":
            self._other(name, attributes)

    def _other(self, name: str, attributes: dict[str, str]) -> None:
        assert self.sheet is not None
        if name == "row":
            self._row = _number(attributes.get("r"), self._row + 1)
            self._column = 0
            self.sheet.hidden_rows += attributes.get("hidden") in ("1", "true")
        elif name == "f":
            self.sheet.formulas += 1
        elif name == "mergeCell":
            self._merged += 1
            if self._merged > limits.MERGED_RANGES:
                raise _too_large()

    def _cell(self, reference: str | None) -> None:
        sheet = self.sheet
        assert sheet is not None
        sheet.cells += 1
        row = self._row
        if reference:
            letters = reference.rstrip("0123456789")
            self._column = _column_number(letters)
            row = _number(reference[len(letters) :], row)
        else:
            self._column += 1
        if row > sheet.last_row or self._column > sheet.last_column:
            sheet.last_row = max(sheet.last_row, row)
            sheet.last_column = max(sheet.last_column, self._column)
            if (
                sheet.last_column > limits.SHEET_COLUMNS
                or sheet.last_row > limits.SHEET_ROWS
                or sheet.last_row * sheet.last_column > limits.SHEET_AREA
            ):
                raise _too_large()


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else default


@lru_cache(maxsize=16_384)
def _column_number(letters: str) -> int:
    number = 0
    for letter in letters[:8].upper():
        number = number * 26 + ord(letter) - 64
    return number
