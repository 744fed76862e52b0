"""Reports as a workbook: sums that are live formulas over the figures, where those are listed.

Written row by row in constant memory. Texts are written as texts whatever they begin with; numbers
stay numbers. Each formula carries the exact sum as its value, so programs that do not calculate
show it too.
"""

from __future__ import annotations

import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from core.overview import Line, Overview, cut, summed
from core.reporting import (
    DETAIL_INDEX,
    FACTOR_COLUMNS,
    ISSUE_COLUMNS,
    MEDIA_TYPES,
    Cell,
    Column,
    ColumnKind,
    ReportContent,
    ReportFormat,
    ReportLayout,
    Totals,
)
from runtime.adapters import excel_sheet
from runtime.adapters.excel_sheet import text
from runtime.adapters.renderer_csv import group_name

SHEET_ROWS = 1_048_576  # of Excel; a longer list goes on on the next sheet
MOST_LINES = 200_000  # of a table of sums; five of them fit on a sheet
NO_CONDITIONS = ("not stated", "no date", "true", "false")
# The factor's own facts are on the sheet of factors, once each.
SHOWN = (
    "date", "year", "month", "name", "activity_type", "description", "region", "quantity", "unit",
    "scope", "scope3_category", "category", "kg_co2e", "biogenic_kg_co2", "confidence", "method",
    "factor_name", "factor_kg_co2e_per_unit", "factor_unit", "factor_release", "factor_source_id",
    "project", "file_name", "sheet", "row", "emission_id",
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
    "source": 34, "factor_id": 38, "licence": 26, "file_name": 26, "activity_type": 20, "value": 26,
    "message": 60,
}  # fmt: skip
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
            content.all_read()
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
        self.listed: list[tuple[str, int]] = []  # sheets of figures, with their last row

    def all(self) -> None:
        """Write every sheet. The sheets stand in the order in which they are made here, but the
        figures are written before the sums that name their ranges."""
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
        self.table("Issues", ISSUE_COLUMNS, self.content.issues)
        self.summary(summary)
        self.by_scope(scopes)
        if groups is not None:
            self.breakdown(groups)
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
            last = self.table(name, EMISSIONS, (tuple(r[p] for p in places) for r in kept))
            self.listed.append((name, last))
            if first is None:
                return

    def factors(self) -> None:
        """Write the factors that were used."""
        self.table("Factors", FACTOR_COLUMNS, self.content.factors)

    def table(self, name: str, columns: Sequence[Column], rows: Iterable[tuple[Cell, ...]]) -> int:
        """Write a sheet with a frozen header and a filter; return its last row, from 1."""
        sheet = self.book.add_worksheet(name, excel_sheet.Sheet)
        for place, column in enumerate(columns):
            sheet.set_column(place, place, WIDTHS.get(column.name, 14))
        for place, column in enumerate(columns):
            sheet.write_string(0, place, column.name, self.head)
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

    def summary(self, sheet: Any) -> None:
        """Write for whom, of when, by which rules, and the totals."""
        frame = self.view.frame
        sheet.set_column(0, 0, 46)
        sheet.set_column(1, 4, 20)
        sheet.write_string(0, 0, text(frame.title), self.title)
        row = 1
        criteria = "; ".join(f"{name} = {value}" for name, value in frame.criteria)
        for label, value in (
            ("Organization", frame.organization),
            ("About", frame.description or "–"),
            ("Period", f"{frame.first_on or 'open'} to {frame.last_on or 'open'}"),
            ("Criteria", criteria or "none: every figure"),
            ("Figures as of", f"{frame.moment:%Y-%m-%d %H:%M:%S} UTC"),
        ):
            sheet.write_string(row, 0, label)
            sheet.write_string(row, 1, text(value))
            row += 1
        row = self.sums(sheet, row + 1, "Scope", self.view.by_scope, self.scope_formula)
        waiting = self.view.waiting
        for label, count in (
            ("Rows of the files concerned", waiting.rows),
            ("… calculated", waiting.calculated),
            ("… waiting for a person, in no figure", waiting.in_review),
            ("… rejected, see Issues", waiting.rejected),
        ):
            sheet.write_string(row, 0, label)
            sheet.write_number(row, 1, count, self.whole)
            row += 1
        row += 1
        for note in self.content.notes:
            sheet.write_string(row, 0, note.label)
            sheet.write_string(row, 1, text(note.text))
            row += 1

    def by_scope(self, sheet: Any) -> None:
        """Write the inventory, then categories, months and regions."""
        sheet.set_column(0, 0, 64)
        sheet.set_column(1, 4, 20)
        inventory = self.content.layout is ReportLayout.GHG_INVENTORY
        view = self.view
        lines = view.inventory if inventory else [x for x in view.inventory if x.totals.count]
        row = self.sums(sheet, 0, "Scope and category", lines, None)
        row = self.sums(sheet, row, "Category", view.by_category, self.equals("category"))
        row = self.sums(sheet, row, "Month", view.by_month, self.equals("month"))
        row = self.sums(sheet, row, "Region", view.by_region, self.equals("region"))
        row = self.sums(sheet, row, "Confidence", view.by_band, None)
        if view.base_year:
            label = f"Base year {view.frame.base_year}"
            self.sums(sheet, row, label, view.base_year, None)

    def breakdown(self, sheet: Any) -> None:
        """Write the groups that were asked for."""
        sheet.set_column(0, 0, 64)
        sheet.set_column(1, 4, 20)
        columns = self.content.group_columns
        lines = [Line(group_name(columns, g.keys), g.totals) for g in self.content.groups]
        self.sums(sheet, 0, ", ".join(columns).replace("_", " "), lines, None, SHEET_ROWS - 2)
        sheet.freeze_panes(1, 0)

    def sums(
        self,
        sheet: Any,
        row: int,
        label: str,
        lines: Sequence[Line],
        formula: Callable[[str, str], str | None] | None,
        most: int = MOST_LINES,
    ) -> int:
        """Write a table of sums with its total; return the row after a blank one.

        `formula(label, column)` gives the sum over the listed figures; without figures, or where
        a line has no simple condition, the value stands alone. The total is always a formula.
        """
        lines = cut(lines, most)
        alike = Counter(map(folded, (line.label for line in lines)))
        for place, name in enumerate((label, "figures", "kg CO2e", "biogenic kg CO2")):
            sheet.write_string(row, place, name, self.head)
        first = row + 1
        for line in lines:
            row += 1
            sheet.write_string(row, 0, text(line.label))
            sheet.write_number(row, 1, line.totals.count, self.whole)
            alone = alike[folded(line.label)] == 1
            for place, column, value in figures(line.totals):
                made = formula(line.label, column) if formula and self.listed and alone else None
                if made:
                    sheet.write_formula(row, place, made, self.kg, float(value))
                else:
                    sheet.write_number(row, place, float(value), self.kg)
        row += 1
        total = summed(lines)
        sheet.write_string(row, 0, "Total", self.bold_top)
        sums: list[tuple[int, Any, float]] = [(1, self.whole_bold, float(total.count))]
        sums += [(place, self.kg_bold, float(kg)) for place, _, kg in figures(total)]
        for place, shape, sum_ in sums:
            letter = "ABCD"[place]
            if lines:
                made = f"=SUM({letter}{first + 1}:{letter}{row})"
                sheet.write_formula(row, place, made, shape, sum_)
            else:
                sheet.write_number(row, place, sum_, shape)
        return row + 2

    def scope_formula(self, label: str, column: str) -> str | None:
        """Return the sum over a scope's figures."""
        keys = {
            "Scope 1": "1", "Scope 2": "2", "Scope 3": "3", "Not assigned": "not assigned",
        }  # fmt: skip
        return self.summed("scope", keys.get(label, "outside of scopes"), column)

    def equals(self, name: str) -> Callable[[str, str], str | None]:
        """Return formulas that sum the figures whose column `name` is a line's label."""

        def made(label: str, column: str) -> str | None:
            # Conditions know wildcards and comparisons, and no quotes; they take "01" for 1 and
            # "true" for no text at all: such a label stays a value.
            plain = all(c.isalnum() or c in " -,.()/&:;" for c in label)
            begins = label[:1].isalpha() or (name == "month" and len(label) in (4, 7))
            if not plain or not begins or len(label) > 200 or label.lower() in NO_CONDITIONS:
                return None
            return self.summed(name, label, column)

        return made

    def summed(self, name: str, key: str, column: str) -> str:
        """Return SUMIFS over every sheet of figures."""
        return "=" + "+".join(
            f'SUMIFS({span(sheet, column, last)},{span(sheet, name, last)},"{key}")'
            for sheet, last in self.listed
        )


def folded(label: str) -> str:
    """Return a label as a condition compares it: without case."""
    return unicodedata.normalize("NFKD", label).casefold()


def figures(totals: Totals) -> tuple[tuple[int, str, Decimal], ...]:
    """Return (column, detail column, value) of both sums."""
    return (2, "kg_co2e", totals.kg_co2e), (3, "biogenic_kg_co2", totals.biogenic_kg_co2)


def span(sheet: str, column: str, last: int) -> str:
    """Return the range of a column of figures."""
    from xlsxwriter.utility import xl_col_to_name

    letter = xl_col_to_name(SHOWN.index(column))
    return f"'{sheet}'!${letter}$2:${letter}${max(last, 2)}"


def _chain(first: tuple[Cell, ...], rest: Iterable[tuple[Cell, ...]]) -> Iterable[tuple[Cell, ...]]:
    yield first
    yield from rest
