"""How reports end when something is away, too late, or lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.testing import ActivityEnvironment

from activities.report import REMOVAL_ATTEMPTS, GenerateReports
from activities.sweep import SweepOrphans
from core.contracts import FailReportInput, Problem, SweepInput
from core.errors import Unavailable
from core.reporting import ReportFormat
from db.engine import tenant_session
from db.queries import reports
from runtime.adapters.renderer_csv import CsvRenderer
from runtime.adapters.storage_local import LocalStorage
from tests.activities.test_report import ask, row_of
from tests.factories import Uploader
from tests.fakes_api import FakePipeline

pytestmark = pytest.mark.anyio
Run = Callable[..., Any]


@pytest.fixture
def generate(worker_engine: Engine, storage: LocalStorage, tmp_path: Path) -> GenerateReports:
    return GenerateReports(
        worker_engine, storage, {ReportFormat.CSV: CsvRenderer()}, work_dir=tmp_path / "work"
    )


def attempt_of(number: int, call: Any, argument: Any) -> Any:
    """Run an activity as one of its later attempts."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, attempt=number)
    return environment.run(call, argument)


def test_a_report_ends_as_failed_although_the_store_stays_away(
    uploader: Uploader, generate: GenerateReports, storage: LocalStorage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ref = ask(uploader)
    problem = Problem(code="dependency_unavailable", message="A service stayed away.")
    request = FailReportInput(**ref.model_dump(), problem=problem)

    def away(key: str) -> None:
        raise Unavailable("the object store is away")

    monkeypatch.setattr(storage, "delete", away)
    with pytest.raises(Unavailable):
        attempt_of(1, generate.fail_report, request)
    assert row_of(uploader, ref).status == "generating"
    assert attempt_of(REMOVAL_ATTEMPTS, generate.fail_report, request).status == "failed"
    row = row_of(uploader, ref)
    assert (row.status, row.error_message) == ("failed", problem.message)


def test_a_cancelled_workflow_leaves_a_report_alone_that_was_retried_since(
    uploader: Uploader, generate: GenerateReports, run: Run
) -> None:
    ref = ask(uploader)
    generate.begin(ref)
    cancelled = FailReportInput(
        **ref.model_dump(), problem=Problem(code="cancelled", message="The report was cancelled.")
    )
    with tenant_session(uploader.engine, uploader.organization_id) as session:
        scope = (session, uploader.organization_id, ref.report_id)
        reports.fail_report(*scope, "The report was cancelled; retry writes it.")
        asked = reports.criteria_of(reports.get_report(*scope))
        reports.reopen_report(*scope, asked)
        session.commit()
    assert run(generate.fail_report, cancelled).status == "generating"
    assert row_of(uploader, ref).status == "generating"
    assert run(generate.generate_report, ref).status == "completed"
    assert run(generate.fail_report, cancelled).status == "completed"


async def test_the_sweep_starts_a_report_again_whose_workflow_may_be_lost(
    uploader: Uploader, generate: GenerateReports, platform_engine: Engine, run: Run
) -> None:
    lost, ended = ask(uploader), ask(uploader)
    generate.begin(lost)
    run(generate.generate_report, ended)
    with tenant_session(uploader.engine, uploader.organization_id) as session:
        session.execute(
            text("UPDATE reports SET generation_started_at = now() - interval '61 minutes'")
        )
        session.commit()
    pipeline = FakePipeline()
    sweep = SweepOrphans(platform_engine, pipeline)
    assert (await run(sweep.start_orphans, SweepInput(older_than_s=0))).reports == 1
    assert [ref.report_id for ref in pipeline.reports] == [lost.report_id]
