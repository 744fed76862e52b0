"""One upload, from bytes to figures: scan → parse → validate → match → calculate → finish."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from workflows import options
from workflows.progress import ProgressKeeper

with workflow.unsafe.imports_passed_through():
    from core import contracts
    from core.contracts import FileRef, FileStatus, Problem, Stage, StageState
    from core.contracts_lifecycle import ResumeResult
    from core.resuming import is_done

R = TypeVar("R")
MOST_BATCHES = 2000


class FileFailed(Exception):
    """The file cannot be processed; an expected outcome, never a workflow failure."""

    def __init__(self, problem: Problem, *, quarantine: bool = False) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.quarantine = quarantine


@workflow.defn(name=contracts.PROCESS_FILE)
class ProcessFile:
    """Processes one file. Holds order, retries and progress; rows stay outside."""

    @workflow.init
    def __init__(self, request: contracts.ProcessFileInput) -> None:
        self.ref = FileRef(
            organization_id=request.organization_id, file_id=request.file_id, run=request.run
        )
        self.batch_size = request.match_batch_size
        self.keeper = ProgressKeeper()

    @workflow.query(name=contracts.STATUS_QUERY)
    def status(self) -> contracts.FileProgress:
        """Answer how far the file is."""
        return self.keeper.current

    @workflow.run
    async def run(self, _: contracts.ProcessFileInput) -> contracts.ProcessFileResult:
        """Process the file; a rejected file is a result, a broken dependency a failure."""
        try:
            before = await self.resume()
            if before.superseded:
                return contracts.ProcessFileResult(status=before.status, rows=contracts.RowCounts())
            parts, rows, rejected = before.parts, before.rows, before.rejected
            activities = before.activities
            if not is_done(Stage.SCAN, before.start):
                await self.scan()
            if not is_done(Stage.PARSE, before.start):
                parts, rows = await self.parse()
            if not is_done(Stage.VALIDATE, before.start):
                rejected = sum(v.rejected for v in await self.validate(parts))
            if not is_done(Stage.MATCH, before.start):
                activities = await self.match()
            calculated = await self.calculate(parts)
            return await self.finish(
                contracts.RowCounts(
                    total=rows,
                    calculated=calculated,
                    in_review=rows - calculated - rejected,
                    rejected=rejected,
                ),
                activities,
            )
        except FileFailed as failure:
            return await self.fail(failure.problem, quarantine=failure.quarantine)
        except ActivityError as error:
            if is_cancelled_exception(error):
                await self.stop_cleanly()
                raise
            await self.fail(problem_of(error, self.keeper.current.stage))
            raise
        except asyncio.CancelledError:
            await self.stop_cleanly()
            raise

    async def resume(self) -> ResumeResult:
        """Ask the database where a later run goes on; the first begins at the beginning.

        Not a reset of the run before: its history may be gone, or of another version, while the
        database and the store hold all that its stages made.
        """
        if self.ref.run == 1:
            return ResumeResult()
        before = await options.call(
            options.RESUME_FILE, self.ref, ResumeResult, f"resume for run {self.ref.run}"
        )
        self.keeper.resume(before.progress)
        return before

    async def scan(self) -> None:
        """Refuse what may not be opened."""
        await self.begin(Stage.SCAN, "checking structure and scanning")
        result = await options.call(
            options.SCAN_FILE, self.ref, contracts.ScanResult, "scan upload"
        )
        self.keeper.attempted(result.attempt)
        if not result.accepted and result.problem:
            raise FileFailed(result.problem, quarantine=result.scan_state == "infected")

    async def parse(self) -> tuple[int, int]:
        """Turn bytes into Parquet parts; return how many, and how many rows they hold."""
        await self.begin(Stage.PARSE, "finding tables and columns")
        result = await options.call(
            options.PARSE_FILE, self.ref, contracts.ParseResult, "parse upload"
        )
        self.keeper.attempted(result.attempt)
        if result.problem:
            raise FileFailed(result.problem)
        self.keeper.count(rows_total=result.rows, rows_parsed=result.rows)
        return result.parts, result.rows

    async def validate(self, parts: int) -> list[contracts.ValidateResult]:
        """Type every row or say what is wrong with it."""
        await self.begin(Stage.VALIDATE, "reading numbers, units and dates")

        async def one(part: int) -> contracts.ValidateResult:
            result = await options.call(
                options.VALIDATE_PART,
                contracts.PartRef(**self.ref.model_dump(), part=part),
                contracts.ValidateResult,
                f"validate part {part + 1} of {parts}",
            )
            self.keeper.attempted(result.attempt)
            self.keeper.count(rows_valid=self.keeper.current.progress.rows_valid + result.valid)
            return result

        results = await self.windowed(one, parts, options.PART_WINDOW)
        if not any(result.valid for result in results):
            raise FileFailed(
                Problem(
                    code=contracts.NO_USABLE_ROWS,
                    message="No row can be used. Every row is listed with its reason under issues.",
                )
            )
        return results

    async def match(self) -> int:
        """Decide on a factor for every distinct activity; return how many there are."""
        await self.begin(Stage.MATCH, "collecting distinct activities")
        found = await options.call(
            options.COLLECT_ACTIVITIES, self.ref, contracts.ActivitiesResult, "collect activities"
        )
        self.keeper.attempted(found.attempt)
        self.keeper.count(activities_to_match=found.activities)
        # A history holds 51,200 events and a batch makes up to twelve: very many activities go in
        # larger batches, each of several calls.
        self.batch_size = max(self.batch_size, -(-found.activities // MOST_BATCHES))
        batches = -(-found.activities // self.batch_size)

        async def one(batch: int) -> contracts.MatchResult:
            offset = batch * self.batch_size
            size = min(self.batch_size, found.activities - offset)
            result = await options.call(
                options.MATCH_BATCH,
                contracts.BatchRef(**self.ref.model_dump(), offset=offset, size=size),
                contracts.MatchResult,
                f"match batch {batch + 1} of {batches}, {size} activities",
            )
            self.keeper.attempted(result.attempt)
            matched = self.keeper.current.progress.activities_matched + result.decided
            self.keeper.count(activities_matched=matched)
            return result

        await self.windowed(one, batches, options.BATCH_WINDOW)
        return found.activities

    async def calculate(self, parts: int) -> int:
        """Calculate every row whose activity has a factor; return how many that were."""
        await self.begin(Stage.CALCULATE, "calculating kg CO2e")

        async def one(part: int) -> contracts.CalculateResult:
            result = await options.call(
                options.CALCULATE_PART,
                contracts.PartRef(**self.ref.model_dump(), part=part),
                contracts.CalculateResult,
                f"calculate part {part + 1} of {parts}",
            )
            self.keeper.attempted(result.attempt)
            done = self.keeper.current.progress.rows_calculated + result.calculated
            self.keeper.count(rows_calculated=done)
            return result

        results = await self.windowed(one, parts, options.PART_WINDOW)
        return sum(result.calculated for result in results)

    async def finish(
        self, rows: contracts.RowCounts, activities: int
    ) -> contracts.ProcessFileResult:
        """Reconcile and publish; the activity is the only writer of the final status."""
        await self.begin(Stage.FINISH, f"reconciling {rows.total} rows, {activities} activities")
        final = self.keeper.ended(FileStatus.COMPLETED, workflow.now())
        result = await options.call(
            options.FINISH_FILE,
            contracts.FinishInput(**self.ref.model_dump(), expected=rows, progress=final),
            contracts.FinishResult,
            "reconcile and complete",
        )
        self.keeper.current = final
        self.keeper.attempted(result.attempt)
        self.show()
        return contracts.ProcessFileResult(status=FileStatus.COMPLETED, rows=result.rows)

    async def fail(
        self,
        problem: Problem,
        *,
        quarantine: bool = False,
        state: StageState = StageState.FAILED,
    ) -> contracts.ProcessFileResult:
        """End the file as failed: nothing half-written stays, the reason does."""
        problem = problem.model_copy(update={"stage": self.keeper.current.stage})
        self.keeper.current = self.keeper.ended(FileStatus.FAILED, workflow.now(), problem, state)
        self.show()
        result = await options.call(
            options.FAIL_FILE,
            contracts.FailInput(
                **self.ref.model_dump(),
                progress=self.keeper.current,
                problem=problem,
                quarantine=quarantine,
            ),
            contracts.FinishResult,
            f"fail: {problem.code}",
        )
        return contracts.ProcessFileResult(
            status=FileStatus.FAILED, rows=result.rows, problem=problem
        )

    async def stop_cleanly(self) -> None:
        """Undo what a cancelled file has written; runs although the workflow is cancelled."""
        problem = Problem(code="cancelled", message="Processing was cancelled on request.")
        await self.fail(problem, state=StageState.CANCELLED)

    async def begin(self, stage: Stage, message: str) -> None:
        """Open a stage everywhere it shows: query, row, history, Web UI."""
        self.keeper.begin(stage, workflow.now())
        workflow.upsert_search_attributes([options.STAGE.value_set(stage.value)])
        self.show()
        await self.record("started", message)
        stop_if_cancelled()

    def show(self) -> None:
        """Refresh the workflow's current details in the Web UI."""
        workflow.set_current_details(self.keeper.markdown())

    async def record(self, kind: str, message: str) -> None:
        """Mirror the progress to the file's row, so that /status needs no running worker."""
        update = contracts.ProgressUpdate(
            **self.ref.model_dump(),
            progress=self.keeper.current,
            event_stage=self.keeper.current.stage,
            event_kind=kind,
            event_message=message,
        )
        kind_options = options.RECORD_PROGRESS
        await workflow.execute_local_activity(
            kind_options.name,
            update,
            start_to_close_timeout=kind_options.start_to_close,
            schedule_to_close_timeout=kind_options.schedule_to_close,
            retry_policy=kind_options.retry,
            summary=f"{kind} {self.keeper.current.stage}",
        )

    async def windowed(self, one: Callable[[int], Awaitable[R]], total: int, width: int) -> list[R]:
        """Run `one(0..total-1)` with at most `width` at once; results in order.

        The first failure cancels the rest and waits for them, so that nothing runs on behind it.
        """
        window = asyncio.Semaphore(width)
        done = 0

        async def limited(index: int) -> R:
            nonlocal done
            async with window:
                stop_if_cancelled()
                result = await one(index)
            done += 1
            self.keeper.advance(done, total, workflow.now())
            if done * 10 // total != (done - 1) * 10 // total:
                self.show()
            return result

        tasks = [asyncio.create_task(limited(index)) for index in range(total)]
        try:
            return list(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise


def stop_if_cancelled() -> None:
    """Raise CancelledError when the file was cancelled.

    A request that meets an activity which completes all the same is swallowed with it, and the
    file would go on to its end.
    """
    if workflow.cancellation_reason() is not None:
        raise asyncio.CancelledError


def problem_of(error: ActivityError, stage: Stage | None) -> Problem:
    """Say honestly why a stage gave up, without anything the activity was working on."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == "Unavailable":
        return Problem(
            code="dependency_unavailable",
            stage=stage,
            message="A service that this stage needs stayed away. Retry the file later.",
        )
    if isinstance(cause, ApplicationError) and cause.type == "DamagedObject":
        return Problem(
            code="object_damaged",
            stage=stage,
            message="What is stored of this file is not what was put there. Upload it again, with "
            "?allow_duplicate=true.",
        )
    kind = cause.type if isinstance(cause, ApplicationError) and cause.type else "timeout"
    return Problem(
        code="processing_failed",
        stage=stage,
        message=f"The stage could not be finished ({kind}). Retry the file.",
    )
