"""A recalculation's preview and its commit, from start to clean-up, on a real Temporal server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities import recalculate as preview_activities
from core.contracts import RecalculationRef, RecalculationResult
from runtime.temporal import TemporalPipeline
from tests.workflows.fake_recalculations import FakeRecalculations
from workflows import options, recalculate
from workflows.recalculate import CommitRecalculation, PreviewRecalculation

pytestmark = pytest.mark.anyio

Handle = WorkflowHandle[Any, RecalculationResult]
PREVIEW_STEPS = ("plan_recalculation", "rematch_batch", "preview_batch", "finish_preview")
MOST_EVENTS = 51_200  # of one history; the server terminates a workflow that has more


def reference() -> RecalculationRef:
    return RecalculationRef(organization_id=uuid4(), recalculation_id=uuid4())


@asynccontextmanager
async def working(
    client: Client, fake: FakeRecalculations, *, batch: int = 2
) -> AsyncIterator[TemporalPipeline]:
    """Work on both queues, each with its own activities only."""
    async with (
        Worker(client, task_queue=options.PIPELINE_QUEUE, activities=fake.of_pipeline(),
               workflows=[PreviewRecalculation, CommitRecalculation], max_cached_workflows=0,
               max_heartbeat_throttle_interval=timedelta(seconds=1)),
        Worker(client, task_queue=options.MATCHING_QUEUE, activities=[fake.rematch_batch],
               max_heartbeat_throttle_interval=timedelta(seconds=1)),
    ):  # fmt: skip
        yield TemporalPipeline(client, match_batch_size=batch)


def handle_of(client: Client, job: str) -> Handle:
    return client.get_workflow_handle(job, result_type=RecalculationResult)


@asynccontextmanager
async def previewing(
    client: Client, fake: FakeRecalculations, *, batch: int = 2
) -> AsyncIterator[tuple[TemporalPipeline, RecalculationRef, Handle]]:
    """Start a preview as the API does, and work on it."""
    async with working(client, fake, batch=batch) as pipeline:
        ref = reference()
        job = await pipeline.preview_recalculation(ref, organization_name="Harbour")
        yield pipeline, ref, handle_of(client, job)


@asynccontextmanager
async def committing(
    client: Client, fake: FakeRecalculations
) -> AsyncIterator[tuple[TemporalPipeline, RecalculationRef, Handle]]:
    """Start a commit as the API does, and work on it."""
    async with working(client, fake) as pipeline:
        ref = reference()
        job = await pipeline.commit_recalculation(ref, organization_name="Harbour")
        yield pipeline, ref, handle_of(client, job)


async def until(reached: Callable[[], object]) -> None:
    """Wait for a condition; pytest's timeout ends it when it never comes."""
    while not reached():
        await asyncio.sleep(0.02)


async def failure(handle: Handle) -> BaseException:
    """Return why a workflow did not come to its result."""
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    return raised.value.cause


async def events(handle: Handle) -> list[int]:
    """Return the types of the events of a history."""
    return [event.event_type async for event in handle.fetch_history_events()]


async def cancelled_unheard(handle: Handle, fake: FakeRecalculations) -> None:
    """Cancel a workflow whose running activity completes all the same."""
    await handle.cancel()
    asked = EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED
    while asked not in await events(handle):
        await asyncio.sleep(0.02)
    fake.hold_at = None


# --- preview ---


async def test_a_preview_passes_every_step_and_the_web_ui_says_whose(
    temporal: WorkflowEnvironment,
) -> None:
    fake = FakeRecalculations()
    async with previewing(temporal.client, fake) as (_, ref, handle):
        # three batches of ten figures, four of each would change
        assert await handle.result() == RecalculationResult(status="previewed", rows=30, changed=12)
        assert handle.id == f"recalculation/{ref.recalculation_id}"
        description = await handle.describe()
        assert await description.static_summary() == "preview a recalculation (Harbour)"
        attributes = description.typed_search_attributes
        assert attributes.get(options.ORGANIZATION_ID) == str(ref.organization_id)
        assert attributes.get(options.STAGE) == "finish"
        metadata = await handle.query("__temporal_workflow_metadata")
        assert metadata.current_details == "previewed, 12 of 30 figures would change"
        summaries = [
            event.user_metadata.summary.data.decode()
            async for event in handle.fetch_history_events()
        ]
    # five activities by two, each of them once
    assert sorted((r.offset, r.size) for r in fake.rematched) == [(0, 2), (2, 2), (4, 1)]
    assert {(r.organization_id, r.recalculation_id) for r in fake.rematched} == {
        (ref.organization_id, ref.recalculation_id)
    }
    assert sorted(fake.calculated) == [0, 1, 2]
    # no figure is calculated before every activity is decided, nothing is summed up before the end
    assert fake.calls == [PREVIEW_STEPS[0], *3 * [PREVIEW_STEPS[1]], *3 * [PREVIEW_STEPS[2]],
                          PREVIEW_STEPS[3]]  # fmt: skip
    assert '"rematch batch 3 of 3, 1 activities"' in summaries
    assert '"calculate batch 2 of 3"' in summaries


async def test_a_preview_of_nothing_is_published_as_such(temporal: WorkflowEnvironment) -> None:
    fake = FakeRecalculations(activities=0, batches=0)
    async with previewing(temporal.client, fake) as (_, _ref, handle):
        assert await handle.result() == RecalculationResult(status="previewed")
    assert fake.calls == ["plan_recalculation", "finish_preview"]


async def test_no_more_batches_of_one_preview_run_than_their_windows(
    temporal: WorkflowEnvironment,
) -> None:
    fake = FakeRecalculations(activities=24, batches=12)
    async with previewing(temporal.client, fake) as (_, _ref, handle):
        await handle.result()
    assert 2 <= fake.most_running["rematch_batch"] <= options.BATCH_WINDOW
    assert 2 <= fake.most_running["preview_batch"] <= options.PART_WINDOW


async def test_very_many_activities_go_in_fewer_and_larger_batches(
    temporal: WorkflowEnvironment,
) -> None:
    fake = FakeRecalculations(activities=9_999, block_at="rematch_batch")
    async with previewing(temporal.client, fake, batch=2) as (pipeline, ref, handle):
        await until(lambda: len(fake.rematched) == options.BATCH_WINDOW)
        # 9,999 by two were 5,000 batches; in 2,000 they go by five
        assert {r.size for r in fake.rematched} == {5}
        assert sorted(r.offset for r in fake.rematched)[:2] == [0, 5]
        await pipeline.cancel_recalculation(ref)
        assert isinstance(await failure(handle), CancelledError)


async def test_a_history_of_the_most_batches_fits(temporal: WorkflowEnvironment) -> None:
    fake = FakeRecalculations(activities=40, batches=20)
    async with previewing(temporal.client, fake) as (_, _ref, handle):
        await handle.result()
        found = len(await events(handle))
    # 20 batches of activities and 20 of figures, with all that comes once counted as theirs
    most = recalculate.MOST_BATCHES + preview_activities.MOST_BATCHES
    assert found / 40 * most < MOST_EVENTS


@pytest.mark.parametrize("step", PREVIEW_STEPS)
async def test_a_store_that_is_away_is_asked_again(
    temporal: WorkflowEnvironment, step: str
) -> None:
    fake = FakeRecalculations(fail_once=step)
    async with previewing(temporal.client, fake) as (_, _ref, handle):
        result = await handle.result()
    assert (result.status, result.rows) == ("previewed", 30)
    expected = dict.fromkeys(PREVIEW_STEPS, 1) | {"rematch_batch": 3, "preview_batch": 3}
    expected[step] += 1
    assert {name: fake.calls.count(name) for name in fake.calls} == expected


@pytest.mark.parametrize("step", PREVIEW_STEPS)
async def test_a_preview_that_fails_for_good_ends_with_the_reason(
    temporal: WorkflowEnvironment, step: str
) -> None:
    fake = FakeRecalculations(activities=24, batches=12, break_at=step)
    async with previewing(temporal.client, fake) as (_, ref, handle):
        reason = await failure(handle)
    assert isinstance(reason.__cause__, ApplicationError)
    assert reason.__cause__.type == "NotFound"
    [failed] = fake.failed
    assert failed.recalculation_id == ref.recalculation_id
    assert failed.problem.code == "recalculation_failed"
    assert failed.problem.message == (
        "The recalculation could not be finished (NotFound). No figure was changed; ask for a new "
        "one."
    )
    # what broke stopped its neighbours first
    assert (fake.calls[-1], fake.running_at_cleanup) == ("fail_recalculation", 0)


async def test_a_service_that_stayed_away_is_named_as_the_reason(
    temporal: WorkflowEnvironment,
) -> None:
    fake = FakeRecalculations(break_at="rematch_batch", breaks_with="Unavailable")
    async with previewing(temporal.client, fake) as (_, _ref, handle):
        await failure(handle)
    assert [f.problem.code for f in fake.failed] == ["dependency_unavailable"]


@pytest.mark.parametrize("step", PREVIEW_STEPS)
async def test_a_preview_that_was_cancelled_in_the_database_is_a_result(
    temporal: WorkflowEnvironment, step: str
) -> None:
    fake = FakeRecalculations(activities=24, batches=12, stop_at=step)
    async with previewing(temporal.client, fake) as (_, _ref, handle):
        assert (await handle.result()).status == "cancelled"
    assert fake.failed == []
    # the others of the window may have begun, nothing after them
    assert set(fake.calls) == set(PREVIEW_STEPS[: PREVIEW_STEPS.index(step) + 1])
    window = {"rematch_batch": options.BATCH_WINDOW, "preview_batch": options.PART_WINDOW}
    assert fake.calls.count(step) <= window.get(step, 1)


@pytest.mark.parametrize("step", PREVIEW_STEPS)
async def test_a_preview_cancelled_while_it_works_is_cleaned_up(
    temporal: WorkflowEnvironment, step: str
) -> None:
    fake = FakeRecalculations(activities=24, batches=12, block_at=step)
    async with previewing(temporal.client, fake) as (pipeline, ref, handle):
        await until(lambda: step in fake.calls)
        await pipeline.cancel_recalculation(ref)
        assert isinstance(await failure(handle), CancelledError)
        description = await handle.describe()
        assert description.status is WorkflowExecutionStatus.CANCELED
        await pipeline.cancel_recalculation(ref)  # a closed one is no error
    await pipeline.cancel_recalculation(reference())  # nor one that never was
    [failed] = fake.failed
    assert (failed.recalculation_id, failed.problem.code) == (ref.recalculation_id, "cancelled")
    assert failed.problem.message == (
        "The recalculation was cancelled on request. No figure was changed; ask for a new one."
    )
    assert (fake.calls[-1], fake.running_at_cleanup) == ("fail_recalculation", 0)


async def test_a_preview_cancelled_before_anybody_worked_on_it_is_cleaned_up_too(
    temporal: WorkflowEnvironment,
) -> None:
    pipeline, ref = TemporalPipeline(temporal.client, match_batch_size=2), reference()
    job = await pipeline.preview_recalculation(ref, organization_name="Harbour")
    await pipeline.cancel_recalculation(ref)
    fake = FakeRecalculations(block_at="plan_recalculation")
    async with working(temporal.client, fake):
        assert isinstance(await failure(handle_of(temporal.client, job)), CancelledError)
    assert [f.problem.code for f in fake.failed] == ["cancelled"]


@pytest.mark.parametrize(
    ("step", "activities", "batches"),
    [("plan_recalculation", 5, 3), ("plan_recalculation", 0, 0), ("rematch_batch", 2, 3),
     ("preview_batch", 5, 1)],
)  # fmt: skip
async def test_a_cancellation_that_an_activity_outran_is_not_lost(
    temporal: WorkflowEnvironment, step: str, activities: int, batches: int
) -> None:
    fake = FakeRecalculations(activities=activities, batches=batches, hold_at=step)
    async with previewing(temporal.client, fake) as (_, _ref, handle):
        await until(lambda: step in fake.calls)
        await cancelled_unheard(handle, fake)
        assert isinstance(await failure(handle), CancelledError)
    assert fake.calls[-2:] == [step, "fail_recalculation"]


async def test_starting_a_preview_twice_starts_it_once(temporal: WorkflowEnvironment) -> None:
    fake = FakeRecalculations(block_at="plan_recalculation")
    async with previewing(temporal.client, fake) as (pipeline, ref, handle):
        await until(lambda: fake.calls)
        again = await pipeline.preview_recalculation(ref, organization_name="Harbour")
        assert again == handle.id
        fake.block_at = None
        await handle.result()
        # a closed workflow is not started again either
        await pipeline.preview_recalculation(ref, organization_name="Harbour")
        assert (await handle.result()).attempt == 1
    assert fake.calls.count("plan_recalculation") == 1


# --- commit ---


async def test_a_commit_goes_on_until_nothing_remains(temporal: WorkflowEnvironment) -> None:
    fake = FakeRecalculations(steps=3)
    async with committing(temporal.client, fake) as (_, ref, handle):
        assert await handle.result() == RecalculationResult(status="committed", changed=12, files=3)
        assert handle.id == f"recalculation/{ref.recalculation_id}/commit"
        description = await handle.describe()
        assert await description.static_summary() == "commit a recalculation (Harbour)"
        attributes = description.typed_search_attributes
        assert attributes.get(options.ORGANIZATION_ID) == str(ref.organization_id)
        assert attributes.get(options.STAGE) == "finish"
        metadata = await handle.query("__temporal_workflow_metadata")
        assert metadata.current_details == "committed, 12 figures in 3 files"
    assert fake.calls == ["commit_files", "commit_files", "commit_files", "finish_commit"]
    assert fake.failed == []


async def test_the_web_ui_is_told_how_far_a_commit_is(temporal: WorkflowEnvironment) -> None:
    fake = FakeRecalculations(steps=2, block_at="finish_commit")
    async with committing(temporal.client, fake) as (_, _ref, handle):
        await until(lambda: "finish_commit" in fake.calls)
        attributes = (await handle.describe()).typed_search_attributes
        assert attributes.get(options.STAGE) == "commit"
        metadata = await handle.query("__temporal_workflow_metadata")
        assert metadata.current_details == "2 files done, 8 figures changed"
        fake.block_at = None
        await handle.result()


@pytest.mark.parametrize("step", ["commit_files", "finish_commit"])
async def test_a_commit_whose_store_is_away_tries_again(
    temporal: WorkflowEnvironment, step: str
) -> None:
    fake = FakeRecalculations(steps=2, fail_once=step)
    async with committing(temporal.client, fake) as (_, _ref, handle):
        assert (await handle.result()).status == "committed"
    expected = {"commit_files": 2, "finish_commit": 1}
    expected[step] += 1
    assert {name: fake.calls.count(name) for name in fake.calls} == expected


@pytest.mark.parametrize("step", ["commit_files", "finish_commit"])
async def test_a_commit_that_fails_for_good_says_what_stays(
    temporal: WorkflowEnvironment, step: str
) -> None:
    fake = FakeRecalculations(break_at=step)
    async with committing(temporal.client, fake) as (_, ref, handle):
        reason = await failure(handle)
    assert isinstance(reason.__cause__, ApplicationError)
    [failed] = fake.failed
    assert (failed.recalculation_id, failed.problem.code) == (
        ref.recalculation_id,
        "recalculation_failed",
    )
    assert failed.problem.message == (
        "The recalculation could not be finished (NotFound). Files that were committed stay so; "
        "ask for a new one for the rest."
    )


async def test_a_commit_cancelled_by_an_operator_says_so(temporal: WorkflowEnvironment) -> None:
    fake = FakeRecalculations(block_at="commit_files")
    async with committing(temporal.client, fake) as (pipeline, ref, handle):
        await until(lambda: fake.calls)
        await pipeline.cancel_recalculation(ref)  # that is the preview's, which is over
        await handle.cancel()
        assert isinstance(await failure(handle), CancelledError)
    [failed] = fake.failed
    assert failed.problem.code == "cancelled"
    assert failed.problem.message == (
        "The recalculation was cancelled on request. Files that were committed stay so; ask for a "
        "new one for the rest."
    )
    assert (fake.calls, fake.running_at_cleanup) == (["commit_files", "fail_recalculation"], 0)


async def test_a_cancelled_commit_begins_no_further_step(temporal: WorkflowEnvironment) -> None:
    fake = FakeRecalculations(hold_at="commit_files")
    async with committing(temporal.client, fake) as (_, _ref, handle):
        await until(lambda: fake.calls)
        await cancelled_unheard(handle, fake)
        assert isinstance(await failure(handle), CancelledError)
    assert fake.calls == ["commit_files", "fail_recalculation"]


async def test_starting_a_commit_twice_starts_it_once(temporal: WorkflowEnvironment) -> None:
    fake = FakeRecalculations(steps=1, block_at="commit_files")
    async with committing(temporal.client, fake) as (pipeline, ref, handle):
        await until(lambda: fake.calls)
        assert await pipeline.commit_recalculation(ref, organization_name="Harbour") == handle.id
        fake.block_at = None
        await handle.result()
        # a closed workflow is not started again either
        await pipeline.commit_recalculation(ref, organization_name="Harbour")
    assert fake.calls == ["commit_files", "finish_commit"]


async def test_a_commit_that_was_terminated_is_begun_again(temporal: WorkflowEnvironment) -> None:
    fake = FakeRecalculations(steps=1, block_at="commit_files")
    async with committing(temporal.client, fake) as (pipeline, ref, handle):
        await until(lambda: fake.calls)
        await handle.terminate()
        fake.block_at = None
        job = await pipeline.commit_recalculation(ref, organization_name="Harbour")
        again = temporal.client.get_workflow_handle(job, result_type=RecalculationResult)
        assert (await again.result()).status == "committed"
