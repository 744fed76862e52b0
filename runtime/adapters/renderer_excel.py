"""Reports as a workbook: sums that are live formulas over the figures, where those are listed.

Written row by row in constant memory. Texts are written as texts whatever they begin with; numbers
stay numbers. Each formula carries the exact sum as its value, so programs that do not calculate
show it too.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from core.overview import Line, Overview, cut, foreign, summed
from core.reporting import (
    DETAIL_INDEX,
    FACTOR_COLUMNS,
    ISSUE_COLUMNS,
    MEDIA_TYPES,
    MOST_ISSUES,
    NOT_REPORTED,
    REVIEW_COLUMNS,
    Cell,
    Column,
    ColumnKind,
    Group,
    ReportContent,
    ReportFormat,
    Totals,
)
from runtime.adapters import excel_sheet
from runtime.adapters.excel_conditions import (
    Conditions,
    Listed,
    conditions,
    folded,
    of_column,
    of_scope,
)
from runtime.adapters.excel_sheet import heading, text

SHEET_ROWS = 1_048_576  # of Excel; a longer list goes on on the next sheet
MOST_LINES = 200_000  # of a table of sums; five of them fit on a sheet
LIVE = 50_000_000  # conditions times figures that a breakdown makes a program look at: seconds
# The factor's own facts are on the sheet of factors, once each.
SHOWN = (
    "date", "year", "month", "name", "activity_type", "description", "region", "quantity", "unit",
    "scope", "scope3_category", "category", "kg_co2e", "biogenic_kg_co2", "confidence", "method",
    "factor_name", "factor_kg_co2e_per_unit", "factor_unit", "factor_release", "factor_source_id",
    "project", "file_name", "sheet", "row", "emission_id", "project_id", "file_id",
)  # fmt: skip
KINDS = {
    "date": ColumnKind.DATE, "year": ColumnKind.INTEGER, "row": ColumnKind.INTEGER,
    "scope3_category": ColumnKind.INTEGER, "quantity": ColumnKind.NUMBER,
    "kg_co2e": ColumnKind.NUMBER, "biogenic_kg_co2": ColumnKind.NUMBER,
    "confidence": ColumnKind.NUMBER, "factor_kg_co2e_per_unit": ColumnKind.NUMBER,
}  # fmt: skip
EMISSIONS = tuple(Column(name, KINDS.get(name, ColumnKind.TEXT)) for name in SHOWN)
WIDTHS = {
    "name": 38, "description": 38, "category": 30, "factor_name": 38, "emission_id": 38,
    "project_id": 38, "file_id": 38, "source": 34, "factor_id": 38, "licence": 26,
    "file_name": 26, "project": 26, "activity_type": 20, "value": 26, "message": 60,
    "state": 34, "reason": 60, "review_id": 38,
}  # fmt: skip
FIGURES = ("Figures", "kg CO2e", "Biogenic kg CO2")
KG_FORMAT, NUMBER_FORMAT = "#,##0.000", "#,##0.######"


class ExcelRenderer:
    """core.ports.ReportRenderer for workbooks."""

    content_type = MEDIA_TYPES[ReportFormat.EXCEL]
    wants_overview = True

    def __init__(self, sheet_rows: int = SHEET_ROWS) -> None:
        self.sheet_rows = sheet_rows

    def render(self, content: ReportContent, target: BinaryIO) -> None:
        """Write the workbook; `target` stays open."""
        import xlsxwriter

        # beside the report: what is not yet packed takes twenty times its room
        beside = Path(str(getattr(target, "name", ""))).parent
        with tempfile.TemporaryDirectory(prefix="tonnage-xlsx-", dir=beside) as scratch:
            book = xlsxwriter.Workbook(
                target,
                {
                    "constant_memory": True,
                    "tmpdir": scratch,
                    "strings_to_formulas": False,
                    "strings_to_numbers": False,
                    "strings_to_urls": False,
                    "nan_inf_to_errors": False,
                    "default_date_format": "yyyy-mm-dd",
                    "remove_timezone": True,
                },
            )
            Writing(book, content, self.sheet_rows).all()
            book.close()  # packs what was written: a minute for a million rows


class Writing:
    """One workbook on its way."""

    def __init__(self, book: Any, content: ReportContent, sheet_rows: int = SHEET_ROWS) -> None:
        assert content.overview is not None
        self.book = book
        self.content = content
        self.sheet_rows = sheet_rows
        self.view: Overview = content.overview
        self.bold = book.add_format({"bold": True})
        self.head = book.add_format(
            {"bold": True, "bg_color": "#17313A", "font_color": "#FFFFFF", "valign": "top"}
        )
        self.kg = book.add_format({"num_format": KG_FORMAT})
        self.kg_bold = book.add_format({"num_format": KG_FORMAT, "bold": True, "top": 1})
        self.bold_top = book.add_format({"bold": True, "top": 1})
        self.whole_bold = book.add_format({"num_format": "0", "bold": True, "top": 1})
        self.number = book.add_format({"num_format": NUMBER_FORMAT})
        self.whole = book.add_format({"num_format": "0"})
        self.date = book.add_format({"num_format": "yyyy-mm-dd"})
        self.share = book.add_format({"num_format": "0.0%"})
        self.title = book.add_format({"bold": True, "font_size": 16})
        self.wrap = book.add_format({"text_wrap": True, "valign": "top"})
        self.listed = Listed(SHOWN)

    def all(self) -> None:
        """Write every sheet. The sheets stand in the order in which they are made here, but the
        figures are written before the sums that name their ranges: these need nothing more from the
        database, and many groups take longer than it lets a transaction wait."""
        summary = self.book.add_worksheet("Summary", excel_sheet.Sheet)
        scopes = self.book.add_worksheet("By scope and category", excel_sheet.Sheet)
        groups = (
            self.book.add_worksheet("Breakdown", excel_sheet.Sheet)
            if self.content.group_columns
            else None
        )
        if self.content.with_details:
            self.emissions()
        self.factors()
        self.table("Reviews", REVIEW_COLUMNS, self.content.reviews)
        issues = self.table("Issues", ISSUE_COLUMNS, self.content.issues) - 1
        found = list(self.content.groups)
        self.content.all_read()
        self.summary(summary, issues)
        self.by_scope(scopes)
        if groups is not None:
            self.breakdown(groups, found)
        summary.activate()

    # -- sheets of rows --

    def emissions(self) -> None:
        """Write the figures, on as many sheets as they need."""
        places = [DETAIL_INDEX[column.name] for column in EMISSIONS]
        rows = iter(self.content.details)
        number = 0
        while True:
            chunk = islice(rows, self.sheet_rows - 1)
            first = next(chunk, None)
            if first is None and number:
                return
            number += 1
            name = "Emissions" if number == 1 else f"Emissions {number}"
            kept = () if first is None else _chain(first, chunk)
            rows_of = (tuple(r[p] for p in places) for r in kept)
            last = self.table(name, EMISSIONS, rows_of, called=str)  # for programs, as in the CSV
            self.listed.add(name, last)
            if first is None:
                return

    def factors(self) -> None:
        """Write the factors that were used."""
        self.table("Factors", FACTOR_COLUMNS, self.content.factors)

    def table(
        self, name: str, columns: Sequence[Column], rows: Iterable[tuple[Cell, ...]],
        called: Callable[[str], str] = heading,
    ) -> int:  # fmt: skip
        """Write a sheet with a frozen header and a filter; return its last row, from 1."""
        sheet = self.book.add_worksheet(name, excel_sheet.Sheet)
        for place, column in enumerate(columns):
            sheet.set_column(place, place, WIDTHS.get(column.name, 14))
        for place, column in enumerate(columns):
            sheet.write_string(0, place, called(column.name), self.head)
        sheet.freeze_panes(1, 0)
        last: int = sheet.write_rows(rows, [self.writer(column) for column in columns])
        sheet.autofilter(0, 0, max(last, 1), len(columns) - 1)
        return last + 1

    def writer(self, column: Column) -> Callable[[Any], str]:
        """Return how a cell of a column is written."""
        if column.kind is ColumnKind.TEXT:
            return excel_sheet.text_cell
        if column.kind is ColumnKind.DATE:
            return excel_sheet.date_cells(self.date._get_xf_index())
        if column.kind is ColumnKind.INTEGER:
            return excel_sheet.integer_cells(self.whole._get_xf_index())
        shape = self.kg if "kg_co2" in column.name and "per" not in column.name else self.number
        return excel_sheet.number_cells(shape._get_xf_index())

    # -- sheets of sums --

    def summary(self, sheet: Any, issues: int) -> None:
        """Write for whom, of when, by which rules, and the totals; whether issues are missing."""
        frame = self.view.frame
        sheet.set_column(0, 0, 46)
        sheet.set_column(1, 4, 20)
        sheet.freeze_panes(1, 0)  # whose figures these are
        sheet.write_string(0, 0, text(frame.title), self.title)
        row = 1
        criteria = "; ".join(f"{name} = {value}" for name, value in frame.criteria)
        for label, value in (
            ("Organization", frame.organization),
            ("About", frame.description or "–"),
            ("Period", frame.period),
            ("Criteria", criteria or "none: every figure"),
            ("Figures as of", f"{frame.moment:%Y-%m-%d %H:%M:%S} UTC"),
            ("Warning", self.content.duplicates.warning() or ""),
            ("Warning", self.view.waiting.without_date() or ""),
            ("Rests on another place's factor", foreign_words(self.view)),
        ):
            if not value:
                continue
            sheet.write_string(row, 0, label)
            sheet.write_string(row, 1, text(value))
            row += 1
        row = self.sums(sheet, row + 1, "Scope", self.view.by_scope, of_scope)
        row = self.completeness(sheet, row, issues) + 1
        for note in (note for note in self.content.notes if not note.told):
            sheet.write_string(row, 0, note.label)
            sheet.write_string(row, 1, text(note.text))
            row += 1

    def completeness(self, sheet: Any, row: int, issues: int) -> int:
        """Write what became of the rows, and what is in no sum; return the next row."""
        waiting = self.view.waiting
        for label, count in (
            ("Rows of the files that these figures are from", waiting.rows),
            ("… calculated", waiting.calculated),
            ("… waiting for a person, in no figure: see Reviews", waiting.in_review),
            ("… rejected: needs you, see Issues", waiting.lost),
            ("… no activity: blank, total, heading, note", waiting.no_activity),
            ("Rows waiting for a person in files without a figure here", waiting.elsewhere),
            ("Figures listed for review: see Reviews", waiting.flagged.count),
        ):
            sheet.write_string(row, 0, label)
            sheet.write_number(row, 1, count, self.whole)
            row += 1
        if issues >= MOST_ISSUES:
            sheet.write_string(row, 0, "… Issues lists no more than the first")
            sheet.write_number(row, 1, issues, self.whole)
            row += 1
        for label, kg in (
            ("… their kg CO2e, credits as amounts", float(waiting.flagged.kg_co2e)),
            ("kg CO2e beside the figures, from before their use, in no sum", self.view.upstream_kg),
            ("kg biogenic CO2 beside the figures, in no sum", self.view.outside_kg),
        ):
            sheet.write_string(row, 0, label)
            sheet.write_number(row, 1, kg, self.kg)
            row += 1
        return row

    def by_scope(self, sheet: Any) -> None:
        """Write the inventory, then categories, months and regions."""
        sheet.freeze_panes(1, 0)  # the columns of sums are those of every table below
        sheet.set_column(0, 0, 64)
        sheet.set_column(1, 4, 20)
        view = self.view
        lines = self.content.inventory or [line for line in view.inventory if line.totals.count]
        row = self.sums(sheet, 0, "Scope and category", lines, None, missing=True)
        row = self.sums(sheet, row, "Category", view.by_category, of_column("category"))
        row = self.sums(sheet, row, "Month", view.by_month, of_column("month"))
        row = self.sums(sheet, row, "Region", view.by_region, of_column("region"))
        row = self.sums(sheet, row, "Confidence", view.by_band, None)
        if view.base_year:
            label = f"Base year {view.frame.base_year}"
            self.sums(sheet, row, label, view.base_year, None)

    def breakdown(self, sheet: Any, groups: Sequence[Group]) -> None:
        """Write the groups that were asked for: a column for each key, as in the figures."""
        names = self.content.group_columns
        width = len(names)
        for place, name in enumerate(names):
            sheet.set_column(place, place, WIDTHS.get(name, 14))
            sheet.write_string(0, place, heading(name), self.head)
        sheet.set_column(width, width + 2, 20)
        for place, name in enumerate(FIGURES, start=width):
            sheet.write_string(0, place, name, self.head)
        kept = groups[: self.sheet_rows - 3]
        alike = Counter(folded_keys(group) for group in groups)
        live = bool(self.listed) and len(kept) * width * self.content.totals.count <= LIVE
        row = 0
        for row, group in enumerate(kept, start=1):
            for place, key in enumerate(group.keys):
                if key is not None:
                    sheet.write_string(row, place, text(key))
            alone = live and alike[folded_keys(group)] == 1
            wanted = conditions(dict(zip(names, group.keys, strict=True))) if alone else None
            self.figures(sheet, row, width, group.totals, wanted)
        if rest := groups[len(kept) :]:
            row += 1
            sheet.write_string(row, 0, f"{len(rest):,} others")
            others = summed([Line("", group.totals) for group in rest])
            self.figures(sheet, row, width, others, None)
        self.total(sheet, 1, row + 1, width, summed([Line("", g.totals) for g in groups]))
        sheet.freeze_panes(1, 0)

    def sums(
        self,
        sheet: Any,
        row: int,
        label: str,
        lines: Sequence[Line],
        by: Callable[[str], Conditions | None] | None,
        missing: bool = False,
    ) -> int:
        """Write a table of sums with its total; return the row after a blank one.

        `by(label)` gives the conditions that find a line's figures; without figures, or where a
        line has no such condition, the value stands alone. The total is always a formula.
        """
        lines = cut(lines, MOST_LINES)
        alike = Counter(map(folded, (line.label for line in lines)))
        for place, name in enumerate((label, *FIGURES)):
            sheet.write_string(row, place, name, self.head)
        first = row + 1
        for line in lines:
            row += 1
            sheet.write_string(row, 0, text(line.label))
            alone = bool(self.listed) and alike[folded(line.label)] == 1
            wanted = by(line.label) if by and alone else None
            self.figures(sheet, row, 1, line.totals, wanted, missing)
        row += 1
        self.total(sheet, first, row, 1, summed(lines))
        return row + 2

    def figures(
        self, sheet: Any, row: int, place: int, totals: Totals, wanted: Conditions | None,
        missing: bool = False,
    ) -> None:  # fmt: skip
        """Write a count and its sums, as formulas where conditions find the figures; of no figure
        that it is `missing`, if so."""
        if not totals.count and missing:
            sheet.write_string(row, place, NOT_REPORTED)
            return
        sheet.write_number(row, place, totals.count, self.whole)
        for away, column, value in kilograms(totals):
            made = self.listed.summed(column, wanted) if wanted else None
            if made:
                sheet.write_formula(row, place + away, made, self.kg, float(value))
            else:
                sheet.write_number(row, place + away, float(value), self.kg)

    def total(self, sheet: Any, first: int, row: int, place: int, total: Totals) -> None:
        """Write the sum of the rows from `first` on, below them; always a formula, if of any."""
        from xlsxwriter.utility import xl_col_to_name

        sheet.write_string(row, 0, "Total", self.bold_top)
        for blank in range(1, place):
            sheet.write_blank(row, blank, None, self.bold_top)
        sums = [(0, self.whole_bold, float(total.count))]
        sums += [(away, self.kg_bold, float(kg)) for away, _, kg in kilograms(total)]
        for away, shape, value in sums:
            letter = xl_col_to_name(place + away)
            if row > first:
                made = f"=SUM({letter}{first + 1}:{letter}{row})"
                sheet.write_formula(row, place + away, made, shape, value)
            else:
                sheet.write_number(row, place + away, value, shape)


def foreign_words(view: Overview) -> str:
    """Return how much rests on another place's factor; nothing when nothing does."""
    found = foreign(view.fallbacks)
    return f"{found.kg_co2e / 1000:,.1f} t CO2e" if found.count else ""


def folded_keys(group: Group) -> tuple[str, ...]:
    """Return a group's keys as conditions compare them."""
    return tuple(folded(key or "") for key in group.keys)


def kilograms(totals: Totals) -> tuple[tuple[int, str, Decimal], ...]:
    """Return (columns right of the count, detail column, value) of both sums."""
    return (1, "kg_co2e", totals.kg_co2e), (2, "biogenic_kg_co2", totals.biogenic_kg_co2)


def _chain(first: tuple[Cell, ...], rest: Iterable[tuple[Cell, ...]]) -> Iterable[tuple[Cell, ...]]:
    yield first
    yield from rest
