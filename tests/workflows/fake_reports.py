"""The activities of a report with scripted outcomes, for tests of the workflow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError

from core.contracts import WAITING, FailReportInput, ReportProgress, ReportRef, ReportResult


@dataclass
class FakeReports:
    """The two activities with scripted outcomes, under the real names."""

    fail_once: bool = False
    break_it: bool = False
    block: bool = False
    away: int = 0  # attempts that find the database away
    away_as: str = "Unavailable"
    waiting: int = 0  # answers that it is not this report's turn
    away_then: int = 0  # attempts after those that find the database away
    kind: str = "ReconciliationFailed"  # of what breaks it
    ends: str = "completed"
    calls: list[UUID] = field(default_factory=list)
    failed: list[FailReportInput] = field(default_factory=list)

    @activity.defn(name="generate_report")
    async def generate_report(self, ref: ReportRef) -> ReportResult:
        """Do what the script says."""
        self.calls.append(ref.report_id)
        if self.break_it:
            final = self.kind in ("ReconciliationFailed", "ReportTooLarge")
            raise ApplicationError("no sum", type=self.kind, non_retryable=final)
        if len(self.calls) <= self.away:
            raise ApplicationError("the database is away", type=self.away_as)
        if len(self.calls) <= self.waiting and ref.may_wait:
            return ReportResult(status=WAITING)
        if self.waiting < len(self.calls) <= self.waiting + self.away_then:
            raise ApplicationError("the database is away", type="Unavailable")
        if self.fail_once and activity.info().attempt == 1:
            raise ApplicationError("the database is away", type="Unavailable")
        while self.block:
            activity.heartbeat(ReportProgress(rows_written=250, rows_total=1000))
            await asyncio.sleep(0.05)
        return ReportResult(status=self.ends, rows=3, size_bytes=9, attempt=activity.info().attempt)

    @activity.defn(name="fail_report")
    async def fail_report(self, request: FailReportInput) -> ReportResult:
        """Remember why."""
        self.failed.append(request)
        return ReportResult(status="failed")
