"""Which files are taken: by the end of the name, and by what the content must then be."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath


class Content(StrEnum):
    """What a file that we read is, by its bytes."""

    CSV = "csv"  # text with a delimiter, whatever the delimiter
    JSON = "json"  # an array of objects
    JSONL = "jsonl"  # an object a line
    XLSX = "xlsx"
    XLS = "xls"
    ODS = "ods"
    PARQUET = "parquet"


TEXTS = frozenset({Content.CSV, Content.JSON, Content.JSONL})
WORKBOOKS = frozenset({Content.XLSX, Content.XLS, Content.ODS})
EXTENSIONS: dict[str, frozenset[Content]] = {
    "csv": frozenset({Content.CSV}),
    "tsv": frozenset({Content.CSV}),
    "tab": frozenset({Content.CSV}),
    "txt": frozenset({Content.CSV}),
    "json": frozenset({Content.JSON, Content.JSONL}),  # many programs call lines of objects .json
    "jsonl": frozenset({Content.JSONL}),
    "ndjson": frozenset({Content.JSONL}),
    "xlsx": frozenset({Content.XLSX}),
    "xls": frozenset({Content.XLS}),
    "ods": frozenset({Content.ODS}),
    "parquet": frozenset({Content.PARQUET}),
}
MACRO_EXTENSIONS = frozenset({"xlsm", "xltm", "xlsb", "xlam", "xla", "xlt"})
# What is text may come packed; the others are packed already.
PACKED = frozenset(f"{name}.gz" for name, of in EXTENSIONS.items() if of <= TEXTS)
ALLOWED = tuple(sorted({*EXTENSIONS, *PACKED}))


def extension_of(name: str) -> str:
    """Return the end of a name in small letters without its dot: "csv", "csv.gz", or ""."""
    path = PurePosixPath(name)
    last = path.suffix.lower().removeprefix(".")
    if last != "gz":
        return last
    inner = PurePosixPath(path.stem).suffix.lower().removeprefix(".")
    return f"{inner}.gz" if inner else "gz"
