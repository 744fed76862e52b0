"""The reports worker as it runs: real Temporal, real PostgreSQL, real storage."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from sqlalchemy import Engine, insert, text
from sqlmodel import Session
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment
from temporalio.worker import Worker

from activities.sweep import SweepOrphans
from core.contracts import ReportRef, ReportResult, SweepInput
from core.permissions import Reach
from core.reporting import ReportFormat, ReportType
from db.engine import tenant_session
from db.ids import uuid7
from db.models import Emission
from db.queries import reports
from db.queries.emissions import EmissionFilter
from runtime import dev_config, layout_child
from runtime.settings import Settings
from runtime.temporal import TemporalPipeline
from runtime.wiring import make_storage
from runtime.worker import BESIDE, make_worker, shut_down
from tests.factories import Uploader
from workflows import options

pytestmark = pytest.mark.anyio


def ask(uploader: Uploader, file_format: ReportFormat) -> ReportRef:
    """Add a file with one figure and a report of it."""
    file = uploader.upload(uuid7().bytes, f"{uuid7()}.csv", status="completed")
    report_id, organization_id = uuid7(), uploader.organization_id
    now = dt.datetime.now(dt.UTC)
    criteria = reports.Criteria({}, EmissionFilter(), Reach(), (), False, 1, now)
    with tenant_session(uploader.engine, organization_id) as session:
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
                report_id, uploader.user_id, "Year", None, ReportType.DETAILED, file_format,
                criteria,
            ),
        )  # fmt: skip
        session.commit()
    return ReportRef(
        organization_id=organization_id, report_id=report_id, file_format=file_format.value
    )


@asynccontextmanager
async def working(client: Client, settings: Settings) -> AsyncIterator[None]:
    """Run what `runtime worker reports` runs."""
    async with AsyncExitStack() as stack:
        for queue in (options.REPORTS_QUEUE, *BESIDE[options.REPORTS_QUEUE]):
            worker, close = make_worker(queue, client, settings)
            stack.callback(close)
            await stack.enter_async_context(worker)
        yield


async def start(client: Client, ref: ReportRef) -> WorkflowHandle[Any, ReportResult]:
    """Start a report as the API does."""
    pipeline = TemporalPipeline(client, match_batch_size=200)
    job = await pipeline.start_report(ref, name="Year", organization_name="Harbour")
    return client.get_workflow_handle(job, result_type=ReportResult)


@pytest.mark.parametrize("file_format", [ReportFormat.CSV, ReportFormat.PDF])
async def test_the_reports_worker_makes_what_the_api_asked_for(
    temporal: WorkflowEnvironment, settings: Settings, platform_engine: Engine,
    clean_database: None, file_format: ReportFormat,
) -> None:  # fmt: skip
    storage = make_storage(settings)
    ref = ask(Uploader.make(platform_engine, storage), file_format)
    async with working(temporal.client, settings):
        result = await (await start(temporal.client, ref)).result()
    assert (result.status, result.rows) == ("completed", 1)
    with Session(platform_engine) as session:
        row = session.execute(text("SELECT status, object_storage_path FROM reports")).one()
    assert row.status == "completed"
    with storage.open(storage.key(row.object_storage_path)) as stream:
        data = stream.read()
    assert b"3084.984" in data if file_format == ReportFormat.CSV else data.startswith(b"%PDF")


class Hanging:
    """Lays out pages when it is told to, and knows whose."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.begun: list[str] = []

    def __call__(self, page: str, scratch: Path, **_limits: int) -> bytes:
        """Wait in Python, so that a worker that shuts down can stop it."""
        self.begun.append("Alpha" if 'data-short="Alpha"' in page else "Beta")
        while not self.released.wait(0.05):
            pass
        return b"%PDF-1.7"


async def until(reached: Callable[[], bool]) -> None:
    """Wait for a condition; pytest's timeout ends it when it never comes."""
    while not reached():
        await asyncio.sleep(0.02)


async def test_pages_that_hang_keep_neither_tables_nor_the_pages_of_others_from_being_made(
    temporal: WorkflowEnvironment, settings: Settings, platform_engine: Engine,
    clean_database: None, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    hanging = Hanging()
    monkeypatch.setattr(layout_child, "lay_out", hanging)
    storage = make_storage(settings)
    alpha = Uploader.make(platform_engine, storage, name="Alpha")
    beta = Uploader.make(platform_engine, storage, name="Beta")
    settings = settings.model_copy(update={"pdf_slots": 2})
    client = temporal.client
    async with working(client, settings):
        stuck = [await start(client, ask(alpha, ReportFormat.PDF)) for _ in range(3)]
        await until(lambda: len(hanging.begun) == 1)
        table = await start(client, ask(beta, ReportFormat.CSV))
        assert (await table.result()).status == "completed"
        pages = await start(client, ask(beta, ReportFormat.PDF))
        await until(lambda: len(hanging.begun) == 2)
        assert hanging.begun == ["Alpha", "Beta"]  # two of Alpha's wait for their turn
        hanging.released.set()
        ended = [await handle.result() for handle in (pages, *stuck)]
    assert {result.status for result in ended} == {"completed"}
    assert sorted(hanging.begun) == ["Alpha"] * 3 + ["Beta"]


def layouts() -> list[psutil.Process]:
    """Return the children that lay out pages."""
    found = []
    for process in psutil.Process().children():
        with suppress(psutil.Error):
            if "runtime.layout_child" in process.cmdline():
                found.append(process)
    return found


async def test_a_report_that_is_cancelled_takes_its_layout_with_it(
    temporal: WorkflowEnvironment, settings: Settings, platform_engine: Engine,
    clean_database: None, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    lay_out = layout_child.lay_out
    endless = "<style>td { overflow-wrap: anywhere }</style><table>"
    endless += f"<tr><td>{'W' * 2_000}<td>{'W' * 2_000}" * 200
    monkeypatch.setattr(
        layout_child,
        "lay_out",
        lambda _page, scratch, **limits: lay_out(endless, scratch, **limits),
    )
    ref = ask(Uploader.make(platform_engine, make_storage(settings)), ReportFormat.PDF)
    async with working(temporal.client, settings):
        handle = await start(temporal.client, ref)
        await until(lambda: bool(layouts()))
        await TemporalPipeline(temporal.client, match_batch_size=200).cancel_report(ref)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert layouts() == []
    with Session(platform_engine) as session:
        assert session.scalar(text("SELECT status FROM reports")) == "failed"


async def test_a_report_that_is_cancelled_and_retried_at_once_is_made(
    temporal: WorkflowEnvironment, settings: Settings, platform_engine: Engine,
    clean_database: None, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    hanging = Hanging()
    monkeypatch.setattr(layout_child, "lay_out", hanging)
    ref = ask(Uploader.make(platform_engine, make_storage(settings)), ReportFormat.PDF)
    pipeline = TemporalPipeline(temporal.client, match_batch_size=200)
    async with working(temporal.client, settings):
        first = await start(temporal.client, ref)
        await until(lambda: len(hanging.begun) == 1)
        with Session(platform_engine) as session:  # as the API does both
            scope = (session, ref.organization_id, ref.report_id)
            reports.fail_report(*scope, "The report was cancelled; retry writes it.")
            session.commit()
            await pipeline.cancel_report(ref)
            asked = reports.criteria_of(reports.get_report(*scope))
            reports.reopen_report(*scope, asked)
            session.commit()
        await start(temporal.client, ref)  # joins the one that is ending
        with pytest.raises(WorkflowFailureError):
            await first.result()
        hanging.released.set()
        sweep = SweepOrphans(platform_engine, pipeline)
        swept = await ActivityEnvironment().run(sweep.start_orphans, SweepInput(older_than_s=0))
        assert swept.reports == 1
        again = temporal.client.get_workflow_handle(first.id, result_type=ReportResult)
        assert (await again.result()).status == "completed"


class Ending:
    """A worker that takes as long to end as the other."""

    def __init__(self, both: asyncio.Barrier) -> None:
        self.both = both

    async def shutdown(self) -> None:
        """Wait until the other was told, too."""
        await self.both.wait()


async def test_no_worker_of_a_process_takes_new_work_while_another_ends() -> None:
    both = asyncio.Barrier(2)
    async with asyncio.timeout(30):
        await shut_down([cast(Worker, Ending(both)) for _ in range(2)])
    assert both.n_waiting == 0


def test_development_runs_a_worker_for_reports() -> None:
    assert dev_config.load().task_queues[options.REPORTS_QUEUE].processes == 1
