"""Raw rows → typed rows and issues. Every raw row gives one typed row or a rejection, never none.

A rejection names what to change. A warning goes with a typed row: a date that cannot be read costs
the date, a region that is not known costs the region, not the figure. How a row is read is in
core.row_reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from core.parsing.raw_schema import RAW_SCHEMA
from core.parsing.report import ParseOptions, ParseReport, RowKind, TableReport
from core.records import ActivityRow, Basis, Dimension, Field, RowIssue, Severity
from core.row_reader import RowReader, TypedRow

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
    """Type the rows of one raw part (RAW_SCHEMA).

    Returns a table of TYPED_SCHEMA in the order of the rows, and the issues: for each raw row that
    is not in the table exactly one of severity rejected, for rows in it warnings only.
    """
    if table.schema.names != RAW_SCHEMA.names:
        raise ValueError("not a raw part")
    issues: list[RowIssue] = []
    typed: list[TypedRow] = []
    readers: dict[int, RowReader] = {}
    tables = _Tables(context.report)
    places = (table.column(name).to_pylist() for name in ("sheet", "row_number", "column_number",
                                                          "kind", "typed"))  # fmt: skip
    for sheet, number, column, kind, held, *texts in zip(*places, *_texts(table), strict=True):
        table_of_row = tables.of(sheet, number)
        reader = readers.get(id(table_of_row))
        if reader is None:
            reader = readers[id(table_of_row)] = RowReader(
                table_of_row, context.region, context.year, issues
            )
        if kind != RowKind.DATA:
            code, message = _KINDS[kind]
            issues.append(
                RowIssue(sheet, number, None, code, Severity.REJECTED, f"Row {number}: {message}")
            )
            continue
        row = reader.read(number, column, held, texts)
        if row is not None:
            typed.append(row)
    return _typed_table(typed), issues


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
