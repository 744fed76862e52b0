"""What a report shows, read from one snapshot and added up on the way to the renderer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from decimal import Decimal

from temporalio.exceptions import ApplicationError

from activities.report_overview import inventory_of, overview_of
from core import exact
from core.contracts import ReportProgress
from core.overview import Waiting
from core.reporting import (
    DETAIL_INDEX,
    Cell,
    Duplicates,
    Group,
    Note,
    ReportContent,
    ReportLayout,
    ReportType,
    Totals,
    effective_groups,
    group_columns,
    plain_number,
    shows_details,
)
from db.engine import TenantSession
from db.models import Report
from db.queries import (
    report_figures,
    report_files,
    report_overview,
    report_rejections,
    report_reviews,
)
from db.queries import reports as queries
from db.queries.report_duplicates import duplicates

KG, BIOGENIC = DETAIL_INDEX["kg_co2e"], DETAIL_INDEX["biogenic_kg_co2"]


class Written:
    """Counts and sums what goes through, so that a report cannot contradict itself."""

    def __init__(self) -> None:
        self.rows = 0
        self.expected: int | None = None
        self.totals = Totals(0, Decimal(), Decimal())  # of the report
        self.groups = Totals(0, Decimal(), Decimal())
        self.details = Totals(0, Decimal(), Decimal())
        self.contents: dict[str, object] = {}  # of the report's answer, see contents_of

    def progress(self) -> ReportProgress:
        """Return how far the report is."""
        return ReportProgress(rows_written=self.rows, rows_total=self.expected)

    def through_groups(self, groups: Iterator[Group]) -> Iterator[Group]:
        """Pass groups on."""
        for group in groups:
            add = group.totals
            self.groups = plus(self.groups, add.count, add.kg_co2e, add.biogenic_kg_co2)
            yield group

    def through_details(self, rows: Iterator[tuple[Cell, ...]]) -> Iterator[tuple[Cell, ...]]:
        """Pass figures on."""
        kg = biogenic = Decimal()
        for row in rows:
            if (cell := row[KG]) is not None:
                kg = exact.add(kg, digits(cell))
            if (cell := row[BIOGENIC]) is not None:
                biogenic = exact.add(biogenic, digits(cell))
            self.rows += 1
            yield row
        self.details = Totals(self.rows, kg, biogenic)

    def reconcile(self, content: ReportContent) -> None:
        """Require that every way of adding gave the total, to the last digit."""
        ways = [self.groups] if content.group_columns else []
        if content.with_details:
            ways.append(self.details)
        if any(way != content.totals for way in ways):
            raise ApplicationError(
                "the rows of the report do not add up to its total",
                type="ReconciliationFailed",
                non_retryable=True,
            )


def plus(totals: Totals, count: int, kg: Decimal, biogenic: Decimal) -> Totals:
    """Return larger totals."""
    return Totals(
        totals.count + count,
        exact.add(totals.kg_co2e, kg),
        exact.add(totals.biogenic_kg_co2, biogenic),
    )


def digits(cell: Cell) -> Decimal:
    """Return a figure's cell as the decimal that it shows; an empty one is nothing."""
    return exact.stored(cell) if isinstance(cell, float) else Decimal()


def content_of(
    session: TenantSession,
    report: Report,
    written: Written,
    opened: ExitStack,
    *,
    wants_overview: bool = False,
) -> ReportContent:
    """Return what the report shows; groups and figures are read while they are rendered.

    `opened` closes their cursors, should the renderer stop halfway.
    """
    asked = queries.criteria_of(report)
    kind = ReportType(report.report_type or ReportType.EMISSION_SUMMARY)
    columns = group_columns(effective_groups(kind, asked.group_by))
    scope = (session, report.organization_id, asked.reach, asked.wanted)
    files = report_files.contributing(*scope)
    listed = report_files.listed(session, report.organization_id, files)
    totals, flagged = report_figures.sum_all(*scope, listed)
    waiting, again = report_files.waiting(*scope, files, flagged), duplicates(*scope)
    written.totals = totals
    written.contents = contents_of(waiting, again)
    with_details = shows_details(kind, asked.include_details)
    written.expected = totals.count if with_details else 0
    details = report_figures.figures(*scope)
    opened.enter_context(closing(details))
    content = ReportContent(
        group_columns=columns,
        groups=(),
        totals=totals,
        with_details=with_details,
        details=written.through_details(details) if with_details else (),
        notes=[
            *notes(session, report, asked),
            *notes_of_files(waiting, again),
            *report_figures.factor_sources(*scope),
        ],
        layout=asked.layout,
        duplicates=again,
    )
    if wants_overview:
        overview, groups = overview_of(session, report, asked, columns, waiting, files)
        shown = replace(content, overview=overview, groups=written.through_groups(iter(groups)))
        rows_of = (
            report_overview.used_factors(*scope),
            report_rejections.rejected_rows(session, report.organization_id, files),
            report_reviews.reviews(*scope, files, listed),
        )
        for rows in rows_of:
            opened.enter_context(closing(rows))
        factors, issues, reviews = rows_of
        shown = replace(shown, factors=factors, issues=issues, reviews=reviews)
    else:
        streamed = report_figures.sum_groups(*scope, columns)
        opened.enter_context(closing(streamed))
        shown = replace(content, groups=written.through_groups(streamed))
    if asked.layout is not ReportLayout.GHG_INVENTORY:
        return shown
    lines = shown.overview.inventory if shown.overview else inventory_of(*scope)
    return replace(shown, inventory=lines)


def notes(session: TenantSession, report: Report, asked: queries.Criteria) -> list[Note]:
    """Return what an auditor needs to place the figures."""
    moment, organization = queries.moment_and_organization(session, report.organization_id)
    found = [
        Note("Organization", organization, told=True),
        Note("Report", f"{report.name} ({report.report_type}, {report.id})"),
    ]
    if report.description:
        found.append(Note("Description", report.description, told=True))
    chosen = [f"{name} = {value}" for name, value in asked.in_words()]
    return [
        *found,
        Note("Figures as of", f"{moment:%Y-%m-%d %H:%M:%S} UTC", told=True),
        Note("Criteria", "; ".join(chosen) or "none: every figure", told=True),
        Note("Unit", "kg CO2e over 100 years; biogenic CO2 stands apart, outside of scopes"),
        Note("Not included", "rows that wait for a review or were rejected, unfinished files"),
    ]


def notes_of_files(waiting: Waiting, again: Duplicates) -> list[Note]:
    """Return what became of the rows of the files, what a period leaves out, what counts twice."""
    found = [
        Note("Warning", warning, told=True)
        for warning in (again.warning(), waiting.without_date())
        if warning
    ]
    found.append(
        Note(
            "Rows of the files that these figures are from",
            f"{waiting.rows} = {waiting.calculated} calculated + {waiting.in_review} in review + "
            f"{waiting.lost} rejected + {waiting.no_activity} no activity (blank, total, heading, "
            "note)",
            told=True,
        )
    )
    if waiting.elsewhere:
        found.append(
            Note(
                "Files without a figure under these criteria",
                f"{waiting.elsewhere} of their rows wait for a person",
                told=True,
            )
        )
    if waiting.flagged.count:
        kg = plain_number(waiting.flagged.kg_co2e)
        found.append(
            Note(
                "Listed for review: little confidence, or known in part only",
                f"{waiting.flagged.count} of these figures, {kg} kg CO2e with credits as amounts",
                told=True,
            )
        )
    return found


def contents_of(waiting: Waiting, again: Duplicates) -> dict[str, object]:
    """Return what the report's answer says of its files."""
    undated = waiting.undated
    return {
        "rows": {
            "total": waiting.rows, "calculated": waiting.calculated,
            "in_review": waiting.in_review, "rejected": waiting.rejected,
            "no_activity": waiting.no_activity,
        },
        "duplicates": {
            "files": again.files, "figures": again.figures, "kg_co2e": float(again.kg_co2e),
            "warning": again.warning(),
        },
        "for_review": {
            "figures": waiting.flagged.count, "kg_co2e": float(waiting.flagged.kg_co2e),
        },
        "undated": undated and {
            "figures": undated.count, "kg_co2e": float(undated.kg_co2e),
            "biogenic_kg_co2": float(undated.biogenic_kg_co2), "warning": waiting.without_date(),
        },
    }  # fmt: skip
