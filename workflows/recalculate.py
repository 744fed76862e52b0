"""A recalculation: the preview (plan → rematch → calculate → finish), and apart from it its commit.

Two workflows, since days may lie between them: what was previewed waits in the database, and no
workflow waits for a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from workflows import options

with workflow.unsafe.imports_passed_through():
    from core import contracts
    from core.contracts import Problem, RecalculationRef

MOST_BATCHES = 2000
# What stands when one did not come to its end.
PREVIEW_LEAVES = "No figure was changed; ask for a new one."
COMMIT_LEAVES = "Files that were committed stay so; ask for a new one for the rest."


class Stopped(Exception):
    """The recalculation was cancelled in the database; there is nothing to clean up."""


@workflow.defn(name=contracts.PREVIEW_RECALCULATION)
class PreviewRecalculation:
    """Works out what would become of every figure; figures and reasons stay outside."""

    @workflow.init
    def __init__(self, request: contracts.PreviewRecalculationInput) -> None:
        self.ref = RecalculationRef(
            organization_id=request.organization_id, recalculation_id=request.recalculation_id
        )
        self.batch_size = request.match_batch_size

    @workflow.run
    async def run(self, _: contracts.PreviewRecalculationInput) -> contracts.RecalculationResult:
        """Preview; one that was cancelled meanwhile is a result and no failure."""
        try:
            plan = await self.plan()
            await self.rematch(plan.activities)
            await self.calculate(plan.batches)
            return await self.finish()
        except Stopped:
            show("finish", "stopped: it was cancelled")
            return contracts.RecalculationResult(status="cancelled")
        except ActivityError as error:
            await fail(self.ref, problem_of(error, PREVIEW_LEAVES))
            raise
        except asyncio.CancelledError:
            await fail(self.ref, cancelled(PREVIEW_LEAVES))
            raise

    async def plan(self) -> contracts.RecalculationPlan:
        """Fix what is recalculated."""
        show("plan", "choosing files, activities and figures")
        plan = await options.call(
            options.PLAN_RECALCULATION, self.ref, contracts.RecalculationPlan, "plan"
        )
        if plan.stopped:
            raise Stopped
        return plan

    async def rematch(self, activities: int) -> None:
        """Decide on every distinct activity again."""
        # A history holds 51,200 events and a batch makes up to twelve: very many activities go in
        # larger batches. The plan holds batches of figures to as many.
        self.batch_size = max(self.batch_size, -(-activities // MOST_BATCHES))
        batches = -(-activities // self.batch_size)

        async def one(batch: int) -> bool:
            offset = batch * self.batch_size
            size = min(self.batch_size, activities - offset)
            result = await options.call(
                options.REMATCH_BATCH,
                contracts.RematchRef(**self.ref.model_dump(), offset=offset, size=size),
                contracts.RematchResult,
                f"rematch batch {batch + 1} of {batches}, {size} activities",
            )
            return result.stopped

        await windowed(one, batches, options.BATCH_WINDOW, "match", "batches of activities")

    async def calculate(self, batches: int) -> None:
        """Calculate every figure again."""

        async def one(batch: int) -> bool:
            result = await options.call(
                options.PREVIEW_BATCH,
                contracts.RecalculationBatchRef(**self.ref.model_dump(), batch=batch),
                contracts.PreviewBatchResult,
                f"calculate batch {batch + 1} of {batches}",
            )
            return result.stopped

        await windowed(one, batches, options.PART_WINDOW, "calculate", "batches of figures")

    async def finish(self) -> contracts.RecalculationResult:
        """Sum up and publish."""
        stop_if_cancelled()
        show("finish", "summing up")
        result = await options.call(
            options.FINISH_PREVIEW, self.ref, contracts.RecalculationResult, "sum up and publish"
        )
        show("finish", f"{result.status}, {result.changed} of {result.rows} figures would change")
        return result


@workflow.defn(name=contracts.COMMIT_RECALCULATION)
class CommitRecalculation:
    """Applies one preview, file by file."""

    @workflow.run
    async def run(self, ref: RecalculationRef) -> contracts.RecalculationResult:
        """Commit every file; those that changed after the preview are left out and counted."""
        files = rows = 0
        show("commit", "0 files done")
        try:
            while True:
                stop_if_cancelled()
                step = await options.call(
                    options.COMMIT_FILES, ref, contracts.CommitStepResult, "commit the next files"
                )
                files, rows = files + step.files + step.left_out, rows + step.rows
                workflow.set_current_details(f"{files} files done, {rows} figures changed")
                if not step.remaining:
                    break
            result = await options.call(
                options.FINISH_COMMIT, ref, contracts.RecalculationResult, "end the commit"
            )
        except ActivityError as error:
            await fail(ref, problem_of(error, COMMIT_LEAVES))
            raise
        except asyncio.CancelledError:
            await fail(ref, cancelled(COMMIT_LEAVES))
            raise
        show("finish", f"{result.status}, {result.changed} figures in {result.files} files")
        return result


async def fail(ref: RecalculationRef, problem: Problem) -> None:
    """End the recalculation with an honest status; runs although the workflow is cancelled."""
    show("finish", f"failed: {problem.code}")
    await options.call(
        options.FAIL_RECALCULATION,
        contracts.FailRecalculationInput(**ref.model_dump(), problem=problem),
        contracts.RecalculationResult,
        f"fail: {problem.code}",
    )


async def windowed(
    one: Callable[[int], Awaitable[bool]], total: int, width: int, stage: str, what: str
) -> None:
    """Run `one(0..total-1)` with at most `width` at once; raise Stopped when one was.

    The first failure cancels the rest and waits for them, so that nothing runs on behind it.
    """
    # As many tasks as are at work, and not one a batch: two thousand of them, woken or cancelled at
    # once, can take a busy worker longer than the two seconds that a workflow task may.
    waiting = iter(range(total))
    done = 0
    show(stage, f"0 of {total} {what}")

    async def lane() -> None:
        nonlocal done
        for index in waiting:
            stop_if_cancelled()
            if await one(index):
                raise Stopped
            done += 1
            if done * 10 // total != (done - 1) * 10 // total:
                workflow.set_current_details(f"{done} of {total} {what}")

    tasks = [asyncio.create_task(lane()) for _ in range(min(width, total))]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def stop_if_cancelled() -> None:
    """Raise CancelledError when the workflow was cancelled.

    A request that meets an activity which completes all the same is swallowed with it.
    """
    if workflow.cancellation_reason() is not None:
        raise asyncio.CancelledError


def show(stage: str, details: str) -> None:
    """Tell the Web UI where the recalculation is."""
    workflow.upsert_search_attributes([options.STAGE.value_set(stage)])
    workflow.set_current_details(details)


def cancelled(leaves: str) -> Problem:
    """Say that somebody wanted it so."""
    return Problem(
        code="cancelled", message=f"The recalculation was cancelled on request. {leaves}"
    )


def problem_of(error: ActivityError, leaves: str) -> Problem:
    """Say honestly why it gave up and what it leaves, without anything it was working on."""
    if is_cancelled_exception(error):
        return cancelled(leaves)
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == "Unavailable":
        return Problem(
            code="dependency_unavailable",
            message=f"A service that recalculation needs stayed away. {leaves}",
        )
    kind = cause.type if isinstance(cause, ApplicationError) and cause.type else "timeout"
    return Problem(
        code="recalculation_failed",
        message=f"The recalculation could not be finished ({kind}). {leaves}",
    )
