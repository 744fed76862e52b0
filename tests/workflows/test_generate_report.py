"""One report, from start to clean-up, on a real Temporal server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import CancelledError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from core.contracts import ReportProgress, ReportRef, ReportResult
from runtime.dev import script
from runtime.temporal import TemporalPipeline
from tests.workflows.fake_reports import FakeReports
from workflows import options
from workflows.generate_report import GenerateReport

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def started(
    client: Client, fake: FakeReports
) -> AsyncIterator[tuple[TemporalPipeline, ReportRef, WorkflowHandle[object, ReportResult]]]:
    """Start a report as the API does, and work on it."""
    async with Worker(
        client, task_queue=options.REPORTS_QUEUE, workflows=[GenerateReport],
        activities=[fake.generate_report, fake.fail_report], max_cached_workflows=0,
        max_heartbeat_throttle_interval=timedelta(seconds=1),
    ):  # fmt: skip
        pipeline = TemporalPipeline(client, match_batch_size=200)
        ref = ReportRef(organization_id=uuid4(), report_id=uuid4())
        job = await pipeline.start_report(ref, name="Year 2024", organization_name="Harbour")
        yield pipeline, ref, client.get_workflow_handle(job, result_type=ReportResult)


async def until(reached: object) -> None:
    """Wait for a condition; pytest's timeout ends it when it never comes."""
    while not reached():  # type: ignore[operator]
        await asyncio.sleep(0.02)


async def test_a_report_is_generated_and_the_web_ui_says_whose(
    temporal: WorkflowEnvironment,
) -> None:
    fake = FakeReports()
    async with started(temporal.client, fake) as (_, ref, handle):
        result = await handle.result()
        description = await handle.describe()
        assert handle.id == f"report/{ref.report_id}"
        assert result == ReportResult(status="completed", rows=3, size_bytes=9)
        assert await description.static_summary() == "Year 2024 (Harbour)"
        attributes = description.typed_search_attributes
        assert attributes.get(options.ORGANIZATION_ID) == str(ref.organization_id)
        assert attributes.get(options.STAGE) == "finish"
        metadata = await handle.query("__temporal_workflow_metadata")
        assert metadata.current_details == "completed, 3 rows"
    assert fake.failed == []


async def test_starting_a_report_twice_starts_it_once(temporal: WorkflowEnvironment) -> None:
    fake = FakeReports()
    async with started(temporal.client, fake) as (pipeline, ref, handle):
        await pipeline.start_report(ref, name="Year 2024", organization_name="Harbour")
        await handle.result()
    assert fake.calls == [ref.report_id]


@pytest.mark.parametrize("ends", ["failed", "completed"])
async def test_a_report_runs_again_however_its_workflow_ended(
    temporal: WorkflowEnvironment, ends: str
) -> None:
    # "failed": cancelled in the database, and the worker found that before it was told.
    fake = FakeReports(ends=ends)
    async with started(temporal.client, fake) as (pipeline, ref, handle):
        assert (await handle.result()).status == ends
        fake.ends = "completed"
        job = await pipeline.start_report(ref, name="Year 2024", organization_name="Harbour")
        again = temporal.client.get_workflow_handle(job, result_type=ReportResult)
        assert (await again.result()).status == "completed"
    assert fake.calls == [ref.report_id] * 2


async def test_a_failed_attempt_is_tried_again(temporal: WorkflowEnvironment) -> None:
    fake = FakeReports(fail_once=True)
    async with started(temporal.client, fake) as (_, _ref, handle):
        assert (await handle.result()).attempt == 2
    assert fake.failed == []


async def test_a_report_that_cannot_be_made_ends_failed_with_the_reason(
    temporal: WorkflowEnvironment,
) -> None:
    fake = FakeReports(break_it=True)
    async with started(temporal.client, fake) as (_, ref, handle):
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    [failed] = fake.failed
    assert (failed.report_id, failed.problem.code) == (ref.report_id, "report_failed")
    assert failed.problem.message == (
        "The report could not be generated (ReconciliationFailed). Ask for it again."
    )


async def test_what_breaks_a_report_is_tried_three_times(temporal: WorkflowEnvironment) -> None:
    fake = FakeReports(break_it=True, kind="KeyError")
    async with started(temporal.client, fake) as (_, _ref, handle):
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert len(fake.calls) == 3
    assert [f.problem.code for f in fake.failed] == ["report_failed"]


async def test_a_report_outlives_a_service_that_is_away_for_more_than_its_attempts(
    temporal: WorkflowEnvironment,
) -> None:
    fake = FakeReports(away=4)
    async with started(temporal.client, fake) as (_, _ref, handle):
        assert (await handle.result()).status == "completed"
    assert (len(fake.calls), fake.failed) == (5, [])


async def test_a_report_outlives_workers_that_are_stopped_one_after_the_other(
    temporal: WorkflowEnvironment,
) -> None:
    # as the SDK calls what a worker did not finish before it had to end
    fake = FakeReports(away=4, away_as="WorkerShutdown")
    async with started(temporal.client, fake) as (_, _ref, handle):
        assert (await handle.result()).status == "completed"
    assert (len(fake.calls), fake.failed) == (5, [])


async def test_a_report_that_has_to_wait_for_its_turn_asks_again(
    temporal: WorkflowEnvironment,
) -> None:
    fake = FakeReports(waiting=2)
    async with started(temporal.client, fake) as (_, _ref, handle):
        assert (await handle.result()).status == "completed"
    assert (len(fake.calls), fake.failed) == (3, [])


async def test_waiting_for_its_turn_uses_up_no_patience_with_an_outage() -> None:
    waited = options.REPORT_PATIENCE // options.REPORT_LOOKS + 60
    assert options.REPORT_RETRY.maximum_attempts == 3
    fake = FakeReports(waiting=waited, away_then=3)
    async with await WorkflowEnvironment.start_time_skipping(
        data_converter=pydantic_data_converter,
        test_server_existing_path=script("temporal-test-server"),
    ) as skipping:
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        await skipping.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(search_attributes={options.STAGE.name: keyword})
        )
        async with Worker(
            skipping.client, task_queue=options.REPORTS_QUEUE, workflows=[GenerateReport],
            activities=[fake.generate_report, fake.fail_report],
        ):  # fmt: skip
            # of a handle that starts it, the server's clock skips what is waited for
            handle = await skipping.client.start_workflow(
                GenerateReport.run, ReportRef(organization_id=uuid4(), report_id=uuid4()),
                id="report/that-waits", task_queue=options.REPORTS_QUEUE,
            )  # fmt: skip
            assert (await handle.result()).status == "completed"
    assert (len(fake.calls), fake.failed) == (waited + 4, [])


async def test_a_report_that_takes_too_much_to_lay_out_is_not_tried_again_and_says_what_helps(
    temporal: WorkflowEnvironment,
) -> None:
    fake = FakeReports(break_it=True, kind="ReportTooLarge")
    async with started(temporal.client, fake) as (_, _ref, handle):
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    [failed] = fake.failed
    assert (len(fake.calls), failed.problem.code) == (1, "report_too_large")
    assert "Excel or CSV" in failed.problem.message


async def test_pages_are_laid_out_on_a_queue_of_their_own(temporal: WorkflowEnvironment) -> None:
    tables, pages = FakeReports(), FakeReports()
    async with (
        Worker(temporal.client, task_queue=options.REPORTS_QUEUE, workflows=[GenerateReport],
               activities=[tables.generate_report, tables.fail_report]),
        Worker(temporal.client, task_queue=options.PDF_QUEUE, activities=[pages.generate_report]),
    ):  # fmt: skip
        pipeline = TemporalPipeline(temporal.client, match_batch_size=200)
        for file_format in ("csv", "pdf", "excel", ""):
            ref = ReportRef(organization_id=uuid4(), report_id=uuid4(), file_format=file_format)
            job = await pipeline.start_report(ref, name="Year", organization_name="Harbour")
            await temporal.client.get_workflow_handle(job).result()
    assert (len(tables.calls), len(pages.calls)) == (3, 1)


async def test_a_report_deleted_meanwhile_is_a_result(temporal: WorkflowEnvironment) -> None:
    async with started(temporal.client, FakeReports(ends="deleted")) as (_, _ref, handle):
        assert (await handle.result()).status == "deleted"


async def test_progress_is_told_while_it_runs_and_a_cancelled_one_is_cleaned_up(
    temporal: WorkflowEnvironment,
) -> None:
    fake = FakeReports(block=True)
    async with started(temporal.client, fake) as (pipeline, ref, handle):
        await until(lambda: fake.calls)
        progress = None
        while progress is None:
            progress = await pipeline.report_progress(ref)
        assert progress == ReportProgress(rows_written=250, rows_total=1000)
        await pipeline.cancel_report(ref)
        with pytest.raises(WorkflowFailureError) as raised:
            await handle.result()
        assert isinstance(raised.value.cause, CancelledError)
        assert [f.problem.code for f in fake.failed] == ["cancelled"]
        assert await pipeline.report_progress(ref) is None
        await pipeline.cancel_report(ref)  # a closed one is no error
    await pipeline.cancel_report(ReportRef(organization_id=uuid4(), report_id=uuid4()))


async def test_a_report_cancelled_before_anybody_worked_on_it_is_cleaned_up_too(
    temporal: WorkflowEnvironment,
) -> None:
    pipeline = TemporalPipeline(temporal.client, match_batch_size=200)
    ref = ReportRef(organization_id=uuid4(), report_id=uuid4())
    job = await pipeline.start_report(ref, name="Year", organization_name="Harbour")
    await pipeline.cancel_report(ref)
    fake = FakeReports(block=True)
    async with Worker(
        temporal.client, task_queue=options.REPORTS_QUEUE, workflows=[GenerateReport],
        activities=[fake.generate_report, fake.fail_report],
        max_heartbeat_throttle_interval=timedelta(seconds=1),
    ):  # fmt: skip
        with pytest.raises(WorkflowFailureError):
            await temporal.client.get_workflow_handle(job).result()
    assert [f.problem.code for f in fake.failed] == ["cancelled"]
