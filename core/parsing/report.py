"""What goes into the parser and what it tells: all of it JSON, none of it rows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Default

from core.dates import DateOrder
from core.errors import FileRejected
from core.money_scale import Scale
from core.numbers import Convention
from core.parsing import limits
from core.parsing.kinds import Content
from core.parsing.remembered import RememberedMapping
from core.parsing.rows import letter_of
from core.records import Field

IGNORE = "ignore"  # a mapping value: do not read this column
# Keys of a mapping that are no columns but hold for the whole file.
SETTINGS = ("decimal_separator", "date_order", "unit", "currency")


class RowKind(StrEnum):
    """What a row below the header is. Everything but DATA is rejected with a reason."""

    DATA = "data"
    BLANK = "blank"
    TOTAL = "total"
    REPEATED_HEADER = "repeated_header"
    NOTE = "note"
    CELL_TOO_LARGE = "cell_too_large"
    BAD_CHARACTER = "bad_character"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ParseOptions(_Frozen):
    """What the uploader said about the file.

    `mapping` is column heading or letter → field name or "ignore". The settings decide what the
    columns leave open.
    """

    filename: str = ""
    region: str | None = None
    reporting_year: int | None = None
    mapping: dict[str, str] = Default(default_factory=dict)
    decimal_separator: Literal[".", ","] | None = None
    date_order: Literal["dmy", "mdy"] | None = None
    unit: str | None = None
    currency: str | None = None
    # signature of headings → what the organization confirmed of them
    remembered: dict[str, RememberedMapping] = Default(default_factory=dict)
    rows_per_part: int = Default(default=limits.PART_ROWS, ge=1, le=limits.PART_ROWS)
    max_rows: int = Default(default=limits.FILE_ROWS, ge=1)

    @classmethod
    def from_upload(
        cls,
        *,
        filename: str = "",
        region: str | None = None,
        reporting_year: int | None = None,
        mapping: Mapping[str, str] | None = None,
        remembered: Mapping[str, RememberedMapping] | None = None,
    ) -> ParseOptions:
        """Build options from an upload's `mapping`.

        Its keys decimal_separator ("." or ","), date_order ("dmy" or "mdy"), unit and currency
        are settings for the whole file; every other key is a column. Raises
        FileRejected("mapping_invalid").
        """
        given = dict(mapping or {})
        settings: dict[str, Any] = {key: given.pop(key) for key in SETTINGS if key in given}
        known = {str(field) for field in Field} | {IGNORE}
        if not set(given.values()) <= known:
            raise FileRejected(
                f"The mapping may name these fields: {', '.join(sorted(known))}.",
                code="mapping_invalid",
            )
        try:
            return cls(filename=filename, region=region, reporting_year=reporting_year,
                       mapping=given, remembered=dict(remembered or {}), **settings)  # fmt: skip
        except ValueError as error:
            raise FileRejected(
                'In the mapping, decimal_separator is "." or ",", date_order is "dmy" or "mdy", '
                "unit and currency are texts.",
                code="mapping_invalid",
            ) from error


class ColumnReport(_Frozen):
    """One column of a table and what it was taken for."""

    index: int  # 0-based
    letter: str  # as a spreadsheet shows it
    heading: str
    field: Field | None
    confidence: float  # in [0, 1]
    why: str


class OutsideRow(_Frozen):
    """A row that is no part of a table's body: a heading, or a line above it."""

    number: int
    cells: tuple[str, ...]  # cut to what a download shows
    heading: bool = False


class TableReport(_Frozen):
    """One table: where it is, how its columns were read, and what holds for whole columns."""

    sheet: str  # "" for delimited text
    header_row: int  # 1-based row or line of the (last) heading line; 0 where names are not a row
    header_lines: int = 1
    preamble_lines: int = 0  # non-empty lines above the header
    columns: tuple[ColumnReport, ...]  # those that are listed, by their index
    columns_not_listed: int = 0
    unit_text: str | None = None  # unit of every quantity without one of its own
    unit_why: str | None = None
    currency_text: str | None = None
    currency_why: str | None = None
    # in what quantities and amounts are counted, where a heading or a line above says it
    quantity_scale: Scale = ""
    money_scale: Scale = ""
    # column of numbers → usual convention of a row's region → convention that was decided
    decimals: dict[Field, dict[Convention, Convention]] = Default(default_factory=dict)
    date_order: DateOrder = DateOrder.BY_REGION
    us_states: bool = False
    rows: int = 0
    hidden_rows: int = 0
    signature: str = ""  # of its headings, by which a mapping is remembered
    remembered_id: UUID | None = None  # the remembered mapping that was followed
    outside: tuple[OutsideRow, ...] = ()

    @property
    def width(self) -> int:
        """Return the number of columns, listed or not."""
        return len(self.columns) + self.columns_not_listed

    def headings(self) -> list[str]:
        """Return the headings of all columns, "" for those that are not listed."""
        found = [""] * self.width
        for column in self.columns:
            found[column.index] = column.heading
        return found

    def name_of(self, index: int) -> str:
        """Return the heading of a column, its letter where it has none that is listed."""
        column = next((c for c in self.columns if c.index == index), None)
        return (column.heading.strip() if column else "") or letter_of(index)

    def heading_of(self, field: Field) -> str | None:
        """Return the heading of the column that was taken for `field`."""
        return next((c.heading or c.letter for c in self.columns if c.field is field), None)

    def has(self, field: Field) -> bool:
        """Tell whether some column was taken for `field`."""
        return any(column.field is field for column in self.columns)


class PartReport(_Frozen):
    """One Parquet part, by its file name in the output folder."""

    name: str
    rows: int


class ParseReport(_Frozen):
    """What was found in a file. `rows_total` counts every row below a header, blank ones too."""

    detected_type: Content
    encoding: str | None = None
    delimiter: str | None = None
    rows_total: int
    rows_by_kind: dict[RowKind, int]
    parts: tuple[PartReport, ...]
    tables: tuple[TableReport, ...]
    tables_not_listed: int = 0
    notes: tuple[str, ...] = ()
    notes_not_listed: int = 0

    def table(self, sheet: str, row_number: int | None = None) -> TableReport:
        """Return the table of a sheet, the one that a row is of where there are several.

        KeyError where none was found.
        """
        found = [table for table in self.tables if table.sheet == sheet]
        if not found:
            raise KeyError(sheet)
        if row_number is None:
            return found[0]
        return next((t for t in reversed(found) if t.header_row < row_number), found[0])
