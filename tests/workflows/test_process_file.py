"""The order of one file's stages, on a real Temporal server with scripted activities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from core import contracts
from core.contracts import (
    FileProgress,
    FileStatus,
    Problem,
    RowCounts,
    Stage,
    StageProgress,
    StageState,
)
from core.contracts_lifecycle import ResumeResult
from core.errors import Unavailable
from core.resuming import is_done, restarted
from runtime.temporal import TemporalPipeline
from tests.workflows.fake_stages import FakeStages
from workflows import options
from workflows.process_file import ProcessFile

pytestmark = pytest.mark.anyio

Handle = WorkflowHandle[ProcessFile, contracts.ProcessFileResult]


@asynccontextmanager
async def started(
    client: Client, stages: FakeStages, *, batch: int = 2, run: int = 1
) -> AsyncIterator[Handle]:
    """Start a file on task queues of its own and work on it.

    The queue names are the real ones; the server is the test process's own and files follow one
    another, so no other worker listens.
    """
    activities = stages.all()
    async with (
        Worker(client, task_queue=options.PIPELINE_QUEUE, workflows=[ProcessFile],
               activities=activities, max_cached_workflows=0),
        Worker(client, task_queue=options.MATCHING_QUEUE, activities=activities,
               max_heartbeat_throttle_interval=timedelta(seconds=1)),
    ):  # fmt: skip
        file_id, organization_id = uuid4(), uuid4()
        request = contracts.ProcessFileInput(
            organization_id=organization_id, file_id=file_id, match_batch_size=batch, run=run
        )
        yield await client.start_workflow(
            ProcessFile.run,
            request,
            id=contracts.workflow_id(file_id),
            task_queue=options.PIPELINE_QUEUE,
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(options.ORGANIZATION_ID, str(organization_id))]
            ),
        )


async def test_a_good_file_passes_every_stage_in_order(temporal: WorkflowEnvironment) -> None:
    stages = FakeStages()
    async with started(temporal.client, stages) as handle:
        result = await handle.result()
        progress = await handle.query(ProcessFile.status)
    # 3 parts x 10 rows; 9 valid of each, 8 of them calculated, 1 held; 5 activities in batches of 2
    expected = RowCounts(total=30, calculated=24, in_review=3, rejected=3)
    assert result == contracts.ProcessFileResult(status=FileStatus.COMPLETED, rows=expected)
    assert [c for i, c in enumerate(stages.calls) if i == 0 or stages.calls[i - 1] != c] == [
        "scan", "parse", "validate", "collect", "match", "calculate", "finish",
    ]  # fmt: skip
    assert stages.calls.count("match") == 3
    assert stages.finished[0].expected == expected
    assert stages.finished[0].progress.status is FileStatus.COMPLETED
    assert progress.progress == contracts.Counts(
        rows_total=30, rows_parsed=30, rows_valid=27, activities_to_match=5, activities_matched=5,
        rows_calculated=24, percent=100,
    )  # fmt: skip
    assert {s.state for s in progress.stages} == {StageState.COMPLETED}
    assert [u.event_stage for u in stages.updates] == list(Stage)
    assert stages.updates[3].progress.status is FileStatus.AI_MATCHING


async def test_the_web_ui_is_told_stage_and_progress(temporal: WorkflowEnvironment) -> None:
    stages = FakeStages(block_at="calculate")
    async with started(temporal.client, stages) as handle:
        while "calculate" not in stages.calls:
            await asyncio.sleep(0.02)
        description = await handle.describe()
        assert description.typed_search_attributes.get(options.STAGE) == "calculate"
        metadata = await handle.query("__temporal_workflow_metadata")
        assert "match: completed" in metadata.current_details
        assert "activities 5/5" in metadata.current_details
        summaries = []
        async for event in handle.fetch_history_events():
            if event.HasField("user_metadata"):
                summaries.append(event.user_metadata.summary.data.decode())
        assert '"match batch 3 of 3, 1 activities"' in summaries
        stages.block_at = None
        await handle.result()


async def test_no_more_batches_of_one_file_run_than_its_window(
    temporal: WorkflowEnvironment,
) -> None:
    stages = FakeStages(activities=24)
    async with started(temporal.client, stages) as handle:
        await handle.result()
    assert stages.calls.count("match") == 12
    assert 2 <= stages.most_running <= options.BATCH_WINDOW


async def test_a_failed_attempt_is_retried_and_counted(temporal: WorkflowEnvironment) -> None:
    stages = FakeStages(fail_once="parse")
    async with started(temporal.client, stages) as handle:
        result = await handle.result()
        progress = await handle.query(ProcessFile.status)
    assert result.status is FileStatus.COMPLETED
    assert stages.calls.count("parse") == 2
    assert progress.retries == 1
    assert {s.name: s.attempts for s in progress.stages}[Stage.PARSE] == 2


async def test_an_infected_file_is_a_result_and_goes_to_quarantine(
    temporal: WorkflowEnvironment,
) -> None:
    problem = Problem(code="infected", message="The virus scanner found something.")
    scan = contracts.ScanResult(accepted=False, scan_state="infected", problem=problem)
    stages = FakeStages(scan=scan)
    async with started(temporal.client, stages) as handle:
        result = await handle.result()
    assert result.status is FileStatus.FAILED
    assert result.problem == problem.model_copy(update={"stage": Stage.SCAN})
    assert stages.calls == ["scan", "fail"]
    assert stages.failed[0].quarantine
    assert stages.failed[0].progress.status is FileStatus.FAILED


async def test_a_file_that_cannot_be_parsed_is_a_result(temporal: WorkflowEnvironment) -> None:
    stages = FakeStages(parse_problem=Problem(code="no_header", message="No header row."))
    async with started(temporal.client, stages) as handle:
        result = await handle.result()
    assert result.problem is not None
    assert (result.problem.code, result.problem.stage) == ("no_header", Stage.PARSE)
    assert stages.calls == ["scan", "parse", "fail"]
    assert not stages.failed[0].quarantine


async def test_a_file_without_one_usable_row_fails_with_its_issues(
    temporal: WorkflowEnvironment,
) -> None:
    stages = FakeStages(valid=0)
    async with started(temporal.client, stages) as handle:
        result = await handle.result()
    assert result.problem is not None
    assert result.problem.code == "no_usable_rows"
    assert "match" not in stages.calls


async def test_rows_that_do_not_add_up_fail_loudly(temporal: WorkflowEnvironment) -> None:
    stages = FakeStages(break_at="finish")
    async with started(temporal.client, stages) as handle:
        with pytest.raises(WorkflowFailureError) as raised:
            await handle.result()
    cause = raised.value.cause.__cause__
    assert isinstance(cause, ApplicationError)
    assert cause.type == "ReconciliationFailed"
    assert stages.failed[0].problem.code == "processing_failed"
    assert stages.failed[0].problem.stage is Stage.FINISH


async def test_an_object_that_stays_damaged_ends_the_file_and_says_so(
    temporal: WorkflowEnvironment,
) -> None:
    stages = FakeStages(break_at="validate", breaks_with="DamagedObject")
    async with started(temporal.client, stages) as handle:
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    (failed,) = stages.failed
    assert (failed.problem.code, failed.problem.stage) == ("object_damaged", Stage.VALIDATE)


async def test_a_part_that_breaks_stops_its_neighbours_before_cleaning_up(
    temporal: WorkflowEnvironment,
) -> None:
    stages = FakeStages(break_at="calculate", parts=8)
    async with started(temporal.client, stages) as handle:
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert stages.calls[-1] == "fail"


async def test_a_cancelled_file_is_cleaned_up_and_stays_cancelled(
    temporal: WorkflowEnvironment,
) -> None:
    stages = FakeStages(block_at="match")
    async with started(temporal.client, stages) as handle:
        while "match" not in stages.calls:
            await asyncio.sleep(0.02)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as raised:
            await handle.result()
    assert isinstance(raised.value.cause, CancelledError)
    assert stages.failed[0].problem.code == "cancelled"
    states = {s.name: s.state for s in stages.failed[0].progress.stages}
    assert states[Stage.MATCH] is StageState.CANCELLED


async def test_starting_a_file_twice_starts_it_once(temporal: WorkflowEnvironment) -> None:
    pipeline = TemporalPipeline(temporal.client, match_batch_size=200)
    ref = contracts.FileRef(organization_id=uuid4(), file_id=uuid4())
    stages = FakeStages()
    activities = stages.all()
    for _ in range(2):
        job = await pipeline.start_file(ref, filename_summary="a.csv", organization_name="A")
    async with (
        Worker(temporal.client, task_queue=options.PIPELINE_QUEUE, workflows=[ProcessFile],
               activities=activities),
        Worker(temporal.client, task_queue=options.MATCHING_QUEUE, activities=activities),
    ):  # fmt: skip
        await temporal.client.get_workflow_handle(job).result()
        progress = await pipeline.file_progress(ref)
        # a closed workflow is not started again either
        assert await pipeline.start_file(ref, filename_summary="a", organization_name="A") == job
    assert stages.calls.count("scan") == 1
    assert progress is not None
    assert progress.status is FileStatus.COMPLETED


async def test_progress_is_unknown_when_nobody_answers(temporal: WorkflowEnvironment) -> None:
    pipeline = TemporalPipeline(temporal.client, match_batch_size=200)
    ref = contracts.FileRef(organization_id=uuid4(), file_id=uuid4())
    assert await pipeline.file_progress(ref) is None
    assert list(await pipeline.attempts(ref)) == []


def left_at(start: Stage) -> ResumeResult:
    """Return what a first run left that failed in this stage: 3 parts of 10 rows, 3 rejected."""
    stages = tuple(
        StageProgress(name=s, state=StageState.COMPLETED if is_done(s, start) else
                      StageState.FAILED if s is start else StageState.PENDING)
        for s in Stage
    )  # fmt: skip
    counts = contracts.Counts(rows_total=30, rows_parsed=30, rows_valid=27, activities_to_match=5)
    before = FileProgress(status=FileStatus.FAILED, stage=start, stages=stages, progress=counts)
    return ResumeResult(
        start=start, parts=3, rows=30, rejected=3, activities=5,
        progress=restarted(before, start, 2),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("start", "stages_run"),
    [
        (Stage.SCAN, ["scan", "parse", "validate", "collect", "match", "calculate", "finish"]),
        (Stage.MATCH, ["collect", "match", "calculate", "finish"]),
        (Stage.CALCULATE, ["calculate", "finish"]),
    ],
)
async def test_a_later_run_goes_on_at_the_stage_that_failed(
    temporal: WorkflowEnvironment, start: Stage, stages_run: list[str]
) -> None:
    stages = FakeStages(resumed=left_at(start))
    async with started(temporal.client, stages, run=2) as handle:
        result = await handle.result()
        progress = await handle.query(ProcessFile.status)
    assert list(dict.fromkeys(stages.calls)) == ["resume", *stages_run]
    expected = RowCounts(total=30, calculated=24, in_review=3, rejected=3)
    assert result == contracts.ProcessFileResult(status=FileStatus.COMPLETED, rows=expected)
    assert stages.finished[0].run == 2
    assert {u.run for u in stages.updates} == {2}
    assert progress.run == 2
    assert {s.state for s in progress.stages} == {StageState.COMPLETED}


async def test_a_superseded_run_does_nothing(temporal: WorkflowEnvironment) -> None:
    ended = ResumeResult(superseded=True, status=FileStatus.COMPLETED)
    stages = FakeStages(resumed=ended)
    async with started(temporal.client, stages, run=2) as handle:
        result = await handle.result()
    assert stages.calls == ["resume"]
    assert result.status is FileStatus.COMPLETED


async def test_a_retry_is_a_new_run_of_the_same_id_and_starting_it_twice_is_once(
    temporal: WorkflowEnvironment,
) -> None:
    pipeline = TemporalPipeline(temporal.client, match_batch_size=200)
    first = contracts.FileRef(organization_id=uuid4(), file_id=uuid4())
    second = first.model_copy(update={"run": 2})
    names = {"filename_summary": "a.csv", "organization_name": "A"}
    stages = FakeStages(break_at="match", resumed=left_at(Stage.MATCH))
    activities = stages.all()
    async with (
        Worker(temporal.client, task_queue=options.PIPELINE_QUEUE, workflows=[ProcessFile],
               activities=activities),
        Worker(temporal.client, task_queue=options.MATCHING_QUEUE, activities=activities),
    ):  # fmt: skip
        job = await pipeline.start_file(first, **names)
        handle = temporal.client.get_workflow_handle(job)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        stages.break_at, stages.block_at = None, "calculate"
        assert await pipeline.start_file(second, **names) == job
        while "calculate" not in stages.calls:
            await asyncio.sleep(0.02)
        running = (await handle.describe()).run_id
        assert await pipeline.start_file(second, **names) == job
        assert (await handle.describe()).run_id == running
        assert await pipeline.cancel_file(second)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        assert not await pipeline.cancel_file(second)
    assert stages.calls.count("scan") == 1
    assert stages.calls.count("resume") == 1


async def test_a_later_run_waits_until_the_one_before_has_closed(
    temporal: WorkflowEnvironment,
) -> None:
    pipeline = TemporalPipeline(temporal.client, match_batch_size=200)
    first = contracts.FileRef(organization_id=uuid4(), file_id=uuid4())
    names = {"filename_summary": "a.csv", "organization_name": "A"}
    await pipeline.start_file(first, **names)  # no worker: it stays open
    with pytest.raises(Unavailable):
        await pipeline.start_file(first.model_copy(update={"run": 2}), **names)
