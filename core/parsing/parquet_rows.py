"""Parquet → rows, streaming.

Typed values become texts that are read back as the very same: decimals with all their digits,
floats as the shortest that gives the same float, days as ISO 8601. Structures become columns with
dotted names.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import FileRejected
from core.parsing import limits
from core.parsing.tables import Row

_BATCH_ROWS = 8_192
# Integers beyond this have no exact double, and a spreadsheet shows 15 digits.
_EXACT_INTEGER = 1e15


def check_parquet(path: Path) -> None:
    """Read a file's own account of itself. Raises FileRejected: parquet_damaged, zip_bomb,
    too_many_rows, too_many_columns."""
    try:
        metadata = pq.read_metadata(path)
        groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
        unpacked = sum(group.total_byte_size for group in groups)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged() from error
    if unpacked > limits.PARQUET_TOTAL_BYTES:
        raise FileRejected(
            f"The file unpacks to more than {limits.PARQUET_TOTAL_BYTES // 10**6} MB. Split it.",
            code="zip_bomb",
        )
    # A column that repeats one value takes a few bytes whatever the number of rows.
    if metadata.num_rows > limits.FILE_ROWS:
        raise FileRejected(
            f"The file has more than {limits.FILE_ROWS} rows. Split it.", code="too_many_rows"
        )
    if metadata.num_columns > limits.RECORD_COLUMNS:
        raise FileRejected(
            f"The file has more than {limits.RECORD_COLUMNS} columns. Leave out those that hold "
            "no activity.",
            code="too_many_columns",
        )


def _damaged() -> FileRejected:
    return FileRejected(
        "The file is not Parquet that we can read: damaged, cut off or encrypted. Write it again.",
        code="parquet_damaged",
    )


def read_rows(path: Path, notes: list[str]) -> Iterator[Row]:
    """Yield the names as row 0, then every row by its place in the file, from 1.

    Columns of bytes are left out and named in the notes. Raises FileRejected("parquet_damaged").
    """
    try:
        with pq.ParquetFile(path) as file:
            columns = _flat(pa.Table.from_batches([], schema=file.schema_arrow))
            kept = [at for at, (_, column) in enumerate(columns) if not _is_bytes(column.type)]
            notes += [
                f'Column "{name[:60]}" holds bytes and was left out.'
                for name, column in columns
                if _is_bytes(column.type)
            ]
            yield Row(0, [columns[at][0] for at in kept])
            typed = tuple(i for i, at in enumerate(kept) if _is_number(columns[at][1].type))
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
                flat = _flat(pa.Table.from_batches([batch]))
                texts = [_texts(flat[at][1]) for at in kept]
                for cells in zip(*texts, strict=True):
                    number += 1
                    yield Row(number, list(cells), typed)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _damaged() from error


def _flat(table: pa.Table) -> list[tuple[str, pa.ChunkedArray]]:
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return list(zip(table.column_names, table.columns, strict=True))


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_bytes(kind: pa.DataType) -> bool:
    kind = _value_type(kind)
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _is_number(kind: pa.DataType) -> bool:
    kind = _value_type(kind)
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _texts(column: pa.ChunkedArray) -> list[str]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts: list[str] = pc.fill_null(column, "").to_pylist()
        return texts
    if pa.types.is_integer(kind) or kind == pa.float32():
        # Arrow writes the shortest text that gives the same float of 32 bits.
        texts = pc.fill_null(column.cast(pa.string()), "").to_pylist()
        return [text.removesuffix(".0") for text in texts]
    if pa.types.is_timestamp(kind):
        # The day at the place that wrote it; finer than microseconds is of no use here.
        if kind.tz:
            column = pc.local_timestamp(column)
        column = column.cast(pa.timestamp("us"), safe=False)
    return [_text(value) for value in column.to_pylist()]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < _EXACT_INTEGER
        return str(int(value)) if whole else repr(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time.min
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=_text)
    return str(value)
