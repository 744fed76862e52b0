"""The reports worker as it runs: real Temporal, real PostgreSQL, real storage."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import Engine, insert, text
from sqlmodel import Session
from temporalio.testing import WorkflowEnvironment

from core.contracts import ReportRef, ReportResult
from core.permissions import Reach
from core.reporting import ReportFormat, ReportType
from db.engine import tenant_session
from db.ids import uuid7
from db.models import Emission
from db.queries import reports
from db.queries.emissions import EmissionFilter
from runtime import dev_config
from runtime.settings import Settings
from runtime.temporal import TemporalPipeline
from runtime.wiring import make_storage
from runtime.worker import make_worker
from tests.factories import Uploader
from workflows import options

pytestmark = pytest.mark.anyio


async def test_the_reports_worker_makes_what_the_api_asked_for(
    temporal: WorkflowEnvironment, settings: Settings, platform_engine: Engine, clean_database: None
) -> None:
    storage = make_storage(settings)
    uploader = Uploader.make(platform_engine, storage)
    file = uploader.upload(b"x", status="completed")
    report_id, organization_id = uuid7(), uploader.organization_id
    now = dt.datetime.now(dt.UTC)
    criteria = reports.Criteria({}, EmissionFilter(), Reach(), (), False, 1, now)
    with tenant_session(platform_engine, organization_id) as session:
        session.execute(
            insert(Emission).values(
                organization_id=organization_id, id=uuid7(), file_id=file.file_id, row_number=2,
                activity_name="Diesel", unit="litre", volume=1200.0, scope=1,
                calculated_emission=3084.984,
            )
        )  # fmt: skip
        reports.add_report(
            session, organization_id,
            reports.NewReport(
                report_id, uploader.user_id, "Year", None, ReportType.DETAILED, ReportFormat.CSV,
                criteria,
            ),
        )  # fmt: skip
        session.commit()
    worker, close = make_worker(options.REPORTS_QUEUE, temporal.client, settings)
    try:
        async with worker:
            ref = ReportRef(organization_id=organization_id, report_id=report_id)
            pipeline = TemporalPipeline(temporal.client, match_batch_size=200)
            job = await pipeline.start_report(ref, name="Year", organization_name="Harbour")
            handle = temporal.client.get_workflow_handle(job, result_type=ReportResult)
            result = await handle.result()
    finally:
        close()
    assert (result.status, result.rows) == ("completed", 1)
    with Session(platform_engine) as session:
        row = session.execute(text("SELECT status, object_storage_path FROM reports")).one()
    assert row.status == "completed"
    with storage.open(storage.key(row.object_storage_path)) as stream:
        assert b"3084.984" in stream.read()


def test_development_runs_a_worker_for_reports() -> None:
    assert dev_config.load().task_queues[options.REPORTS_QUEUE].processes == 1
