"""Raw rows → Parquet parts of bounded size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import FileRejected
from core.parsing import limits
from core.parsing.block import Block, Mask, without_empty
from core.parsing.evidence import Evidence
from core.parsing.raw_schema import RAW_SCHEMA
from core.parsing.report import PartReport, RowKind
from core.parsing.rows import Row
from core.records import Field

_KEPT_CHARACTERS = 200  # of a cell that is too large


class PartWriter:
    """Collects rows and writes part-00000.parquet, part-00001.parquet and so on.

    A part ends at `rows_per_part`, or earlier where its texts grow large. What rows of data prove
    is told to the evidence of their table once they are columns.
    """

    def __init__(self, out_dir: Path, *, rows_per_part: int, max_rows: int) -> None:
        self._out_dir = out_dir
        self._rows_per_part = rows_per_part
        self._max_rows = max_rows
        self._tables: list[pa.Table] = []
        self.parts: list[PartReport] = []
        self.rows_total = 0
        self.kinds: Counter[RowKind] = Counter()
        self._batch: list[Row] = []
        self._batch_kinds: list[RowKind] = []
        self._sheet = ""
        self._fields: Mapping[Field, int] = {}
        self._evidence: Evidence | None = None
        self._width: int | None = None
        self._room = rows_per_part
        self._room_characters = limits.PART_CHARACTERS

    def begin(
        self,
        sheet: str,
        fields: Mapping[Field, int],
        *,
        evidence: Evidence | None = None,
        width: int | None = None,
    ) -> None:
        """Start the rows of another table; `fields` says which column holds what.

        Cells from `width` on were filled in for `fields` and are not kept as part of the record.
        """
        self.seal()
        self._sheet, self._fields, self._width = sheet, fields, width
        self._evidence = evidence

    def add(self, row: Row, kind: RowKind) -> None:
        """Add one row. Raises FileRejected("too_many_rows")."""
        self._batch.append(row)
        self._batch_kinds.append(kind)
        self._room -= 1
        self._room_characters -= len("".join(row.cells))
        if not self._room or self._room_characters <= 0:
            self._flush()

    def add_data(self, block: Block) -> None:
        """Add many rows of data, as `add` would one by one."""
        sizes = np.cumsum(block.sizes)
        done = used = 0
        while done < len(block):
            large = int(np.searchsorted(sizes, used + self._room_characters)) + 1
            stop = min(done + self._room, large, len(block))
            self._collect()
            self._collect_data(block.slice(done, stop))
            self._room -= stop - done
            self._room_characters -= int(sizes[stop - 1]) - used
            done, used = stop, int(sizes[stop - 1])
            if not self._room or self._room_characters <= 0:
                self._flush()

    def finish(self) -> tuple[PartReport, ...]:
        """Write what is left and return all parts."""
        self._flush()
        return tuple(self.parts)

    def seal(self) -> None:
        """Turn the collected rows of one table into columns."""
        self._collect()
        if self.rows_total > self._max_rows:
            raise FileRejected(
                f"The file has more than {self._max_rows} rows. Split it.", code="too_many_rows"
            )

    def _collect(self) -> None:
        """Turn the rows that came one by one into columns."""
        if not self._batch:
            return
        rows, kinds = self._batch, self._batch_kinds
        self._batch, self._batch_kinds = [], []
        for at, kind in enumerate(kinds):
            if kind in (RowKind.CELL_TOO_LARGE, RowKind.BAD_CHARACTER):
                rows[at] = _harmless(rows[at])
        self.kinds.update(kinds)
        block = Block.of([row.cells for row in rows], [row.number for row in rows])
        typed = _Typed([row.typed for row in rows], self._fields)
        columns = {
            "column_number": pa.array([row.column for row in rows], pa.int32()),
            "kind": pa.array([kind.value for kind in kinds], pa.string()),
            "typed": typed.lists(),
        }
        if self._width is not None:
            kept = [row.cells[: self._width] for row in rows]
            columns["cells"] = Block.of(kept, block.numbers).cells()
        data = np.array([kind is RowKind.DATA for kind in kinds], np.bool_)
        self._append(block, columns, data, typed)

    def _collect_data(self, block: Block) -> None:
        count = len(block)
        self.kinds[RowKind.DATA] += count
        columns = {
            "column_number": pa.repeat(pa.scalar(0, pa.int32()), count),
            "kind": pa.repeat(pa.scalar(RowKind.DATA.value, pa.string()), count),
            "typed": pa.ListArray.from_arrays(
                pa.array(np.zeros(count + 1, np.int32)), pa.array([], pa.string())
            ),
        }
        self._append(block, columns, None, None)

    def _append(
        self, block: Block, columns: dict[str, Any], data: Mask | None, typed: _Typed | None
    ) -> None:
        """Add the columns that are cut from the rows; where `data` is None, all rows are data."""
        count = len(block)
        self.rows_total += count
        texts = {field: block.column(index) for field, index in self._fields.items()}
        if self._evidence is not None:
            numbers = {field: typed.holds(field) for field in texts} if typed else {}
            self._evidence.see(texts, data, numbers)
        columns["sheet"] = pa.repeat(pa.scalar(self._sheet, pa.string()), count)
        columns["row_number"] = pa.array(block.numbers.astype(np.int32))
        columns.setdefault("cells", block.cells())
        for field in Field:
            known = field in texts
            columns[field.value] = (
                without_empty(texts[field]) if known else pa.nulls(count, pa.string())
            )
        self._tables.append(pa.table(columns, schema=RAW_SCHEMA))

    def _flush(self) -> None:
        self.seal()
        self._room, self._room_characters = self._rows_per_part, limits.PART_CHARACTERS
        if not self._tables:
            return
        name = f"part-{len(self.parts):05d}.parquet"
        table = pa.concat_tables(self._tables)
        # Nobody looks for rows by the least and greatest text of a part.
        pq.write_table(table, self._out_dir / name, compression="zstd", write_statistics=False)
        self.parts.append(PartReport(name=name, rows=table.num_rows))
        self._tables = []


class _Typed:
    """Which fields of each row were held as numbers; few combinations, whatever the rows."""

    def __init__(self, typed: Sequence[tuple[int, ...]], fields: Mapping[Field, int]) -> None:
        self._fields = fields
        known: dict[tuple[int, ...], int] = {}
        self._at = np.array([known.setdefault(held, len(known)) for held in typed], np.int64)
        self._known = list(known)

    def lists(self) -> Any:
        """Return the names of the fields of each row."""
        names = {index: field.value for field, index in self._fields.items()}
        lists = [[names[i] for i in held if i in names] for held in self._known]
        return pa.array(lists, pa.list_(pa.string())).take(pa.array(self._at))

    def holds(self, field: Field) -> Mask:
        """Tell for each row whether this field is a number."""
        index = self._fields[field]
        found: Mask = np.array([index in held for held in self._known], np.bool_)[self._at]
        return found


def _harmless(row: Row) -> Row:
    """Cut a row down so that nothing after the parser meets its oversized or binary cells."""
    cells = [cell[:_KEPT_CHARACTERS].replace("\x00", "\ufffd") for cell in row.cells]
    return Row(row.number, cells[: limits.RECORD_COLUMNS])
