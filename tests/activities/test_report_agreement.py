"""Random figures: pages, workbook, its formulas, CSV and API tell the same, to the last digit."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import random
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from activities.report import GenerateReports
from core import exact
from core.permissions import Reach
from core.reporting import DETAIL_COLUMNS, GroupBy, ReportFormat, group_columns
from db.engine import tenant_session
from db.models import Decision, EmissionFactor, Project, Review
from db.queries import emissions
from db.queries.emissions import EmissionFilter
from runtime.adapters.excel_sheet import heading
from runtime.adapters.renderer_csv import CsvRenderer
from runtime.adapters.renderer_excel import ExcelRenderer
from runtime.adapters.renderer_pdf import PdfRenderer
from runtime.adapters.storage_local import LocalStorage
from tests.activities.making_reports import Workbook, made
from tests.activities.test_report import add, done, emission
from tests.factories import Uploader

pytestmark = pytest.mark.timeout(240)
EVERY = (*((by,) for by in GroupBy), (), (GroupBy.MONTH, GroupBy.PROJECT, GroupBy.FILE))


@pytest.fixture
def generate(worker_engine: Engine, storage: LocalStorage, tmp_path: Path) -> GenerateReports:
    """The worker's activity; pages stay HTML, for only their text is compared."""
    renderers = {
        ReportFormat.CSV: CsvRenderer(),
        ReportFormat.EXCEL: ExcelRenderer(sheet_rows=40),  # figures go on on a second sheet
        ReportFormat.PDF: PdfRenderer(lay_out=lambda page, beside: page.encode()),
    }
    return GenerateReports(worker_engine, storage, renderers, work_dir=tmp_path / "work")


def amount(draw: random.Random) -> float:
    """Return kilograms whose binary sums depend on the order: tiny, huge, negative, nought."""
    return draw.choice(
        [draw.uniform(0, 1), draw.uniform(-1e3, 1e9), 0.1, 1e-7, -0.3, 0.0, 1 / 3 * 1e5]
    )


def fleets(uploader: Uploader) -> list[UUID]:
    """Return two projects of one name: the older is deleted, its figures are not."""
    gone = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    return [
        add(uploader, Project, name="Fleet", deleted_at=gone),
        add(uploader, Project, name="Fleet"),
    ]


def fill(uploader: Uploader, draw: random.Random) -> None:
    """Add 60 figures in three files, two of them of the same name, as two projects are."""
    projects = [*fleets(uploader), add(uploader, Project, name="Depot, north")]
    files = [done(uploader, name) for name in ("ledger.csv", "ledger.csv", "travel.csv")]
    for row in range(60):
        biogenic = draw.random() < 0.15
        day = dt.date(2024, draw.randint(1, 12), draw.randint(1, 28))
        dated = draw.choice([{"activity_on": day}, {"activity_year": 2023}, {}])
        emission(
            uploader, draw.choice(files), row + 2, amount(draw), biogenic=biogenic,
            scope=None if biogenic else draw.choice([1, 2, 3, None]),
            category=draw.choice(["Fuels", "fuels", "Paper & board", "01", "a*", "é", None]),
            activity_type=draw.choice(["Gas", "Travel, air", 'say "x"', "<>0", None]),
            region=draw.choice(["GB", "DE", None]),
            project_id=draw.choice([*projects, None]), **dated,
        )  # fmt: skip


class Told:
    """What the three files of one request tell."""

    def __init__(
        self, uploader: Uploader, generate: GenerateReports, run: Any, by: tuple[GroupBy, ...]
    ) -> None:
        self.columns = group_columns(by)
        self.table, self.book, self.page = (
            made(uploader, generate, run, kind, by=by)
            for kind in (ReportFormat.CSV, ReportFormat.EXCEL, ReportFormat.PDF)
        )
        text = io.StringIO(self.table.decode("utf-8-sig"), newline="")
        self.rows = list(csv.DictReader(text))
        self.workbook = Workbook(self.book)

    def of(self, record: str) -> list[dict[str, str]]:
        return [row for row in self.rows if row["record"] == record]

    def emissions(self) -> list[dict[str, Any]]:
        """Return the figures of the workbook."""
        found = []
        for sheet in self.workbook.values.worksheets:
            if sheet.title.startswith("Emissions"):
                head, *rows = sheet.iter_rows(values_only=True)
                found += [dict(zip(head, row, strict=True)) for row in rows]
        return found

    def breakdown(self) -> list[tuple[tuple[str | None, ...], tuple[Any, ...], int]]:
        """Return (keys, sums, row) of the workbook's groups."""
        rows = list(self.workbook.values["Breakdown"].iter_rows(values_only=True))
        width = len(self.columns)
        assert rows[0][:width] == tuple(map(heading, self.columns))
        assert rows[-1][0] == "Total"
        return [(row[:width], row[width:], n) for n, row in enumerate(rows[1:-1], start=2)]


def summed(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> dict[tuple[Any, ...], Any]:
    """Add up, independently, the figures of a workbook: (count, kg, biogenic kg) by key."""
    found: dict[tuple[Any, ...], Any] = defaultdict(lambda: (0, Decimal(), Decimal()))
    for row in rows:
        key = tuple(row[name] for name in columns)
        count, kg, biogenic = found[key]
        found[key] = (
            count + 1,
            exact.add(kg, exact.stored(row["kg_co2e"] or 0.0)),
            exact.add(biogenic, exact.stored(row["biogenic_kg_co2"] or 0.0)),
        )
    return dict(found)


def tonnes(kg: Decimal) -> str:
    """Write tonnes as a page whose total is large: with one decimal, and never nought for some."""
    value = kg / 1000
    if value and abs(value) < Decimal("0.05"):
        return "&lt; 0.1" if value > 0 else "&gt; -0.1"
    return f"{value:,.1f}"


@pytest.mark.parametrize("by", EVERY, ids=lambda by: "+".join(by) or "nothing")
def test_every_format_and_the_api_tell_the_same_of_random_figures(
    uploader: Uploader, generate: GenerateReports, run: Any, by: tuple[GroupBy, ...]
) -> None:
    fill(uploader, random.Random(f"seed {by}"))
    told = Told(uploader, generate, run, by)
    figures = told.emissions()
    [(count, kg, biogenic)] = summed(figures, ()).values()

    # CSV: the total, the figures, the groups
    [total] = told.of("total")
    assert int(total["emissions"]) == count == 60
    assert (Decimal(total["kg_co2e"]), Decimal(total["biogenic_kg_co2"])) == (kg, biogenic)
    listed = {row["emission_id"]: row["kg_co2e"] or row["biogenic_kg_co2"]
              for row in told.of("emission")}  # fmt: skip
    assert {key: Decimal(value) for key, value in listed.items()} == {
        row["emission_id"]: exact.stored(row["kg_co2e"] if row["biogenic_kg_co2"] is None
                                         else row["biogenic_kg_co2"])
        for row in figures
    }  # fmt: skip
    groups = summed(figures, told.columns) if by else {}
    assert {
        tuple(row[name].removeprefix("'") or None for name in told.columns): (
            int(row["emissions"]), Decimal(row["kg_co2e"]), Decimal(row["biogenic_kg_co2"]))
        for row in told.of("group")
    } == groups  # fmt: skip

    # Excel: what is stored beside each formula, and what the formula comes to
    book = told.workbook
    for sheet, place, formula in book.formulas():
        cached, found = book.values[sheet][place].value, book.worked_out(sheet, formula)
        if formula.startswith("=SUMIFS("):
            assert float(found) == cached, (sheet, place, formula)
        else:  # over cells, each of which is rounded to a float; what is stored beside is not
            assert cached in (count, float(kg), float(biogenic)), (sheet, place, formula)
            assert abs(float(found) - cached) <= 60 * math.ulp(5e9), (sheet, place, formula)
    if by:
        shown = {keys: sums for keys, sums, _ in told.breakdown()}
        assert shown == {key: (n, float(a), float(b)) for key, (n, a, b) in groups.items()}

    # PDF: the totals to the last digit, every group to the kilogram
    page = told.page.decode()
    assert f'<td class="n">{total["kg_co2e"]}</td>' in page
    assert f'<td class="n">{total["biogenic_kg_co2"]}</td>' in page
    listing = page.partition("<h2>Breakdown</h2>")[2].partition("</table>")[0]
    for n, kilograms, _ in groups.values():
        assert f'<td class="n">{n}</td><td class="n">{tonnes(kilograms)}</td>' in listing
    assert listing.count("<tr>") == len(groups) + (1 if by else 0)  # and the header

    # API
    with tenant_session(uploader.engine, uploader.organization_id) as session:

        def api(**wanted: Any) -> tuple[int, float, float]:
            found = emissions.summarize(
                session, uploader.organization_id, Reach(), EmissionFilter(**wanted)
            )
            return found.count, found.total_kg_co2e, found.biogenic_kg_co2

        assert api() == (count, float(kg), float(biogenic))
        names = {"category": "category", "region": "region", "activity_type": "type"}
        ids = {"project_id": "project_id", "file_id": "file_id"}
        for column, name in (names | ids).items():
            if column not in told.columns or len(by) > 1:
                continue
            place = told.columns.index(column)
            for key, (n, a, b) in groups.items():
                if (value := key[place]) is not None:
                    wanted = UUID(value) if column in ids else value
                    assert api(**{name: wanted}) == (n, float(a), float(b))


def test_figures_of_any_size_add_up_in_every_format_and_in_the_api(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    draw, file = random.Random(17), done(uploader)
    # Beyond 2**53 Python and PostgreSQL write one float in six differently.
    sizes = [draw.uniform(-9, 9) * 10.0 ** draw.randint(14, 25) for _ in range(80)]
    for row, kg in enumerate([*sizes, -1e-7, 1e23], start=2):
        emission(uploader, file, row, kg, scope=draw.choice([1, 2]))
    told = Told(uploader, generate, run, (GroupBy.SCOPE,))
    [total] = told.of("total")
    kg = exact.total(Decimal(row["kg_co2e"]) for row in told.of("emission"))
    assert Decimal(total["kg_co2e"]) == kg
    assert exact.total(Decimal(row["kg_co2e"]) for row in told.of("group")) == kg
    assert f'<td class="n">{total["kg_co2e"]}</td>' in told.page.decode()
    shown = [row["kg_co2e"] for row in told.emissions()]
    assert exact.total(map(exact.stored, shown)) == kg
    with tenant_session(uploader.engine, uploader.organization_id) as session:
        organization_id = uploader.organization_id
        found = emissions.summarize(session, organization_id, Reach(), EmissionFilter())
    assert found.total_kg_co2e == float(kg)


def test_groups_of_one_name_are_told_apart_in_every_format(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    projects = fleets(uploader)
    files = [done(uploader, "ledger.csv") for _ in range(2)]
    for number, (project, file) in enumerate(zip(projects, files, strict=True), start=1):
        emission(uploader, file, 2, 1000.0 * number, project_id=project)
    told = Told(uploader, generate, run, (GroupBy.PROJECT, GroupBy.FILE))
    wanted = {
        ("Fleet", str(project), "ledger.csv", str(file.file_id)): 1000.0 * number
        for number, (project, file) in enumerate(zip(projects, files, strict=True), start=1)
    }
    assert {keys: sums[1] for keys, sums, _ in told.breakdown()} == wanted
    for _, _, row in told.breakdown():  # live, and by the ids
        formula = told.workbook.book["Breakdown"].cell(row, 6).value
        assert formula.startswith("=SUMIFS(")
    page = told.page.decode()
    for project, file in zip(projects, files, strict=True):
        assert f"Fleet / ledger.csv / {project} / {file.file_id}" in page
        assert f"Fleet ({project})" in page
        assert f"ledger.csv ({file.file_id})" in page
    assert "from 2 files" in page


def test_the_columns_of_a_breakdown_are_columns_of_the_figures() -> None:
    from runtime.adapters.renderer_excel import SHOWN

    assert set(group_columns(GroupBy)) <= set(SHOWN) <= {c.name for c in DETAIL_COLUMNS}


def test_what_waits_is_told_apart_from_what_is_counted_and_may_change(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    file = done(uploader, rows_total=5, rows_calculated=3, rows_in_review=2)
    factor = add(
        uploader, EmissionFactor, source_id="own-1", name="Diesel", category="Fuels", unit="litre",
        dimension="volume", value_per_unit=1.0, activity_kind="fuel_stationary",
    )  # fmt: skip
    waits = (("flagged", factor, 700.0), ("held", None, 40.0))
    for number, (outcome, chosen, kg) in enumerate(waits):
        decision = add(
            uploader, Decision, file_id=file.file_id, activity_key=f"{number:064}", activity={},
            row_count=2, volume_total=1.0, outcome=outcome, method="offline", confidence=0.5,
            emission_factor_id=chosen, candidates=[], reasons=[], fallbacks=[],
        )  # fmt: skip
        add(
            uploader, Review, file_id=file.file_id, decision_id=decision, row_count=2,
            reason_code="low_confidence", reason="Unsure.", kg_at_risk=kg,
        )  # fmt: skip
        if chosen:
            for row, own in ((2, 800.0), (3, -100.0)):
                emission(uploader, file, row, own, decision_id=decision)
    emission(uploader, file, 4, 400.0)
    told = Told(uploader, generate, run, (GroupBy.SCOPE,))
    page = " ".join(told.page.decode().split())
    assert "2 wait for a person's decision (about 0.04 t CO2e by the best candidates)" in page
    assert "2 of the figures, 0.90 t CO2e with credits as amounts, are listed" in page
    assert "2 of these figures (0.90 t CO2e, credits as amounts) are listed for review" in page
    summary = {row[0]: row[1] for row in told.workbook.values["Summary"].iter_rows(
        values_only=True, max_col=2)}  # fmt: skip
    assert summary["… waiting for a person, in no figure: see Reviews"] == 2
    assert summary["Figures listed for review: see Reviews"] == 2
    assert summary["… their kg CO2e, credits as amounts"] == 900


def test_a_quantity_is_shown_with_every_digit(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    file = done(uploader)
    for row, volume in enumerate((1234567.0, 41087.25, 0.1, 1e-7, -2_000_000.5), start=2):
        emission(uploader, file, row, 1.0, volume=volume)
    page = Told(uploader, generate, run, ()).page.decode()
    for shown in ("1,234,567", "41,087.25", "0.1", "0.0000001", "-2,000,000.5"):
        assert f'<td class="n">{shown} litre</td>' in page


def test_what_is_linked_to_figures_is_told_beside_them_and_in_no_sum(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    file = done(uploader)
    for row, upstream in ((2, 300.5), (3, None)):
        emission(
            uploader, file, row, 1000.0, upstream_emission=upstream,
            outside_of_scopes_emission=4000.25,
        )  # fmt: skip
    told = Told(uploader, generate, run, (GroupBy.SCOPE,))
    page = " ".join(told.page.decode().split())
    assert "in no sum of this report: 0.30 t CO2e from before their use" in page
    assert "asked for it; 8.00 t of biogenic CO2, outside of the scopes" in page
    [total] = told.of("total")
    assert (total["kg_co2e"], total["biogenic_kg_co2"]) == ("2000", "0")
    summary = {row[0]: row[1] for row in told.workbook.values["Summary"].iter_rows(
        values_only=True, max_col=2)}  # fmt: skip
    assert summary["kg CO2e beside the figures, from before their use, in no sum"] == 300.5
    assert summary["kg biogenic CO2 beside the figures, in no sum"] == 8000.5
