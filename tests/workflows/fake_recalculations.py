"""The activities of a recalculation with scripted outcomes, for tests of its two workflows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from core import contracts
from core.contracts import RecalculationRef


@dataclass
class FakeRecalculations:
    """Two files of five activities and thirty figures; a commit in three steps of one file."""

    activities: int = 5
    batches: int = 3
    steps: int = 3
    fail_once: str | None = None
    break_at: str | None = None
    breaks_with: str = "NotFound"
    block_at: str | None = None  # runs until it is cancelled or let go
    hold_at: str | None = None  # as block_at, but never hears of a cancellation
    stop_at: str | None = None  # from here on the database says: cancelled
    calls: list[str] = field(default_factory=list)
    rematched: list[contracts.RematchRef] = field(default_factory=list)
    calculated: list[int] = field(default_factory=list)
    failed: list[contracts.FailRecalculationInput] = field(default_factory=list)
    stopped: bool = False
    running: int = 0
    most_running: dict[str, int] = field(default_factory=dict)
    running_at_cleanup: int | None = None

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[int]:
        """Do what the script says at this point; give the attempt."""
        self.calls.append(name)
        self.running += 1
        self.most_running[name] = max(self.most_running.get(name, 0), self.running)
        try:
            if self.break_at == name:
                raise ApplicationError("broken", type=self.breaks_with, non_retryable=True)
            if self.fail_once == name and self.calls.count(name) == 1:
                raise ApplicationError("the database is away", type="Unavailable")
            while self.block_at == name:
                activity.heartbeat()
                await asyncio.sleep(0.05)
            while self.hold_at == name:
                await asyncio.sleep(0.05)
            self.stopped = self.stopped or self.stop_at == name
            yield activity.info().attempt
        finally:
            self.running -= 1

    @activity.defn(name="plan_recalculation")
    async def plan_recalculation(self, _: RecalculationRef) -> contracts.RecalculationPlan:
        """Say how much there is to do."""
        async with self.step("plan_recalculation") as attempt:
            return contracts.RecalculationPlan(
                files=2, activities=self.activities, rows=10 * self.batches, batches=self.batches,
                stopped=self.stopped, attempt=attempt,
            )  # fmt: skip

    @activity.defn(name="rematch_batch")
    async def rematch_batch(self, ref: contracts.RematchRef) -> contracts.RematchResult:
        """Decide on all of the batch, slowly enough that batches meet."""
        self.rematched.append(ref)
        async with self.step("rematch_batch") as attempt:
            await asyncio.sleep(0.1)
            return contracts.RematchResult(decided=ref.size, stopped=self.stopped, attempt=attempt)

    @activity.defn(name="preview_batch")
    async def preview_batch(
        self, ref: contracts.RecalculationBatchRef
    ) -> contracts.PreviewBatchResult:
        """Ten figures, four of them other ones, slowly enough that batches meet."""
        async with self.step("preview_batch") as attempt:
            await asyncio.sleep(0.1)
            self.calculated.append(ref.batch)
            return contracts.PreviewBatchResult(
                rows=10, changed=4, stopped=self.stopped, attempt=attempt
            )

    @activity.defn(name="finish_preview")
    async def finish_preview(self, _: RecalculationRef) -> contracts.RecalculationResult:
        """Sum up."""
        async with self.step("finish_preview") as attempt:
            return contracts.RecalculationResult(
                status="cancelled" if self.stopped else "previewed",
                rows=10 * len(self.calculated), changed=4 * len(self.calculated), attempt=attempt,
            )  # fmt: skip

    @activity.defn(name="commit_files")
    async def commit_files(self, _: RecalculationRef) -> contracts.CommitStepResult:
        """Commit one file of four figures."""
        async with self.step("commit_files") as attempt:
            self.steps -= 1
            return contracts.CommitStepResult(
                files=1, rows=4, remaining=self.steps > 0, attempt=attempt
            )

    @activity.defn(name="finish_commit")
    async def finish_commit(self, _: RecalculationRef) -> contracts.RecalculationResult:
        """End the commit."""
        async with self.step("finish_commit") as attempt:
            return contracts.RecalculationResult(
                status="committed", changed=12, files=3, attempt=attempt
            )

    @activity.defn(name="fail_recalculation")
    async def fail_recalculation(
        self, request: contracts.FailRecalculationInput
    ) -> contracts.RecalculationResult:
        """Remember why, and whether something still ran."""
        self.running_at_cleanup = self.running
        self.calls.append("fail_recalculation")
        self.failed.append(request)
        return contracts.RecalculationResult(status="failed")

    def of_pipeline(self) -> list[Callable[..., Any]]:
        """Return the activities of the pipeline's queue; `rematch_batch` is on the other one."""
        return [
            self.plan_recalculation, self.preview_batch, self.finish_preview, self.commit_files,
            self.finish_commit, self.fail_recalculation,
        ]  # fmt: skip
