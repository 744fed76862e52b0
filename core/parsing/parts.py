"""Raw rows → Parquet parts of bounded size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import FileRejected
from core.parsing import limits
from core.parsing.raw_schema import RAW_SCHEMA
from core.parsing.report import PartReport, RowKind
from core.parsing.tables import Row
from core.records import Field

_KEPT_CHARACTERS = 200  # of a cell that is too large


class PartWriter:
    """Collects rows and writes part-00000.parquet, part-00001.parquet and so on.

    A part ends at `rows_per_part`, or earlier where its texts grow large.
    """

    def __init__(self, out_dir: Path, *, rows_per_part: int, max_rows: int) -> None:
        self._out_dir = out_dir
        self._rows_per_part = rows_per_part
        self._max_rows = max_rows
        self._tables: list[pa.Table] = []
        self._pending = 0
        self.parts: list[PartReport] = []
        self.rows_total = 0
        self.kinds: Counter[RowKind] = Counter()
        self._batch: list[Row] = []
        self._batch_kinds: list[RowKind] = []
        self._sheet = ""
        self._fields: Mapping[Field, int] = {}
        self._width: int | None = None
        self._room = rows_per_part
        self._room_characters = limits.PART_CHARACTERS

    def begin(self, sheet: str, fields: Mapping[Field, int], *, width: int | None = None) -> None:
        """Start the rows of another table; `fields` says which column holds what.

        Cells from `width` on were filled in for `fields` and are not kept as part of the record.
        """
        self._seal()
        self._sheet, self._fields, self._width = sheet, fields, width

    def add(self, row: Row, kind: RowKind) -> None:
        """Add one row. Raises FileRejected("too_many_rows")."""
        self._batch.append(row)
        self._batch_kinds.append(kind)
        self._room -= 1
        self._room_characters -= len("".join(row.cells))
        if not self._room or self._room_characters <= 0:
            self._flush()

    def finish(self) -> tuple[PartReport, ...]:
        """Write what is left and return all parts."""
        self._flush()
        return tuple(self.parts)

    def _seal(self) -> None:
        """Turn the collected rows of one table into columns."""
        if not self._batch:
            return
        self.rows_total += len(self._batch)
        if self.rows_total > self._max_rows:
            raise FileRejected(
                f"The file has more than {self._max_rows} rows. Split it.", code="too_many_rows"
            )
        self.kinds.update(self._batch_kinds)
        self._tables.append(self._table())
        self._pending += len(self._batch)
        self._batch, self._batch_kinds = [], []

    def _table(self) -> pa.Table:
        rows, count = self._batch, len(self._batch)
        for at, kind in enumerate(self._batch_kinds):
            if kind in (RowKind.CELL_TOO_LARGE, RowKind.BAD_CHARACTER):
                rows[at] = _harmless(rows[at])
        columns: dict[str, pa.Array] = {
            "sheet": pa.repeat(pa.scalar(self._sheet, pa.string()), count),
            "row_number": pa.array([row.number for row in rows], pa.int32()),
            "column_number": pa.array([row.column for row in rows], pa.int32()),
            "kind": pa.array([kind.value for kind in self._batch_kinds], pa.string()),
        }
        for field in Field:
            index = self._fields.get(field)
            columns[field.value] = (
                pa.nulls(count, pa.string())
                if index is None
                else pa.array(
                    [(r[1][index] or None) if index < len(r[1]) else None for r in rows],
                    pa.string(),
                )
            )
        names = {index: field.value for field, index in self._fields.items()}
        typed = [[names[i] for i in row.typed if i in names] if row.typed else [] for row in rows]
        columns["typed"] = pa.array(typed, pa.list_(pa.string()))
        columns["cells"] = pa.array(
            [row.cells[: self._width] for row in rows], pa.list_(pa.string())
        )
        return pa.table(columns, schema=RAW_SCHEMA)

    def _flush(self) -> None:
        self._seal()
        self._room, self._room_characters = self._rows_per_part, limits.PART_CHARACTERS
        if not self._pending:
            return
        name = f"part-{len(self.parts):05d}.parquet"
        table = pa.concat_tables(self._tables)
        pq.write_table(table, self._out_dir / name, compression="zstd")
        self.parts.append(PartReport(name=name, rows=table.num_rows))
        self._tables, self._pending = [], 0


def _harmless(row: Row) -> Row:
    """Cut a row down so that nothing after the parser meets its oversized or binary cells."""
    cells = [cell[:_KEPT_CHARACTERS].replace("\x00", "\ufffd") for cell in row.cells]
    return Row(row.number, cells[: limits.RECORD_COLUMNS])
