"""Is the file what it says, and safe to open? Asked by the scan stage and again by the parser.

Nothing here hands the file to a spreadsheet library. Archives are judged by their directory and
by what really comes out when they are inflated, piece by piece; sheets by a streaming expat pass.
"""

from __future__ import annotations

import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from xml.parsers import expat

from core.errors import FileRejected
from core.parsing import limits
from core.parsing.compound import check_compound
from core.parsing.kinds import EXTENSIONS, MACRO_EXTENSIONS, PACKED, Content, extension_of
from core.parsing.opendocument import check_opendocument, is_opendocument
from core.parsing.packed import unpack
from core.parsing.parquet_rows import check_parquet
from core.parsing.sniff import detect_encoding, detect_json, detect_type
from core.short_cache import short_cache

_BOOK = "xl/workbook.xml"
_END_OF_DIRECTORY = b"PK\x05\x06"
# Other names may lie about being XML; then only the limits of the child process hold.
_XML = (".xml", ".rels")
_CHUNK_BYTES = 1 << 18

_REMEDY = {
    "zip": "Unpack the archive and upload the .csv or .xlsx file in it.",
    "gzip": "Only texts may come packed, once: .csv.gz, .json.gz.",
    "pdf": "Export the table as .csv or .xlsx.",
    "markup": "Export the table as .csv or .xlsx; a renamed web page is not a workbook.",
}


@dataclass(frozen=True, slots=True)
class StructureVerdict:
    """Whether a file may go on. `detected_type` is a Content, or what it is instead."""

    ok: bool
    detected_type: str
    code: str = ""
    message: str = ""
    hidden_rows: int = 0  # hidden or filtered rows of a workbook
    encoding: str | None = None  # of a text


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
    """Sizes by the path of the sheet within the archive; an OpenDocument sheet has none."""

    sheets: dict[str, SheetSize] = field(default_factory=dict)
    opendocument: bool = False


def check_structure(path: Path, declared_name: str) -> StructureVerdict:
    """Judge a file by its bytes, its declared name and, for workbooks, the archive inside.

    Never raises for what is in the file: the verdict says what is wrong and what to do about it.
    """
    detected = detect_type(path)
    extension = extension_of(declared_name)
    hidden_rows, encoding = 0, None
    try:
        if detected == "gzip" and (extension in PACKED or not extension):
            return _check_packed(path, declared_name)
        if detected == "empty":
            raise FileRejected("The file is empty. Upload one with a header and rows.",
                               code="file_empty")  # fmt: skip
        if detected == "text":
            encoding = detect_encoding(path)
            detected = detect_json(path, encoding) or Content.CSV
        elif detected == "zip":
            size = measure_workbook(path)
            hidden_rows = sum(sheet.hidden_rows for sheet in size.sheets.values())
            detected = Content.ODS if size.opendocument else Content.XLSX
        elif detected == "parquet":
            check_parquet(path)
        elif detected == "ole" and extension != "xlsx":
            check_compound(path)
            detected = Content.XLS
        else:
            _refuse(detected, extension)
        _compare_with_name(Content(detected), extension)
    except FileRejected as error:
        return StructureVerdict(False, detected, error.code, error.message)
    return StructureVerdict(True, detected, hidden_rows=hidden_rows, encoding=encoding)


def _check_packed(path: Path, declared_name: str) -> StructureVerdict:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="unpacked-") as directory:
        inner = Path(directory) / "text"
        unpack(path, inner)
        if detect_type(inner) == "gzip":
            raise FileRejected("Only texts may come packed, once.", code="type_not_supported")
        # An archive within the archive is refused by its name, which has lost its ".gz".
        return check_structure(inner, unpacked_name(declared_name))


def unpacked_name(declared_name: str) -> str:
    """Return the name that a packed file has when unpacked: text, whatever else it says."""
    return re.sub(r"\.gz$", "", declared_name, flags=re.IGNORECASE) or "unnamed.csv"


def _refuse(detected: str, extension: str) -> None:
    remedy = _REMEDY.get(detected, "Upload a .csv or .xlsx file.")
    if detected == "ole":
        raise FileRejected(
            "The workbook is encrypted or in the old format. Save it as .xlsx without a password.",
            code="encrypted",
        )
    text = Content.CSV in EXTENSIONS.get(extension, ())
    code = "not_text" if text else "type_not_supported"
    raise FileRejected(f"The content is {detected}, not a table. {remedy}", code=code)


def _compare_with_name(detected: Content, extension: str) -> None:
    if extension in MACRO_EXTENSIONS:
        raise FileRejected("Workbooks with macros are not taken. Save it as .xlsx.", code="macros")
    if extension and detected not in EXTENSIONS.get(extension, ()):
        raise FileRejected(
            f"The name ends in .{extension[:12]}, the content is {detected}. Rename it to "
            f".{detected}, or save it again in the right format.",
            code="type_mismatch",
        )


def measure_workbook(path: Path) -> WorkbookSize:
    """Check an XLSX or ODS archive and count the cells of its sheets without loading any of them.

    Raises FileRejected: zip_bomb, encrypted, macros, external_links, embedded_objects,
    workbook_too_large, unsafe_xml, workbook_damaged, type_not_supported.
    """
    try:
        with path.open("rb") as source:
            _check_directory_size(source)
            with zipfile.ZipFile(source) as archive:
                opendocument = is_opendocument(archive)
                _check_entries(archive.infolist(), "content.xml" if opendocument else _BOOK)
                size = _measure_entries(archive)
                if opendocument:
                    check_opendocument(archive)
                    size.opendocument = True
                return size
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError,
            UnicodeDecodeError, OSError, KeyError, ValueError, RuntimeError) as error:  # fmt: skip
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


def _check_entries(entries: list[zipfile.ZipInfo], book: str) -> None:
    names = [entry.filename for entry in entries]
    lowered = [name.lower() for name in names]
    if len(entries) > limits.ZIP_ENTRIES or len(set(lowered)) != len(names):
        raise _zip_bomb()
    if any(entry.flag_bits & 0x1 for entry in entries) or "encryptedpackage" in lowered:
        raise FileRejected("The workbook is encrypted. Save it without a password.",
                           code="encrypted")  # fmt: skip
    if any(_is_unsafe(name) for name in names):
        raise FileRejected("The archive holds unsafe paths; it is no workbook.", code="unsafe_zip")
    if book not in lowered:
        raise FileRejected(
            "The archive is not a workbook. Upload a .csv or .xlsx file.",
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


@short_cache(16_384)
def _column_number(letters: str) -> int:
    number = 0
    for letter in letters[:8].upper():
        number = number * 26 + ord(letter) - 64
    return number
