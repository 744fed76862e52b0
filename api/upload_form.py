"""The form of an upload: what may be in it, and whether the file is what its name says."""

from __future__ import annotations

import json
import re
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from uuid import UUID

from starlette.datastructures import FormData, UploadFile

from api.errors import ApiError, Fault, shown_name
from core.errors import FileRejected
from core.normal_form import normal
from core.parsing.kinds import (
    ALLOWED,
    EXTENSIONS,
    MACRO_EXTENSIONS,
    PACKED,
    Content,
    extension_of,
)
from core.parsing.packed import unpack_head
from core.parsing.report import IGNORE, SETTINGS, ParseOptions
from core.parsing.sniff import detect_encoding, detect_json, detect_type
from core.records import Field
from core.regions import parse_region

# What the content must be → media type. The client may only choose among these.
MEDIA_TYPES = {
    Content.CSV: "text/csv",
    Content.JSON: "application/json",
    Content.JSONL: "application/jsonl",
    Content.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Content.XLS: "application/vnd.ms-excel",
    Content.ODS: "application/vnd.oasis.opendocument.spreadsheet",
    Content.PARQUET: "application/vnd.apache.parquet",
}
OWN_MEDIA_TYPES = {"tsv": "text/tab-separated-values", "txt": "text/plain"}
# First bytes → what may have them; whether an archive is a sound workbook is for the scan stage
ARCHIVES = {
    "zip": frozenset({Content.XLSX, Content.ODS}),
    "ole": frozenset({Content.XLS}),
    "parquet": frozenset({Content.PARQUET}),
}
# What the content is, in words; whatever is not here is called by its usual name (pdf, png …)
FOUND = {
    "zip": "a ZIP archive, as an XLSX or ODS workbook is",
    "ole": "an old Office file, as an XLS workbook is",
    "jpeg": "a JPEG picture",
    "executable": "a program",
    "markup": "HTML or XML",
}
TEXT_FOUND = {
    Content.CSV: "plain text, as CSV is",
    Content.JSON: "a JSON array",
    Content.JSONL: "JSON, an object a line",
}
FIELDS = {"file", "project_id", "region", "reporting_year", "mapping", "upstream"}
MAX_FILENAME = 255
MAX_REGION = 100
SNIFFED_BYTES = 64 * 1024
GZIP_MARK = b"\x1f\x8b"
YEARS = range(1990, 2101)
MAX_MAPPED_COLUMNS = 200
MAX_HEADING = 500
MAX_SETTING = 50
SETTING_RULE = (
    'decimal_separator must be "." or ",", date_order "dmy" or "mdy", unit and currency short texts'
)
# Marks that reorder or hide text: a name must look like what it is (CVE-2021-42574's class)
INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\u061c\ufeff]")


BREAKS = frozenset({"Cc", "Zl", "Zp"})  # control characters, line and paragraph separators


@dataclass(frozen=True, slots=True)
class Upload:
    """A form that was read and found in order."""

    content: BinaryIO
    filename: str
    file_type: str
    media_type: str
    size_bytes: int
    project_id: UUID | None
    region: str | None
    reporting_year: int | None
    mapping: dict[str, str] | None
    upstream: bool = False


def clean_filename(given: str) -> str:
    """Return a name that is safe to show and store; it never becomes part of a path or key."""
    name = normal("NFC", given.encode("utf-8", "ignore").decode())
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(c for c in INVISIBLE.sub("", name) if unicodedata.category(c) not in BREAKS)
    name = name.strip(" .")
    path = PurePosixPath(name)
    return name if len(name) <= MAX_FILENAME else path.stem[: MAX_FILENAME - 8] + path.suffix[:8]


def read_form(form: FormData, max_bytes: int) -> Upload:
    """Check a form. Raises 413, 415 or 422 with every fault."""
    faults = [
        Fault(f"#/{shown_name(name)}".rstrip("/"), "extra_forbidden", "is not known here")
        for name in form
        if name not in FIELDS
    ]
    faults += [
        Fault(f"#/{name}", "repeated", "was sent more than once; only one would count")
        for name in sorted(FIELDS)
        if len(form.getlist(name)) > 1
    ]
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        faults.append(Fault("#/file", "missing", "send the file as a file part named file"))
    fields = _Fields(form, faults)
    project_id, region = fields.project_id(), fields.region()
    year, mapping, upstream = fields.year(), fields.mapping(), fields.upstream()
    if faults or not isinstance(upload, UploadFile):
        raise ApiError("validation_failed", faults=faults)
    filename = clean_filename(upload.filename or "")
    extension = extension_of(filename)
    if extension in MACRO_EXTENSIONS:
        detail = "Workbooks with macros are not taken; save it as .xlsx."
        raise ApiError("type_not_allowed", detail, allowed=list(ALLOWED))
    if extension not in ALLOWED:
        raise ApiError("type_not_allowed", allowed=list(ALLOWED))
    size = upload.size or 0
    if size == 0:
        raise ApiError("file_empty")
    if size > max_bytes:
        raise ApiError("file_too_large", limit_bytes=max_bytes)
    check_content(upload.file, extension)
    return Upload(
        upload.file, filename, extension, media_type_of(extension), size, project_id, region, year,
        mapping, upstream,
    )  # fmt: skip


def media_type_of(extension: str) -> str:
    """Return the media type under which a file is kept."""
    if extension in PACKED:
        return "application/gzip"
    return OWN_MEDIA_TYPES.get(extension) or MEDIA_TYPES[min(EXTENSIONS[extension])]


def check_content(source: BinaryIO, extension: str) -> None:
    """Compare the beginning of a file with what its name says. Raises 415 or 422."""
    source.seek(0)
    head = source.read(SNIFFED_BYTES)
    source.seek(0)
    whole = len(head) < SNIFFED_BYTES
    if extension in PACKED:
        if not head.startswith(GZIP_MARK):
            raise mismatch(extension, "is not packed with gzip")
        try:
            head = unpack_head(head, SNIFFED_BYTES)
        except FileRejected:
            raise mismatch(extension, "cannot be unpacked") from None
    # a beginning may end within a character, also one that hardly shrank and unpacks to less
    whole = whole and len(head) < SNIFFED_BYTES
    found, told = content_of(head, whole=whole)
    if found.isdisjoint(EXTENSIONS[extension.removesuffix(".gz")]):
        raise mismatch(extension, f"is {told}")


def mismatch(extension: str, found: str) -> ApiError:
    """Return the error that names both sides; the extension is one of ours, no text of theirs."""
    return ApiError("content_mismatch", f"The file is named .{extension}, but its content {found}.")


def content_of(head: bytes, *, whole: bool) -> tuple[frozenset[Content], str]:
    """Return what a file may be that begins like this, also in words for a person.

    Raises ApiError("file_empty").
    """
    with tempfile.TemporaryDirectory(prefix="tonnage-sniff-") as directory:
        path = Path(directory) / "head"
        path.write_bytes(head)
        found = detect_type(path)
        if found == "empty":
            raise ApiError("file_empty")
        if found != "text":
            return ARCHIVES.get(found, frozenset()), FOUND.get(found, f"of the type {found}")
        try:
            text = detect_json(path, detect_encoding(path, whole=whole)) or Content.CSV
        except (FileRejected, UnicodeDecodeError):
            return frozenset(), "binary, or text in an unknown encoding"
        return frozenset({text}), TEXT_FOUND[text]


class _Fields:
    """The text fields of an upload; faults are collected, not raised."""

    def __init__(self, form: FormData, faults: list[Fault]) -> None:
        self._form = form
        self._faults = faults

    def _text(self, name: str) -> str | None:
        value = self._form.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or "\0" in value:
            self._fault(name, "invalid", "must be text without NUL")
            return None
        return value

    def _fault(self, name: str, code: str, detail: str) -> None:
        self._faults.append(Fault(f"#/{name}", code, detail))

    def project_id(self) -> UUID | None:
        text = self._text("project_id")
        try:
            return UUID(text) if text else None
        except ValueError:
            self._fault("project_id", "uuid_parsing", "must be a UUID")
            return None

    def region(self) -> str | None:
        text = self._text("region")
        if text and len(text) > MAX_REGION:
            self._fault("region", "string_too_long", f"must be at most {MAX_REGION} characters")
            return None
        region = parse_region(text) if text else None
        if region is None or isinstance(region, str):
            return region
        self._fault("region", region.code, "must be a country, as ISO 3166-1 code or name")
        return None

    def year(self) -> int | None:
        text = self._text("reporting_year")
        if text is None:
            return None
        if re.fullmatch(r"[0-9]{4}", text) and int(text) in YEARS:
            return int(text)
        self._fault("reporting_year", "out_of_range", f"must be a year, {YEARS[0]} to {YEARS[-1]}")
        return None

    def upstream(self) -> bool:
        text = self._text("upstream")
        said = None if text is None else text.lower()  # generated clients write True
        if said not in (None, "true", "false"):
            self._fault("upstream", "bool_parsing", "must be true or false")
        return said == "true"

    def mapping(self) -> dict[str, str] | None:
        text = self._text("mapping")
        if text is None:
            return None
        try:
            mapping = json.loads(text, object_pairs_hook=_named_once)
        except _NamedTwice:
            self._fault("mapping", "column_repeated", "names a column or a setting twice")
            return None
        except (ValueError, RecursionError):
            mapping = None
        if not isinstance(mapping, dict) or len(mapping) > MAX_MAPPED_COLUMNS:
            self._fault("mapping", "json_invalid", "must be a JSON object: column → field")
            return None
        if not self._columns_are_known(mapping) or not self._settings_are_known(mapping):
            return None
        return mapping

    def _columns_are_known(self, mapping: dict[str, Any]) -> bool:
        """Say whether columns are named and mapped to fields, each to its own.

        Entries are counted from 1: their names are the caller's text.
        """
        seen: dict[str, int] = {}
        for number, (column, field) in enumerate(mapping.items(), 1):
            if not 0 < len(column) <= MAX_HEADING or _unstorable(column):
                told = f"entry {number} must name the column by its heading"
                self._fault("mapping", "column_invalid", told)
                return False
            if column in SETTINGS or field == IGNORE:
                continue
            if not isinstance(field, str) or field not in set(Field):
                known = ", ".join((*Field, IGNORE))
                told = f"entry {number} must map to one of: {known}"
                self._fault("mapping", "field_unknown", told)
                return False
            if field in seen:
                told = f"entries {seen[field]} and {number} name the same field, {field}"
                self._fault("mapping", "field_repeated", told)
                return False
            seen[field] = number
        return True

    def _settings_are_known(self, mapping: dict[str, Any]) -> bool:
        """Say whether the parser will take the settings; what they mean is its business."""
        texts = [mapping[key] for key in SETTINGS if key in mapping]
        sound = all(isinstance(t, str) and 0 < len(t) <= MAX_SETTING for t in texts)
        try:
            if not sound or any(map(_unstorable, texts)):
                raise FileRejected("")
            ParseOptions.from_upload(mapping=mapping)
        except FileRejected:
            self._fault("mapping", "setting_invalid", SETTING_RULE)
            return False
        return True


class _NamedTwice(ValueError):
    """An object gives two values for one name; a reader would take the last in silence."""


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _NamedTwice
    return found


def _unstorable(text: str) -> bool:
    return "\0" in text or text != text.encode("utf-8", "ignore").decode()
