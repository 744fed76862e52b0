"""Reports over real PostgreSQL and storage: what they say, twice, deleted, failed."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert, text
from sqlmodel import Session
from temporalio.exceptions import ApplicationError

from activities.report import GenerateReports
from activities.sweep import SweepOrphans
from core.contracts import FailReportInput, FileRef, Problem, ReportRef, SweepInput
from core.errors import Misconfigured
from core.keys import report_key
from core.permissions import Reach
from core.reporting import GroupBy, ReportFormat, ReportType
from db.engine import tenant_session
from db.ids import uuid7
from db.models import Emission, EmissionFactor, Project
from db.queries import emissions, reports
from db.queries.emissions import EmissionFilter
from runtime.adapters.renderer_csv import CsvRenderer
from runtime.adapters.storage_local import LocalStorage
from tests.factories import Uploader
from tests.fakes_api import FakePipeline

pytestmark = pytest.mark.anyio
NOW = dt.datetime(2026, 11, 22, 14, 0, tzinfo=dt.UTC)
Run = Callable[..., Any]


@pytest.fixture
def generate(worker_engine: Engine, storage: LocalStorage, tmp_path: Path) -> GenerateReports:
    return GenerateReports(
        worker_engine, storage, {ReportFormat.CSV: CsvRenderer()}, work_dir=tmp_path / "work"
    )


def add(uploader: Uploader, table: Any, **values: Any) -> UUID:
    row_id = values.setdefault("id", uuid7())
    with Session(uploader.engine) as session:
        session.execute(insert(table).values(organization_id=uploader.organization_id, **values))
        session.commit()
    return row_id


def emission(uploader: Uploader, file: FileRef, row: int, kg: float, **values: Any) -> UUID:
    given = {
        "activity_name": "Diesel", "unit": "litre", "volume": 1.0, "scope": 1,
        "confidence_score": 0.9, "category": "Fuels",
    } | values  # fmt: skip
    return add(
        uploader, Emission, file_id=file.file_id, row_number=row, calculated_emission=kg, **given
    )


def done(uploader: Uploader, name: str = "travel.csv", **values: Any) -> FileRef:
    return uploader.upload(uuid7().bytes, name, status="completed", **values)


def ask(
    uploader: Uploader,
    *,
    kind: ReportType = ReportType.EMISSION_SUMMARY,
    by: tuple[GroupBy, ...] = (),
    details: bool = False,
    wanted: EmissionFilter | None = None,
    reach: Reach | None = None,
    **values: Any,
) -> ReportRef:
    report_id = uuid7()
    given = {"name": "Year 2024", "description": None} | values
    with tenant_session(uploader.engine, uploader.organization_id) as session:
        reports.add_report(
            session,
            uploader.organization_id,
            reports.NewReport(
                id=report_id,
                user_id=uploader.user_id,
                report_type=kind,
                file_format=ReportFormat.CSV,
                criteria=reports.Criteria(
                    {}, wanted or EmissionFilter(), reach or Reach(), by, details, 0, NOW
                ),
                **given,
            ),
        )
        session.commit()
    return ReportRef(organization_id=uploader.organization_id, report_id=report_id)


def row_of(uploader: Uploader, ref: ReportRef) -> Any:
    with Session(uploader.engine) as session:
        return session.execute(
            text("SELECT * FROM reports WHERE id = :report_id"), ref.model_dump()
        ).one()


def read(uploader: Uploader, ref: ReportRef) -> list[dict[str, str]]:
    key = report_key(ref.organization_id, ref.report_id, "csv")
    with uploader.storage.open(key) as stream:
        data = stream.read()
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.endswith(b"\r\n")
    lines = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert len({len(line) for line in lines}) == 1  # RFC 4180: the same number in every line
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def only(rows: list[dict[str, str]], record: str) -> list[dict[str, str]]:
    return [row for row in rows if row["record"] == record]


@pytest.fixture
def figures(uploader: Uploader) -> FileRef:
    """Four figures: 0.1 + 0.2 and 8850 count, 500 is biogenic."""
    file = done(uploader)
    emission(uploader, file, 2, 0.1, activity_on=dt.date(2024, 3, 1))
    emission(uploader, file, 3, 0.2, activity_year=2024)
    emission(uploader, file, 4, 8850.0, scope=2, category=None)
    emission(uploader, file, 5, 500.0, scope=None, biogenic=True)
    return file


def test_a_summary_has_one_row_a_group_and_a_total_of_the_very_digits(
    uploader: Uploader, generate: GenerateReports, figures: FileRef, run: Run
) -> None:
    ref = ask(uploader, by=(GroupBy.SCOPE, GroupBy.CATEGORY))
    result = run(generate.generate_report, ref)
    assert (result.status, result.rows) == ("completed", 0)
    rows = read(uploader, ref)
    names = ["record", "name", "scope", "category", "emissions", "kg_co2e", "biogenic_kg_co2"]
    assert list(rows[0]) == names
    # floats would give 0.1 + 0.2 = 0.30000000000000004
    assert [tuple(row.values())[1:] for row in only(rows, "group")] == [
        ("Scope 1 / Fuels", "1", "Fuels", "2", "0.3", "0"),
        ("Scope 2 / –", "2", "", "1", "8850", "0"),
        ("outside of scopes / Fuels", "outside of scopes", "Fuels", "1", "0", "500"),
    ]
    [total] = only(rows, "total")
    # 0.1 + 0.2 + 8850 = 8850.3
    assert tuple(total.values())[1:] == ("Total", "", "", "4", "8850.3", "500")
    with tenant_session(uploader.engine, uploader.organization_id) as session:
        summary = emissions.summarize(session, uploader.organization_id, Reach(), EmissionFilter())
    assert float(total["kg_co2e"]) == summary.total_kg_co2e == 8850.3
    assert float(total["biogenic_kg_co2"]) == summary.biogenic_kg_co2
    notes = [row["name"] for row in only(rows, "note")]
    assert "Organization: Harbour & Hill" in notes
    assert "Criteria: none: every figure" in notes
    row = row_of(uploader, ref)
    assert (row.status, row.file_size) == ("completed", result.size_bytes)
    assert row.generation_started_at <= row.generation_completed_at


def test_a_detailed_report_shows_every_figure_with_its_factor_and_place(
    uploader: Uploader, generate: GenerateReports, run: Run
) -> None:
    project = add(uploader, Project, name="Fleet")
    file = done(uploader, "fleet.csv", project_id=project)
    factor = add(
        uploader, EmissionFactor, source_id="own-1", name="Diesel (average biofuel blend)",
        category="Fuels", unit="litre", dimension="volume", value_per_unit=2.57082,
        activity_kind="fuel", source="supplier", source_year=2025, gwp_set="AR5",
    )  # fmt: skip
    made = emission(
        uploader, file, 7, 3084.984, project_id=project, emission_factor_id=factor, volume=1200.0,
        activity_on=dt.date(2024, 3, 31), activity_year=2024, region="GB", sheet="Fuels",
        activity_description="vans, north", calculation_method="chosen by a person",
        calculation={"formula": "1200 litre × 2.57082 kg CO2e/litre = 3084.984 kg CO2e"},
    )  # fmt: skip
    ref = ask(uploader, kind=ReportType.DETAILED)
    assert run(generate.generate_report, ref).rows == 1
    rows = read(uploader, ref)
    [shown] = only(rows, "emission")
    assert shown == {
        "record": "emission", "emissions": "1", "name": "Diesel", "activity_type": "",
        "description": "vans, north", "date": "2024-03-31", "year": "2024", "month": "2024-03",
        "region": "GB", "quantity": "1200", "unit": "litre", "scope": "1",
        "scope3_category": "", "category": "Fuels", "kg_co2e": "3084.984", "biogenic_kg_co2": "",
        "confidence": "0.9", "method": "chosen by a person",
        "formula": "1200 litre × 2.57082 kg CO2e/litre = 3084.984 kg CO2e",
        "factor_name": "Diesel (average biofuel blend)", "factor_kg_co2e_per_unit": "2.57082",
        "factor_unit": "litre", "factor_region": "", "factor_source": "supplier",
        "factor_source_year": "2025", "factor_release": "", "factor_source_id": "own-1",
        "gwp_set": "AR5", "project": "Fleet", "project_id": str(project),
        "file_name": "fleet.csv", "file_id": str(file.file_id), "sheet": "Fuels", "row": "7",
        "column": "0", "emission_id": str(made),
    }  # fmt: skip
    [total] = only(rows, "total")
    assert (total["emissions"], total["kg_co2e"]) == ("1", "3084.984")
    assert "Factors: the organization's own factors; supplier; GWP AR5; figures: 1" in [
        row["name"] for row in only(rows, "note")
    ]


@pytest.mark.parametrize("by", list(GroupBy))
def test_by_whatever_it_is_grouped_the_groups_add_up(
    uploader: Uploader, generate: GenerateReports, figures: FileRef, run: Run, by: GroupBy
) -> None:
    ref = ask(uploader, by=(by,), details=True)
    assert run(generate.generate_report, ref).rows == 4
    rows = read(uploader, ref)
    [total] = only(rows, "total")
    for record in ("group", "emission"):
        kg = sum((Decimal(r["kg_co2e"] or 0) for r in only(rows, record)), Decimal())
        assert kg == Decimal(total["kg_co2e"]) == Decimal("8850.3")
        assert sum(int(row["emissions"]) for row in only(rows, record)) == 4


def test_months_stand_in_order_and_a_bare_year_is_no_month(
    uploader: Uploader, generate: GenerateReports, figures: FileRef, run: Run
) -> None:
    ref = ask(uploader, by=(GroupBy.MONTH,))
    run(generate.generate_report, ref)
    groups = only(read(uploader, ref), "group")
    assert [(g["month"], g["emissions"]) for g in groups] == [
        ("2024", "1"), ("2024-03", "1"), ("", "2"),
    ]  # fmt: skip


def test_files_of_the_same_name_stay_apart(
    uploader: Uploader, generate: GenerateReports, run: Run
) -> None:
    for kg in (1.0, 2.0):
        emission(uploader, done(uploader), 2, kg)
    ref = ask(uploader, by=(GroupBy.FILE,))
    run(generate.generate_report, ref)
    groups = only(read(uploader, ref), "group")
    assert [(g["file_name"], g["name"], g["kg_co2e"]) for g in groups] == [
        ("travel.csv", "travel.csv", "1"),
        ("travel.csv", "travel.csv", "2"),
    ]  # fmt: skip
    assert len({g["file_id"] for g in groups}) == 2


HOSTILE = ["=cmd|'/C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", " =1"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_is_a_formula_and_no_number_becomes_a_text(
    uploader: Uploader, generate: GenerateReports, run: Run, name: str
) -> None:
    file = done(uploader, f"{name}.csv")
    emission(
        uploader, file, 2, -12.5, activity_name=name, activity_type=name, region=name, sheet=name,
        volume=-3.0, activity_description='say "hi",\r\nthen go',
    )  # fmt: skip
    ref = ask(
        uploader, kind=ReportType.DETAILED, by=(GroupBy.TYPE,), name=name, description=name,
        wanted=EmissionFilter(type=name),
    )  # fmt: skip
    run(generate.generate_report, ref)
    rows = read(uploader, ref)
    [shown] = only(rows, "emission")
    for column in ("name", "activity_type", "region", "sheet"):
        assert shown[column] == f"'{name}"
    assert shown["file_name"] == f"'{name}.csv"
    assert shown["description"] == 'say "hi",\r\nthen go'
    assert (shown["kg_co2e"], shown["quantity"]) == ("-12.5", "-3")
    [group] = only(rows, "group")
    assert group["name"] == group["activity_type"] == f"'{name}"
    for row in rows:
        for column, cell in row.items():
            if column not in ("kg_co2e", "quantity", "emissions"):
                assert cell.lstrip(" ")[:1] not in tuple("=+-@\t\r\n＝"), (column, cell)


def test_tiny_and_huge_figures_keep_every_digit(
    uploader: Uploader, generate: GenerateReports, run: Run
) -> None:
    file = done(uploader)
    for row, kg in enumerate((1e-07, 123456789.123456, 3e12), start=2):
        emission(uploader, file, row, kg)
    ref = ask(uploader, details=True)
    run(generate.generate_report, ref)
    rows = read(uploader, ref)
    assert [row["kg_co2e"] for row in only(rows, "emission")] == [
        "0.0000001", "123456789.123456", "3000000000000",
    ]  # fmt: skip
    # 3000000000000 + 123456789.123456 + 0.0000001, by hand; 20 digits are more than a float has
    assert only(rows, "total")[0]["kg_co2e"] == "3000123456789.1234561"


def test_nothing_found_is_a_report_that_says_so(
    uploader: Uploader, generate: GenerateReports, run: Run
) -> None:
    ref = ask(uploader, kind=ReportType.DETAILED, by=(GroupBy.SCOPE,))
    assert run(generate.generate_report, ref).status == "completed"
    rows = read(uploader, ref)
    assert only(rows, "group") == only(rows, "emission") == []
    [total] = only(rows, "total")
    assert (total["emissions"], total["kg_co2e"], total["biogenic_kg_co2"]) == ("0", "0", "0")


def test_only_living_rows_of_complete_files_within_criteria_and_reach_count(
    uploader: Uploader, generate: GenerateReports, run: Run
) -> None:
    projects = [add(uploader, Project, name=name) for name in ("Mine", "Theirs")]
    mine = done(uploader, project_id=projects[0])
    emission(uploader, mine, 2, 1.0, project_id=projects[0])
    emission(uploader, mine, 3, 2.0, project_id=projects[0], scope=3)
    emission(uploader, mine, 4, 4.0, project_id=projects[0], deleted_at=NOW)
    emission(uploader, done(uploader), 2, 8.0, project_id=projects[1])
    emission(uploader, done(uploader, deleted_at=NOW), 2, 16.0, project_id=projects[0])
    half = uploader.upload(b"half", status="calculating", project_id=projects[0])
    emission(uploader, half, 2, 32.0, project_id=projects[0])
    other = Uploader.make(uploader.engine, uploader.storage, "Other")
    emission(other, done(other), 2, 64.0)
    asked = (
        (EmissionFilter(), Reach(), "11"),  # 1 + 2 + 8
        (EmissionFilter(scope=(1,)), Reach(), "9"),  # 1 + 8
        (EmissionFilter(), Reach(frozenset({projects[0]})), "3"),  # 1 + 2
        (EmissionFilter(project_id=projects[1]), Reach(frozenset({projects[0]})), "0"),
    )
    for wanted, reach, kg in asked:
        ref = ask(uploader, wanted=wanted, reach=reach)
        run(generate.generate_report, ref)
        assert only(read(uploader, ref), "total")[0]["kg_co2e"] == kg


def test_a_second_attempt_changes_nothing(
    uploader: Uploader, generate: GenerateReports, figures: FileRef, run: Run
) -> None:
    ref = ask(uploader)
    first = run(generate.generate_report, ref)
    before = row_of(uploader, ref)
    second = run(generate.generate_report, ref)
    assert (second.status, second.size_bytes) == (first.status, first.size_bytes)
    after = row_of(uploader, ref)
    assert after.generation_completed_at == before.generation_completed_at
    assert len(list(uploader.storage.list(f"{ref.organization_id}/reports/"))) == 1


def test_a_report_deleted_before_or_while_it_is_made_leaves_nothing(
    uploader: Uploader, generate: GenerateReports, worker_engine: Engine, tmp_path: Path,
    storage: LocalStorage, run: Run,
) -> None:  # fmt: skip
    def delete(ref: ReportRef) -> None:
        with tenant_session(uploader.engine, ref.organization_id) as session:
            reports.delete_report(session, ref.organization_id, ref.report_id)
            session.commit()

    before = ask(uploader)
    delete(before)
    assert run(generate.generate_report, before).status == "deleted"

    during = ask(uploader)

    class Slow(CsvRenderer):
        def render(self, content: Any, target: Any) -> None:
            super().render(content, target)
            delete(during)

    slow = GenerateReports(
        worker_engine, storage, {ReportFormat.CSV: Slow()}, work_dir=tmp_path / "work"
    )
    assert run(slow.generate_report, during).status == "deleted"
    assert list(storage.list(f"{during.organization_id}/reports/")) == []
    assert list((tmp_path / "work").iterdir()) == []


def test_figures_that_change_meanwhile_do_not_split_a_report(
    uploader: Uploader, worker_engine: Engine, storage: LocalStorage, tmp_path: Path,
    figures: FileRef, run: Run,
) -> None:  # fmt: skip
    class Meanwhile(CsvRenderer):
        def render(self, content: Any, target: Any) -> None:
            emission(uploader, figures, 99, 1000.0)  # the totals are read, the rows are not
            super().render(content, target)

    generate = GenerateReports(
        worker_engine, storage, {ReportFormat.CSV: Meanwhile()}, work_dir=tmp_path / "work"
    )
    ref = ask(uploader, details=True)
    assert run(generate.generate_report, ref).rows == 4
    assert only(read(uploader, ref), "total")[0]["kg_co2e"] == "8850.3"


def test_rows_that_do_not_add_up_fail_loudly(
    uploader: Uploader, worker_engine: Engine, storage: LocalStorage, tmp_path: Path,
    figures: FileRef, run: Run,
) -> None:  # fmt: skip
    class Lossy(CsvRenderer):
        def render(self, content: Any, target: Any) -> None:
            next(iter(content.details))  # one row is taken out and never written

    generate = GenerateReports(
        worker_engine, storage, {ReportFormat.CSV: Lossy()}, work_dir=tmp_path / "work"
    )
    ref = ask(uploader, details=True)
    with pytest.raises(ApplicationError) as raised:
        run(generate.generate_report, ref)
    assert raised.value.type == "ReconciliationFailed"
    assert row_of(uploader, ref).status == "generating"
    assert list(storage.list(f"{ref.organization_id}/reports/")) == []


def test_a_format_without_renderer_is_the_operators(
    uploader: Uploader, worker_engine: Engine, storage: LocalStorage, tmp_path: Path, run: Run
) -> None:
    generate = GenerateReports(worker_engine, storage, {}, work_dir=tmp_path)
    with pytest.raises(Misconfigured):
        run(generate.generate_report, ask(uploader))


def test_failing_removes_the_object_says_why_and_may_run_twice(
    uploader: Uploader, generate: GenerateReports, storage: LocalStorage, run: Run
) -> None:
    ref = ask(uploader)
    key = report_key(ref.organization_id, ref.report_id, "csv")
    storage.put(key, io.BytesIO(b"half"))
    problem = Problem(code="report_failed", message="The report could not be generated.")
    request = FailReportInput(**ref.model_dump(), problem=problem)
    for _ in range(2):
        assert run(generate.fail_report, request).status == "failed"
    row = row_of(uploader, ref)
    assert (row.status, row.error_message) == ("failed", problem.message)
    assert not storage.exists(key)
    with Session(uploader.engine) as session:
        actions = session.scalars(
            text("SELECT action FROM audit_events WHERE object_id = :id"), {"id": ref.report_id}
        ).all()
    assert actions == ["report.failed"]
    # an attempt that was thought lost publishes nothing any more
    assert run(generate.generate_report, ref).status == "failed"
    assert not storage.exists(key)


def test_a_completed_report_is_not_failed_afterwards(
    uploader: Uploader, generate: GenerateReports, storage: LocalStorage, run: Run
) -> None:
    ref = ask(uploader)
    run(generate.generate_report, ref)
    problem = Problem(code="report_failed", message="x")
    result = run(generate.fail_report, FailReportInput(**ref.model_dump(), problem=problem))
    assert result.status == row_of(uploader, ref).status == "completed"
    assert storage.exists(report_key(ref.organization_id, ref.report_id, "csv"))


async def test_the_sweep_starts_reports_that_nobody_began(
    uploader: Uploader, generate: GenerateReports, platform_engine: Engine, run: Run
) -> None:
    waiting, begun, deleted = ask(uploader), ask(uploader), ask(uploader)
    generate.begin(begun)
    with tenant_session(uploader.engine, uploader.organization_id) as session:
        reports.delete_report(session, uploader.organization_id, deleted.report_id)
        session.commit()
    pipeline = FakePipeline()
    sweep = SweepOrphans(platform_engine, pipeline)
    assert (await run(sweep.start_orphans, SweepInput(older_than_s=3600))).reports == 0
    assert (await run(sweep.start_orphans, SweepInput(older_than_s=0))).reports == 1
    assert pipeline.reports == [waiting.model_copy(update={"file_format": "csv"})]
