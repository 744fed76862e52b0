"""Raw rows → typed rows and issues. Every raw row gives one typed row or a rejection, never none.

A rejection names what to change. A warning goes with a typed row: a date that cannot be read costs
the date, a region that is not known costs the region, not the figure. How a row is read is in
core.row_reader; rows that would give no issue are read together, in core.alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.alike import AlikeRows, Mask, Numbers, Plain, plain_numbers
from core.parsing.raw_schema import VALIDATED
from core.parsing.report import ParseOptions, ParseReport, RowKind, TableReport
from core.readings import TypedRow
from core.records import ActivityRow, Basis, Dimension, Field, RowIssue, Severity
from core.row_reader import RowReader

TYPED_SCHEMA = pa.schema(
    [
        pa.field("sheet", pa.string(), nullable=False),
        pa.field("row_number", pa.int32(), nullable=False),
        pa.field("column_number", pa.int32(), nullable=False),
        pa.field("activity_key", pa.string(), nullable=False),
        pa.field("activity_name", pa.string(), nullable=False),
        pa.field("activity_type", pa.string()),
        pa.field("activity_description", pa.string()),
        pa.field("volume_text", pa.string(), nullable=False),
        pa.field("unit_text", pa.string(), nullable=False),
        pa.field("region_text", pa.string()),
        pa.field("date_text", pa.string()),
        pa.field("volume", pa.float64(), nullable=False),
        pa.field("unit", pa.string(), nullable=False),
        pa.field("dimension", pa.string(), nullable=False),
        pa.field("basis", pa.string()),
        pa.field("region", pa.string()),
        pa.field("activity_on", pa.date32()),
        pa.field("year", pa.int32()),
        pa.field("currency", pa.string()),
        pa.field("flags", pa.list_(pa.string()), nullable=False),
    ]
)

_KINDS: dict[str, tuple[str, str]] = {
    RowKind.BLANK: ("row_blank", "The row is empty; nothing was read."),
    RowKind.TOTAL: ("row_total", "The row is a total of others; counting it would count twice."),
    RowKind.REPEATED_HEADER: ("header_repeated", "The row repeats the headings."),
    RowKind.NOTE: (
        "row_note",
        "The row holds one text and no quantity; it was taken for a heading or note. Add a "
        "quantity if it is an activity.",
    ),
    RowKind.CELL_TOO_LARGE: (
        "cell_too_large",
        "A cell holds more than 32,767 characters, more than a spreadsheet can. Shorten it.",
    ),
    RowKind.BAD_CHARACTER: (
        "bad_character",
        "A cell holds a NUL character, which is no text. Remove it.",
    ),
}


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """What holds for a whole file: the parser's report and the defaults of the upload."""

    report: ParseReport
    region: str | None = None  # for rows without one
    year: int | None = None  # likewise

    @classmethod
    def of(cls, report: ParseReport, options: ParseOptions) -> ValidationContext:
        """Build the context from what the parser was told and what it found."""
        return cls(report, options.region, options.reporting_year)


def validate_part(table: pa.Table, context: ValidationContext) -> tuple[pa.Table, list[RowIssue]]:
    """Type the rows of one raw part (RAW_SCHEMA), of which the columns VALIDATED are enough.

    Returns a table of TYPED_SCHEMA in the order of the rows, and the issues: for each raw row that
    is not in the table exactly one of severity rejected, and warnings of what else is wrong with
    it; for rows in it warnings only.
    """
    if not set(VALIDATED) <= set(table.schema.names):
        raise ValueError("not a raw part")
    issues: list[RowIssue] = []
    part = _Part(table, context, issues)
    numbers = plain_numbers(table, pc.equal(table.column("kind"), RowKind.DATA.value).to_numpy())
    alike = AlikeRows(table, numbers, part.readers, part.tables, part.are_held(numbers))
    single = np.full(table.num_rows, True)
    single[alike.rows] = False
    typed: list[TypedRow] = []
    at: list[int] = []
    for row in part.rows(np.flatnonzero(single)):
        if row.kind != RowKind.DATA:
            code, message = _KINDS[row.kind]
            text = f"Row {row.number}: {message}"
            issues.append(RowIssue(row.sheet, row.number, None, code, Severity.REJECTED, text))
        elif (found := part.read(row)) is not None:
            at.append(row.at)
            typed.append(found)
    many = _alike_table(table, numbers, alike)
    if not typed:
        return many, issues
    both = pa.concat_tables([many, _typed_table(typed)])
    order = np.argsort(np.concatenate((alike.rows, np.array(at, np.int64))))
    return both.take(pa.array(order)), issues


def _alike_table(table: pa.Table, numbers: Plain, alike: AlikeRows) -> pa.Table:
    """Return the typed rows that were read together, each with its own number and place."""
    if not len(alike.rows):
        return TYPED_SCHEMA.empty_table()
    rows = pa.array(alike.rows)
    columns = alike.columns() | {
        "row_number": table.column("row_number").take(rows),
        "column_number": table.column("column_number").take(rows),
        "volume": pa.array(numbers.values[alike.rows]),
        "volume_text": numbers.texts.take(rows),
    }
    return pa.table(columns, schema=TYPED_SCHEMA)


class _Row(NamedTuple):
    """One raw row: its place in the part and in the file, and its texts in the order of Field."""

    at: int
    sheet: str
    number: int
    column: int
    kind: str
    table: int
    held: list[str]
    texts: list[str]


class _Part:
    """A raw part whose rows are read singly; `tables` says by which of the readers."""

    def __init__(self, table: pa.Table, context: ValidationContext, issues: list[RowIssue]) -> None:
        self._table = table
        self.readers = [
            RowReader(found, context.region, context.year, issues)
            for found in context.report.tables
        ]
        self.tables = _tables(table, context.report)
        self._held: list[tuple[str, ...]] = [()]  # which fields a row has as numbers
        self._of_row = np.zeros(table.num_rows, np.int64)
        if pc.any(pc.greater(pc.list_value_length(table.column("typed")), 0)).as_py():
            known: dict[tuple[str, ...], int] = {}
            held = map(tuple, table.column("typed").to_pylist())
            self._of_row[:] = [known.setdefault(names, len(known)) for names in held]
            self._held = list(known)

    def are_held(self, numbers: Plain) -> Mask:
        """Tell which rows have their number as one, which then has a decimal point."""
        held = [
            [str(field) in names for names in self._held] for field in (Field.AMOUNT, Field.VOLUME)
        ]
        found: Mask = np.array(held)[numbers.from_volume.astype(np.int64), self._of_row]
        return found

    def rows(self, at: Numbers) -> Iterator[_Row]:
        """Yield the rows at these places."""
        some = self._table.select(VALIDATED).take(pa.array(at))
        places = (some.column(n).to_pylist() for n in ("sheet", "row_number", "column_number",
                                                       "kind"))  # fmt: skip
        typed = (list(self._held[code]) for code in self._of_row[at].tolist())
        texts = map(list, zip(*_texts(some), strict=True))
        yield from map(_Row, at.tolist(), *places, self.tables[at].tolist(), typed, texts)

    def read(self, row: _Row) -> TypedRow | None:
        """Read one row; issues say why it is rejected."""
        return self.readers[row.table].read(row.number, row.column, row.held, row.texts)


def _tables(table: pa.Table, report: ParseReport) -> Numbers:
    """Return for each row of a part which table of the report it is of."""
    if len(report.tables) == 1:
        return np.zeros(table.num_rows, np.int64)
    place = {id(found): at for at, found in enumerate(report.tables)}
    tables = _Tables(report)
    rows = zip(table.column("sheet").to_pylist(), table.column("row_number").to_pylist(),
               strict=True)  # fmt: skip
    return np.array([place[id(tables.of(sheet, number))] for sheet, number in rows], np.int64)


class _Tables:
    """Finds the table of a row; rows come in order, so it is nearly always the last one found."""

    def __init__(self, report: ParseReport) -> None:
        self._report = report
        self._sheet: str | None = None
        self._rows = range(0)

    def of(self, sheet: str, number: int) -> TableReport:
        """Return the table that a row is of."""
        if sheet != self._sheet or number not in self._rows:
            self._table = self._report.table(sheet, number)
            later = [t.header_row for t in self._report.tables
                     if t.sheet == sheet and t.header_row > self._table.header_row]  # fmt: skip
            self._sheet = sheet
            self._rows = range(min(later, default=1 << 31))
            if self._table is not self._report.table(sheet):
                self._rows = range(self._table.header_row + 1, self._rows.stop)
        return self._table


def _texts(table: pa.Table) -> list[list[str]]:
    """Return the text columns without outer blanks, in the order of Field; "" where missing."""
    return [
        pc.fill_null(pc.utf8_trim_whitespace(table.column(str(name))), "").to_pylist()
        for name in Field
    ]


def _typed_table(rows: list[TypedRow]) -> pa.Table:
    if not rows:
        return TYPED_SCHEMA.empty_table()
    columns = [
        pa.array(values, field.type)
        for values, field in zip(zip(*rows, strict=True), TYPED_SCHEMA, strict=True)
    ]
    return pa.table(columns, schema=TYPED_SCHEMA)


def rows_of(table: pa.Table) -> Iterator[ActivityRow]:
    """Yield the rows of a typed part."""
    for row in table.to_pylist():
        row["dimension"] = Dimension(row["dimension"])
        row["basis"] = Basis(row["basis"]) if row["basis"] else None
        row["flags"] = tuple(row["flags"])
        yield ActivityRow(**row)
