"""What a file is, by its content: type, encoding, delimiter. The name is only compared."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.errors import FileRejected
from core.parsing.kinds import Content

_CHUNK_BYTES = 1 << 20
_SAMPLE_CHARACTERS = 1 << 16
_SAMPLE_RECORDS = 200
DELIMITERS = (",", ";", "\t", "|")

# First bytes → what to call it. Everything here is refused as text.
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),  # .xls, and encrypted .xlsx
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"\x7fELF", "executable"),
    (b"MZ", "executable"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PAR1", "parquet"),
    (b"SQLite format 3\x00", "sqlite"),
    (b"{\\rtf", "rtf"),
)
_JSON_HEAD = 1 << 12  # characters, blanks included, in which JSON must show itself
_ARRAY = re.compile(r"\s*\[\s*[{\]\[]")
_OBJECT = re.compile(r'\s*\{\s*["}]')
_CONTROLS = bytes((*range(9), 14, 15, 16))  # what no text editor writes
_MARKUP = (b"<?xml", b"<!doctype", b"<html", b"<svg", b"<table", b"<!--")


def detect_type(path: Path) -> str:
    """Return "text", "zip", "ole", "gzip", "parquet", "empty", or what it is instead.

    core.parsing.structure looks inside.
    """
    with path.open("rb") as source:
        head = source.read(4096)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        return "empty" if path.stat().st_size <= len(head) else "text"
    for magic, name in _MAGIC:
        if head.startswith(magic) and (name != "executable" or b"\x00" in head):
            return name
    lowered = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if lowered.startswith(_MARKUP):
        return "markup"
    return "text"


def detect_json(path: Path, encoding: str) -> Content | None:
    """Return JSON or JSONL when a text begins as only those do, None for any other text."""
    with path.open(encoding=encoding) as source:
        head = source.read(_JSON_HEAD).removeprefix("\ufeff")
    if _ARRAY.match(head):
        return Content.JSON
    return Content.JSONL if _OBJECT.match(head) else None


def detect_encoding(path: Path, *, whole: bool = True) -> str:
    """Return the codec of a text file: "utf-8-sig", "utf-8", "utf-16" or "cp1252".

    Reads the file to its end in pieces; without `whole` it is the beginning of a longer one, and
    may end within a character. Raises FileRejected("not_text") for anything binary.
    """
    with path.open("rb") as source:
        head = source.read(4)
        source.seek(0)
        if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            raise _not_text()
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return _checked(source, "utf-16", whole)
        sample = source.read(4096)
        source.seek(0)
        if guessed := _utf16_without_mark(sample):
            return _checked(source, guessed, whole)
        if _decodes(source, "utf-8", whole):
            return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8"
        source.seek(0)
        return _checked(source, "cp1252", whole)


def _not_text() -> FileRejected:
    return FileRejected(
        "The file is not text. Save it as CSV in UTF-8, or as .xlsx.", code="not_text"
    )


def _utf16_without_mark(sample: bytes) -> str | None:
    if len(sample) < 8:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) / 2
    if odd > 0.6 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.6 * half and odd < 0.05 * half else None


def _decodes(source: BinaryIO, encoding: str, whole: bool) -> bool:
    """Decode to the end; raise not_text where too much of it is control characters."""
    decoder = codecs.getincrementaldecoder(encoding)()
    wide = encoding.startswith("utf-16")
    while chunk := source.read(_CHUNK_BYTES):
        try:
            text = decoder.decode(chunk)
        except UnicodeDecodeError:
            return False
        # A stray NUL spoils its row only; a file full of them is no text.
        plain = text.encode() if wide else chunk
        controls = len(plain) - len(plain.translate(None, _CONTROLS))
        if controls > 0.01 * len(text) + 2:
            raise _not_text()
    try:
        decoder.decode(b"", final=whole)
    except UnicodeDecodeError:
        return False
    return True


def _checked(source: BinaryIO, encoding: str, whole: bool) -> str:
    if not _decodes(source, encoding, whole):
        raise _not_text()
    return encoding


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file separates its fields. `skip_lines` counts a leading "sep=;" line."""

    delimiter: str
    skip_lines: int = 0


def detect_dialect(path: Path, encoding: str) -> Dialect:
    """Choose the delimiter with which the first 200 records agree best on a number of fields."""
    with path.open(encoding=encoding, newline="") as source:
        sample = source.read(_SAMPLE_CHARACTERS)
    first, _, _ = sample.partition("\n")
    stated = first.strip().lower()
    if stated.startswith("sep=") and len(stated) <= 5:
        return Dialect(first.strip()[4:] or "\t", skip_lines=1)
    scored = [(_agreement(sample, delimiter), delimiter) for delimiter in DELIMITERS]
    best = max(scored, key=lambda pair: pair[0])
    return Dialect(best[1] if best[0] > 0 else ",")


def _agreement(sample: str, delimiter: str) -> float:
    """Return the share of records with the most usual width, weighted by that width."""
    widths = Counter(len(record) for record in _records(sample, delimiter) if any(record))
    several = Counter({width: count for width, count in widths.items() if width > 1})
    if not several:
        return 0.0
    width, count = max(several.items(), key=lambda pair: (pair[1], pair[0]))
    share = count / widths.total()
    # Decimal commas split some lines in two: their width varies. Text with commas rarely agrees.
    return share * share * math.sqrt(min(width, 20))


def _records(sample: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        for _, record in zip(range(_SAMPLE_RECORDS), reader, strict=False):
            yield record
    except csv.Error:
        return
