"""Objects as local files, for libraries that want a path."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copyfileobj, rmtree

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import Unavailable
from core.ports import Storage

COPY_BYTES = 1024 * 1024
FEW_ROWS = 500
SCRATCH = "stage-"
ABANDONED_S = 24 * 3600  # no activity works on files for so long


@contextmanager
def scratch(work_dir: Path) -> Iterator[Path]:
    """Yield an empty directory that vanishes afterwards."""
    work_dir.mkdir(parents=True, exist_ok=True)
    clear(work_dir)
    with tempfile.TemporaryDirectory(dir=work_dir, prefix=SCRATCH) as directory:
        yield Path(directory)


def clear(work_dir: Path) -> None:
    """Remove what workers that were killed have left: uploads outlive their purge there."""
    before = time.time() - ABANDONED_S
    for path in work_dir.glob(f"{SCRATCH}*"):
        with suppress(OSError):
            if path.stat().st_mtime < before:
                rmtree(path)


def fetch(storage: Storage, key: str, target: Path) -> Path:
    """Copy an object to `target` and return it."""
    with storage.open(key) as source, target.open("wb") as sink:
        copyfileobj(source, sink, COPY_BYTES)
    return target


def let_go(storage: Storage, key: str) -> bool:
    """Remove an object; False when the store does not let go of this one: a hold, a retention lock.

    Raises Unavailable when the store is away.
    """
    try:
        storage.delete(key)
    except Unavailable:
        storage.exists(key)  # whether it answers at all
        return False
    return True


def read_table(storage: Storage, key: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a Parquet object as a table, or some of its columns.

    Parts have at most 50,000 rows and fit in memory.
    """
    with storage.open(key) as source:
        content = io.BytesIO(source.read())
    with pq.ParquetFile(content) as file:
        return file.read(None if columns is None else list(columns))


def read_rows(storage: Storage, key: str, offset: int, size: int) -> pa.Table:
    """Return rows [offset, offset + size) of a Parquet object; no others are unpacked than those
    of the groups that hold them."""
    with storage.open(key) as source:
        content = io.BytesIO(source.read())
    with pq.ParquetFile(content) as file:
        groups: list[int] = []
        first = end = 0
        for number in range(file.num_row_groups):
            start, end = end, end + file.metadata.row_group(number).num_rows
            if start < offset + size and end > offset:
                first = first if groups else start
                groups.append(number)
        return file.read_row_groups(groups).slice(offset - first, size)


def read_mapped(
    storage: Storage,
    key: str,
    columns: Sequence[str],
    mapped: str,
    change: Callable[[pa.Array], pa.Array],
) -> pa.Table:
    """Return columns of a Parquet object, of which one is changed a few rows at a time: its texts
    may be far longer than what is left of them."""
    with storage.open(key) as source:
        content = io.BytesIO(source.read())
    with pq.ParquetFile(content) as file:
        table = file.read([name for name in columns if name != mapped])
        batches = file.iter_batches(FEW_ROWS, columns=[mapped])
        changed = [change(batch.column(0)) for batch in batches]
        kind = file.schema_arrow.field(mapped).type
        return table.append_column(mapped, pa.chunked_array(changed, type=kind))


def write_table(
    storage: Storage, key: str, table: pa.Table, *, rows_a_group: int | None = None
) -> None:
    """Store a table as Parquet; `rows_a_group` where few of its rows are read at a time."""
    sink = io.BytesIO()
    # Nobody looks for rows by the least and greatest text of a part.
    pq.write_table(
        table, sink, compression="zstd", write_statistics=False, row_group_size=rows_a_group
    )
    sink.seek(0)
    storage.put(key, sink, content_type="application/vnd.apache.parquet")
