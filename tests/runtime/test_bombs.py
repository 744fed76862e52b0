"""Small files that want to be large: each is refused with its reason, in a small child."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import FileRejected
from core.parsing.report import ParseOptions
from runtime.parse_child import run_check, run_parse

MEMORY_MB = 600  # address space; the libraries alone take some 300
LINE = b"Diesel,12.5,litres\n"
HEADER = b"Activity,Quantity,Unit\n"


def packed(content: bytes) -> bytes:
    return gzip.compress(content, 6, mtime=0)


def gzip_bomb() -> bytes:
    return packed(HEADER + LINE * 3_000_000)


def nested_gzip() -> bytes:
    return packed(packed(HEADER + LINE))


def many_empty_members() -> bytes:
    return packed(HEADER + LINE) + packed(b"") * 150_000


def many_full_members() -> bytes:
    member = packed(LINE * 500_000)
    return packed(HEADER) + member * 6


def rows_of_nothing() -> bytes:
    """Six million rows in some kilobytes: each column repeats one value."""
    count, target = 6_000_000, io.BytesIO()
    columns = {
        "Activity": pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int8()), count),
                                                   ["Diesel"]),
        "Quantity": pa.repeat(pa.scalar(1.5), count),
    }  # fmt: skip
    pq.write_table(pa.table(columns), target, compression="zstd")
    return target.getvalue()


def declared_rows() -> bytes:
    """1,234,567 rows that call themselves 134 million: the number is a varint of the footer."""

    def number(rows: int) -> bytes:
        value, found = rows * 2, b"\x16"  # field of type i64, zigzag
        while value > 127:
            found += bytes([value & 127 | 128])
            value >>= 7
        return found + bytes([value])

    target = io.BytesIO()
    pq.write_table(pa.table({"Quantity": pa.repeat(pa.scalar(1.5), 1_234_567)}), target)
    data = target.getvalue()
    assert number(1_234_567) in data
    return data.replace(number(1_234_567), number(134_000_000))


def deep_array() -> bytes:
    return b'[{"Activity": ' + b"[" * 1_000_000


def deep_objects() -> bytes:
    return b'{"a":' * 200_000 + b"1" + b"}" * 200_000


def long_names() -> bytes:
    """Names within names, each as long as it may be: joined they would be gigabytes."""
    value: object = 1
    for _ in range(400):
        value = {"n" * 9_000: value}
    return json.dumps([value]).encode()


@pytest.mark.parametrize(
    ("make", "name", "codes"),
    [
        (gzip_bomb, "a.csv.gz", {"zip_bomb"}),
        (nested_gzip, "a.csv.gz", {"type_not_supported"}),
        (nested_gzip, "a.csv.gz.gz", {"type_not_supported"}),
        (many_empty_members, "a.csv.gz", {"zip_bomb"}),
        (many_full_members, "a.csv.gz", {"zip_bomb"}),
        (rows_of_nothing, "a.parquet", {"too_many_rows"}),
        (declared_rows, "a.parquet", {"too_many_rows", "parquet_damaged"}),
        (deep_array, "a.json", {"json_damaged"}),
        (deep_objects, "a.jsonl", {"json_damaged"}),
        (long_names, "a.json", {"no_quantity_column", "file_resource_limit"}),
    ],
)
def test_a_bomb_is_refused_with_its_reason_in_a_small_child(
    tmp_path: Path, make: Callable[[], bytes], name: str, codes: set[str]
) -> None:
    source, out = tmp_path / "upload", tmp_path / "out"
    source.write_bytes(make())
    assert source.stat().st_size < 10_000_000
    out.mkdir()
    verdict = run_check(source, name, timeout_s=60, memory_mb=MEMORY_MB)
    if verdict.ok:  # what only reading tells
        assert name.endswith((".json", ".jsonl"))
    else:
        assert verdict.code in codes
        assert verdict.message
    # The parser asks again, whatever the scan said.
    with pytest.raises(FileRejected) as refused:
        run_parse(source, out, ParseOptions(filename=name), timeout_s=60, memory_mb=MEMORY_MB)
    assert refused.value.code in codes
    assert list(out.iterdir()) == []
