"""What a report is made of, whatever format it is rendered in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from core import exact

if TYPE_CHECKING:
    from core.overview import Line, Overview


class ReportType(StrEnum):
    """What a report is for."""

    EMISSION_SUMMARY = "emission_summary"
    DETAILED = "detailed"
    CUSTOM = "custom"


class ReportFormat(StrEnum):
    """The formats that exist; each has one adapter of core.ports.ReportRenderer."""

    CSV = "csv"
    EXCEL = "excel"
    PDF = "pdf"


MEDIA_TYPES = {
    ReportFormat.CSV: "text/csv; charset=utf-8",
    ReportFormat.EXCEL: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ReportFormat.PDF: "application/pdf",
}
EXTENSIONS = {ReportFormat.CSV: "csv", ReportFormat.EXCEL: "xlsx", ReportFormat.PDF: "pdf"}


@dataclass(frozen=True, slots=True)
class Pace:
    """How long reports of a format take: docs/reports.md says where the figures are from."""

    start_s: float
    summed_per_s: int  # figures in the sums
    listed_per_s: int  # figures written one by one

    def seconds(self, figures: int, *, details: bool) -> float:
        """Return how long a report of so many figures takes."""
        listed = figures / self.listed_per_s if details else 0.0
        return self.start_s + figures / self.summed_per_s + listed


PACES = {
    ReportFormat.CSV: Pace(start_s=1, summed_per_s=250_000, listed_per_s=25_000),
    ReportFormat.EXCEL: Pace(start_s=2, summed_per_s=90_000, listed_per_s=12_000),
    ReportFormat.PDF: Pace(start_s=3, summed_per_s=90_000, listed_per_s=20_000),
}


def pace_of(file_format: ReportFormat) -> Pace:
    """Return how fast reports of a format are made."""
    return PACES[file_format]


class ReportLayout(StrEnum):
    """In which order a report tells its story."""

    STANDARD = "standard"
    # scopes and the fifteen categories first, base year beside: GHG Protocol Corporate Standard
    GHG_INVENTORY = "ghg_inventory"


class ReportStatus(StrEnum):
    """The values of reports.status."""

    GENERATING = "generating"
    COMPLETED = "completed"
    FAILED = "failed"


class GroupBy(StrEnum):
    """By what figures may be summed."""

    SCOPE = "scope"
    CATEGORY = "category"
    TYPE = "type"
    MONTH = "month"
    REGION = "region"
    PROJECT = "project"
    FILE = "file"


class ColumnKind(StrEnum):
    """What the cells of a column hold; a number never becomes text, nor a text a formula."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"


Cell = str | int | float | Decimal | dt.date | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a report."""

    name: str
    kind: ColumnKind = ColumnKind.TEXT


# What names a group: columns of DETAIL_COLUMNS, so that groups and figures share one table.
# Names alone are not unique for projects and files.
GROUP_COLUMNS: dict[GroupBy, tuple[str, ...]] = {
    GroupBy.SCOPE: ("scope",),
    GroupBy.CATEGORY: ("category",),
    GroupBy.TYPE: ("activity_type",),
    GroupBy.MONTH: ("month",),
    GroupBy.REGION: ("region",),
    GroupBy.PROJECT: ("project", "project_id"),
    GroupBy.FILE: ("file_name", "file_id"),
}

DETAIL_COLUMNS = (
    Column("name"),
    Column("activity_type"),
    Column("description"),
    Column("date", ColumnKind.DATE),
    Column("year", ColumnKind.INTEGER),
    Column("month"),
    Column("region"),
    Column("quantity", ColumnKind.NUMBER),
    Column("unit"),
    Column("scope"),
    Column("scope3_category", ColumnKind.INTEGER),
    Column("category"),
    Column("kg_co2e", ColumnKind.NUMBER),
    Column("biogenic_kg_co2", ColumnKind.NUMBER),
    Column("confidence", ColumnKind.NUMBER),
    Column("method"),
    Column("formula"),
    Column("factor_name"),
    Column("factor_kg_co2e_per_unit", ColumnKind.NUMBER),
    Column("factor_unit"),
    Column("factor_region"),
    Column("factor_source"),
    Column("factor_source_year", ColumnKind.INTEGER),
    Column("factor_release"),
    Column("factor_source_id"),
    Column("gwp_set"),
    Column("project"),
    Column("project_id"),
    Column("file_name"),
    Column("file_id"),
    Column("sheet"),
    Column("row", ColumnKind.INTEGER),
    Column("column", ColumnKind.INTEGER),
    Column("emission_id"),
)
DETAIL_INDEX = {column.name: index for index, column in enumerate(DETAIL_COLUMNS)}

ISSUE_COLUMNS = (
    Column("file_name"),
    Column("sheet"),
    Column("row", ColumnKind.INTEGER),
    Column("column_name"),
    Column("code"),
    Column("message"),
    Column("value"),
)
REVIEW_COLUMNS = (
    Column("file_name"),
    Column("name"),
    Column("state"),
    Column("rows", ColumnKind.INTEGER),  # of the file
    Column("figures", ColumnKind.INTEGER),  # of these in the report
    Column("kg_co2e", ColumnKind.NUMBER),  # in the report
    Column("estimated_kg_co2e", ColumnKind.NUMBER),  # by the best candidate, where there is none
    Column("confidence", ColumnKind.NUMBER),
    Column("factor_name"),
    Column("reason"),
    Column("review_id"),
)
NOT_REPORTED = "not reported"  # what has no figure is not nothing
MOST_ISSUES = 100_000  # a sheet that somebody will read
FACTOR_COLUMNS = (
    Column("factor_id"),
    Column("factor_name"),
    Column("category"),
    Column("kg_co2e_per_unit", ColumnKind.NUMBER),
    Column("unit"),
    Column("region"),
    Column("source"),
    Column("source_year", ColumnKind.INTEGER),
    Column("release"),
    Column("source_id"),
    Column("gwp_set"),
    Column("licence"),
    Column("emissions", ColumnKind.INTEGER),
    Column("kg_co2e", ColumnKind.NUMBER),
)

OUTSIDE_SCOPES = "outside of scopes"  # biogenic CO2, which belongs to no scope's total
NO_SCOPE = "not assigned"


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums, as exact decimals: adding the stored digits by hand gives the very same."""

    count: int
    kg_co2e: Decimal  # without biogenic CO2
    biogenic_kg_co2: Decimal


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What files that hold the same bytes as another one of the report add to its sums."""

    files: int = 0  # beyond the first of each
    figures: int = 0
    kg_co2e: Decimal = Decimal()

    def warning(self) -> str | None:
        """Return a sentence for the first page; None when nothing counts twice."""
        if not self.files:
            return None
        hold = "1 file holds" if self.files == 1 else f"{self.files:,} files hold"
        tonnes = f"{self.kg_co2e / 1000:,.1f}"
        return (
            f"{hold} the same bytes as another one of this report: {self.figures:,} figures and "
            f"{tonnes} t CO2e of the total are counted again."
        )


@dataclass(frozen=True, slots=True)
class Group:
    """The sums of one group; `keys` are the cells of the report's group columns."""

    keys: tuple[str | None, ...]
    totals: Totals


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the auditor: what was asked for, when the figures were read, by which factors."""

    label: str
    text: str
    told: bool = False  # the overview says so too: who shows that has no need of the note


def nothing_to_do() -> None:
    """Stand for what nobody waits for."""


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Everything a renderer needs.

    `groups` and `details` are read from the database while they are iterated, once, groups first;
    nothing holds all of them. A detail has one cell a column of DETAIL_COLUMNS. A renderer that
    has work left when it has read everything calls `all_read` before it: laying out pages may take
    longer than a database lets a transaction wait.
    """

    group_columns: tuple[str, ...]
    groups: Iterable[Group]
    totals: Totals
    with_details: bool
    details: Iterable[tuple[Cell, ...]]
    notes: Sequence[Note]
    layout: ReportLayout = ReportLayout.STANDARD
    duplicates: Duplicates = Duplicates()
    overview: Overview | None = None  # for the renderers that want one
    inventory: Sequence[Line] = ()  # in the layout that has one; a line without figures is empty
    issues: Iterable[tuple[Cell, ...]] = ()  # one row a rejected row, cells as ISSUE_COLUMNS
    reviews: Iterable[tuple[Cell, ...]] = ()  # one row an activity, cells as REVIEW_COLUMNS
    factors: Iterable[tuple[Cell, ...]] = ()  # one row a factor used, cells as FACTOR_COLUMNS
    all_read: Callable[[], None] = nothing_to_do


def group_columns(group_by: Iterable[GroupBy]) -> tuple[str, ...]:
    """Return the columns that name the groups, in the order asked for."""
    return tuple(name for by in dict.fromkeys(group_by) for name in GROUP_COLUMNS[by])


def shows_details(report_type: ReportType, include_details: bool) -> bool:
    """Tell whether a report lists every figure: a detailed one always does."""
    return report_type is ReportType.DETAILED or include_details


def effective_groups(report_type: ReportType, group_by: Sequence[GroupBy]) -> tuple[GroupBy, ...]:
    """Return by what a report sums: a summary that names nothing is one by scope."""
    if not group_by and report_type is ReportType.EMISSION_SUMMARY:
        return (GroupBy.SCOPE,)
    return tuple(dict.fromkeys(group_by))


# First characters at which spreadsheet programs begin a formula, or which they drop to find one:
# OWASP ASVS 5.0 §1.2.10, with CR, LF and the full-width forms that East Asian editions accept.
FORMULA_STARTS = frozenset("=+-@\t\r\n\0＝＋－＠")


def harmless(text: str) -> str:
    """Return a text that no spreadsheet program takes for a formula. Never for real numbers."""
    if text[:1].isalnum():  # nearly every text there is
        return text
    first = text.lstrip(" \u00a0\u3000")[:1] or text[:1]
    return f"'{text}" if first in FORMULA_STARTS else text


def plain_number(value: int | float | Decimal) -> str:
    """Write a number with every stored digit, a decimal point, no exponent, no idle zeros."""
    if isinstance(value, float):
        written = repr(value)
        if "e" in written:
            written = format(exact.stored(value), "f")
    elif isinstance(value, Decimal):
        written = format(value, "f")
    else:
        return str(value)
    return written.rstrip("0").rstrip(".") if "." in written else written
