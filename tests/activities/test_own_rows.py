"""A match batch unpacks its own rows, and of long descriptions the beginning is kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from activities.objects import read_rows, read_table, write_table
from activities.parse import ParseFile
from activities.validate import ValidatePart
from core.contracts import FileRef, PartRef
from core.distinct_table import DESCRIPTION_CHARACTERS, read_activities
from core.keys import activities_key, typed_part_key
from core.matching.remembered import memory_key
from core.ports import Storage
from runtime.parse_child import run_parse
from tests.factories import Uploader

KEY = "tests/rows"


@pytest.fixture
def stored(uploader: Uploader) -> Storage:
    return uploader.storage


def test_no_group_of_rows_is_unpacked_that_is_not_asked_for(stored: Storage) -> None:
    table = pa.table({"text": [f"row {n} " * 50 for n in range(30)]})
    write_table(stored, KEY, table, rows_a_group=10)
    with stored.open(KEY) as source:
        content = bytearray(source.read())
    group = pq.ParquetFile(io.BytesIO(bytes(content))).metadata.row_group(0).column(0)
    start = group.dictionary_page_offset or group.data_page_offset
    content[start : start + group.total_compressed_size] = bytes(group.total_compressed_size)
    stored.put(KEY, io.BytesIO(bytes(content)), content_type="application/octet-stream")
    with pytest.raises(OSError):
        read_table(stored, KEY)
    assert read_rows(stored, KEY, 15, 10) == table.slice(15, 10)


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 30), (0, 1), (9, 2), (10, 10), (29, 1), (25, 9), (0, 0)]
)
def test_rows_are_those_of_the_whole(stored: Storage, offset: int, size: int) -> None:
    table = pa.table({"number": list(range(30))})
    write_table(stored, KEY, table, rows_a_group=10)
    assert read_rows(stored, KEY, offset, size) == table.slice(offset, size)
    write_table(stored, KEY, table)
    assert read_rows(stored, KEY, offset, size) == table.slice(offset, size)


def collected(
    uploader: Uploader, engine: Engine, tmp_path: Path, run: Callable[..., Any], content: str
) -> FileRef:
    ref = uploader.upload(content.encode())
    parser = partial(run_parse, timeout_s=60, memory_mb=1024)
    run(ParseFile(engine, uploader.storage, parser, work_dir=tmp_path).parse_file, ref)
    validate = ValidatePart(engine, uploader.storage)
    run(validate.validate_part, PartRef(**ref.model_dump(), part=0))
    run(validate.collect_activities, ref)
    return ref


def test_long_descriptions_are_cut_and_stay_apart(
    uploader: Uploader, worker_engine: Engine, tmp_path: Path, run: Callable[..., Any]
) -> None:
    words = "word " * 6_000
    lines = [f"Diesel,{about},{n},litres,GB,2025" for n, about in enumerate(
        (f"{words}one", f"{words}two", f"{words}TWO", "short"), start=1)]  # fmt: skip
    content = "\n".join(["activity,description,quantity,unit,country,year", *lines])
    ref = collected(uploader, worker_engine, tmp_path, run, content)
    table = read_table(uploader.storage, activities_key(ref.organization_id, ref.file_id))
    found = [activity.query for activity in read_activities(table)]
    typed = read_table(uploader.storage, typed_part_key(ref.organization_id, ref.file_id, 0))
    # Capitals are no difference: neither to the key nor to what is remembered.
    assert {query.key for query in found} == set(typed["activity_key"].to_pylist())
    assert len(found) == len({memory_key(query) for query in found}) == 3
    texts = sorted(query.description or "" for query in found)
    assert texts[0] == "short"
    for text in texts[1:]:
        assert text.startswith(words[:DESCRIPTION_CHARACTERS])
        assert len(text) < DESCRIPTION_CHARACTERS + 20
    # What was uploaded is kept as it is.
    assert typed["activity_description"].to_pylist()[0] == f"{words}one"
    assert table["volume_total"].to_pylist().count(5.0) == 1


def test_the_activities_of_a_file_are_stored_in_groups(
    uploader: Uploader, worker_engine: Engine, tmp_path: Path, run: Callable[..., Any]
) -> None:
    lines = [f"Diesel van {n},{n},litres,GB,2025" for n in range(1, 1_202)]
    content = "\n".join(["activity,quantity,unit,country,year", *lines])
    ref = collected(uploader, worker_engine, tmp_path, run, content)
    key = activities_key(ref.organization_id, ref.file_id)
    with uploader.storage.open(key) as source:
        metadata = pq.ParquetFile(io.BytesIO(source.read())).metadata
    assert (metadata.num_rows, metadata.num_row_groups) == (1_201, 2)
