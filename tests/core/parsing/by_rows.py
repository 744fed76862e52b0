"""The plain way from delimited text to parts, a row at a time: what the quick one must agree with.

Records come from the csv module alone, so no block is ever met; columns are built cell by cell and
each value is asked what it proves.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core import dates, numbers
from core.errors import FileRejected
from core.money import country_of
from core.numbers import Convention
from core.parsing import limits
from core.parsing.evidence import Evidence, decide
from core.parsing.parts import PartWriter
from core.parsing.report import ParseOptions, RowKind, TableReport
from core.parsing.rows import Row
from core.parsing.sheet import SheetParser
from core.parsing.sniff import Dialect, detect_dialect, detect_encoding
from core.records import Field
from core.regions import calls_states, holds_us_states, parse_region

PlainRow = dict[str, Any]


def plain_rows(path: Path, encoding: str, dialect: Dialect) -> Iterator[Row]:
    """Yield every record of the csv module."""
    csv.field_size_limit(limits.FIELD_CHARACTERS)
    with path.open(encoding=encoding, newline="") as source:
        for _ in range(dialect.skip_lines):
            source.readline()
        reader = csv.reader(source, delimiter=dialect.delimiter)
        line = dialect.skip_lines + 1
        try:
            for cells in reader:
                if any(cells[limits.RECORD_COLUMNS :]):
                    raise FileRejected("", code="too_many_columns")
                yield Row(line, cells)
                line = dialect.skip_lines + reader.line_num + 1
        except csv.Error as error:
            raise FileRejected("", code="cell_too_large") from error


@dataclass
class PlainTable:
    """What the rows of one table prove, value by value."""

    fields: Mapping[Field, int]
    region: str | None
    numbers: dict[Field, dict[Convention, Counter[Convention]]] = field(default_factory=dict)
    orders: Counter[dates.DateOrder] = field(default_factory=Counter)
    regions: dict[str, None] = field(default_factory=dict)

    def see(self, row: Row) -> None:
        """Ask every cell of one row."""
        cells = dict(enumerate(row.cells))
        where = cells.get(self.fields.get(Field.REGION, -1), "")
        if len(self.regions) < 1_000:
            self.regions.setdefault(where)
        found = parse_region(where) if where else self.region
        usual = numbers.region_convention(found if isinstance(found, str) else None)
        for name in (Field.VOLUME, Field.AMOUNT):
            at = self.fields.get(name, -1)
            if at in cells and at not in row.typed:
                proofs = self.numbers.setdefault(name, {}).setdefault(usual, Counter())
                proofs.update(filter(None, [numbers.evidence(cells[at])]))
        self.orders.update(
            filter(None, [dates.evidence(cells.get(self.fields.get(Field.DATE, -1), ""))])
        )

    def check(self, table: TableReport, options: ParseOptions) -> None:
        """Compare what was decided for whole columns with what these values say."""
        if not options.decimal_separator:
            plain = {name: decide(self.numbers.get(name, {})) for name in table.decimals}
            assert table.decimals == plain
        if not options.date_order:
            assert table.date_order is dates.order_of(self.orders)
        called = calls_states(table.heading_of(Field.REGION) or "", country_of(self.region))
        assert table.us_states is holds_us_states(self.regions, called_states=called)


class PlainWriter(PartWriter):
    """Keeps rows and where parts end, and writes nothing."""

    def __init__(self, options: ParseOptions) -> None:
        super().__init__(Path(), rows_per_part=options.rows_per_part, max_rows=options.max_rows)
        self.region = options.region
        self.rows: list[PlainRow] = []
        self.part_rows: list[int] = []
        self.tables: list[PlainTable] = []
        self._characters = self._count = 0

    def begin(
        self,
        sheet: str,
        fields: Mapping[Field, int],
        *,
        evidence: Evidence | None = None,
        width: int | None = None,
    ) -> None:
        """Start the rows of another table."""
        self._place = sheet, fields, width
        self.tables.append(PlainTable(fields, self.region))

    def add(self, row: Row, kind: RowKind) -> None:
        """Take one row apart."""
        sheet, fields, width = self._place
        self._characters += sum(map(len, row.cells))
        if kind is RowKind.DATA:
            self.tables[-1].see(row)
        if kind in (RowKind.CELL_TOO_LARGE, RowKind.BAD_CHARACTER):
            cut = [cell[:200].replace("\x00", "\ufffd") for cell in row.cells]
            row = Row(row.number, cut[: limits.RECORD_COLUMNS])
        cells = dict(enumerate(row.cells))
        held = {index: name.value for name, index in fields.items()}
        plain: PlainRow = {name.value: cells.get(fields.get(name, -1)) or None for name in Field}
        plain |= {"sheet": sheet, "row_number": row.number, "column_number": row.column}
        plain |= {"kind": kind.value, "typed": [held[i] for i in row.typed if i in held]}
        self.rows.append(plain | {"cells": row.cells[:width]})
        self._count += 1
        if self._count == self._rows_per_part or self._characters >= limits.PART_CHARACTERS:
            self.end_part()

    def end_part(self) -> None:
        """Note the size of a part."""
        if self._count:
            self.part_rows.append(self._count)
        self._characters = self._count = 0

    def seal(self) -> None:
        """Nothing is held back."""


def parse_plainly(path: Path, options: ParseOptions) -> tuple[PlainWriter, list[TableReport]]:
    """Parse delimited text row by row."""
    encoding = detect_encoding(path)
    writer = PlainWriter(options)
    rows = plain_rows(path, encoding, detect_dialect(path, encoding))
    tables = SheetParser("", options, writer, []).parse(rows)
    writer.end_part()
    return writer, tables
