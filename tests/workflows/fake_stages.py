"""Stages with scripted outcomes, under the real names, for tests of the workflow's order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from core import contracts
from core.contracts import Problem
from core.contracts_lifecycle import ResumeResult


@dataclass
class FakeStages:
    """Three parts of ten rows, one of them rejected each; five activities, one of them held."""

    parts: int = 3
    activities: int = 5
    scan: contracts.ScanResult = field(
        default_factory=lambda: contracts.ScanResult(accepted=True, detected_type="csv")
    )
    parse_problem: Problem | None = None
    valid: int = 9
    fail_once: str | None = None
    break_at: str | None = None
    breaks_with: str = "ReconciliationFailed"
    block_at: str | None = None
    resumed: ResumeResult = field(default_factory=ResumeResult)
    calls: list[str] = field(default_factory=list)
    updates: list[contracts.ProgressUpdate] = field(default_factory=list)
    failed: list[contracts.FailInput] = field(default_factory=list)
    finished: list[contracts.FinishInput] = field(default_factory=list)
    running: int = 0
    most_running: int = 0

    async def meet(self, name: str) -> None:
        """Do what the script says at this point."""
        self.calls.append(name)
        if self.break_at == name:
            raise ApplicationError("broken", type=self.breaks_with, non_retryable=True)
        if self.fail_once == name and activity.info().attempt == 1:
            raise ApplicationError("the database is away", type="Unavailable")
        while self.block_at == name:
            activity.heartbeat()
            await asyncio.sleep(0.05)

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities."""

        @activity.defn(name="resume_file")
        async def resume_file(_: contracts.FileRef) -> ResumeResult:
            await self.meet("resume")
            return self.resumed

        @activity.defn(name="scan_file")
        async def scan_file(_: contracts.FileRef) -> contracts.ScanResult:
            await self.meet("scan")
            return self.scan

        @activity.defn(name="parse_file")
        async def parse_file(_: contracts.FileRef) -> contracts.ParseResult:
            await self.meet("parse")
            if self.parse_problem:
                return contracts.ParseResult(problem=self.parse_problem)
            return contracts.ParseResult(
                parts=self.parts, rows=10 * self.parts, attempt=activity.info().attempt
            )

        @activity.defn(name="validate_part")
        async def validate_part(ref: contracts.PartRef) -> contracts.ValidateResult:
            await self.meet("validate")
            return contracts.ValidateResult(
                part=ref.part, rows=10, valid=self.valid, rejected=10 - self.valid
            )

        @activity.defn(name="collect_activities")
        async def collect_activities(_: contracts.FileRef) -> contracts.ActivitiesResult:
            await self.meet("collect")
            return contracts.ActivitiesResult(activities=self.activities)

        @activity.defn(name="match_batch")
        async def match_batch(ref: contracts.BatchRef) -> contracts.MatchResult:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            await self.meet("match")
            await asyncio.sleep(0.2)
            self.running -= 1
            return contracts.MatchResult(decided=ref.size, held=0)

        @activity.defn(name="calculate_part")
        async def calculate_part(ref: contracts.PartRef) -> contracts.CalculateResult:
            await self.meet("calculate")
            return contracts.CalculateResult(part=ref.part, calculated=self.valid - 1, held=1)

        @activity.defn(name="finish_file")
        async def finish_file(request: contracts.FinishInput) -> contracts.FinishResult:
            await self.meet("finish")
            self.finished.append(request)
            return contracts.FinishResult(rows=request.expected)

        @activity.defn(name="fail_file")
        async def fail_file(request: contracts.FailInput) -> contracts.FinishResult:
            self.calls.append("fail")
            self.failed.append(request)
            return contracts.FinishResult(rows=contracts.RowCounts())

        @activity.defn(name="record_progress")
        async def record_progress(update: contracts.ProgressUpdate) -> None:
            self.updates.append(update)

        return [
            scan_file, parse_file, validate_part, collect_activities, match_batch,
            calculate_part, finish_file, fail_file, record_progress, resume_file,
        ]  # fmt: skip
