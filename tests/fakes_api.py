"""A pipeline that the tests play: no server, the answers are what the test says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.contracts import (
    FileProgress,
    FileRef,
    RecalculationRef,
    ReportProgress,
    ReportRef,
    ReviewRef,
    recalculation_commit_workflow_id,
    recalculation_workflow_id,
    report_workflow_id,
    workflow_id,
)
from core.contracts_webhooks import DeliveryRef, delivery_workflow_id
from core.errors import Unavailable
from core.ports import PendingAttempt


@dataclass
class FakePipeline:
    """Remembers what was started; answers with `progress` one after the other."""

    away: bool = False
    started: list[FileRef] = field(default_factory=list)
    stopped_files: list[FileRef] = field(default_factory=list)
    running: bool = True
    progress: list[FileProgress] = field(default_factory=list)
    retrying: list[PendingAttempt] = field(default_factory=list)
    reports: list[ReportRef] = field(default_factory=list)
    cancelled: list[ReportRef] = field(default_factory=list)
    reviews: list[ReviewRef] = field(default_factory=list)
    applies: bool = True
    written: ReportProgress | None = None
    previews: list[RecalculationRef] = field(default_factory=list)
    commits: list[RecalculationRef] = field(default_factory=list)
    stopped: list[RecalculationRef] = field(default_factory=list)
    deliveries: list[DeliveryRef] = field(default_factory=list)
    closed: bool = False

    async def start_file(
        self, ref: FileRef, *, filename_summary: str, organization_name: str
    ) -> str:
        if self.away:
            raise Unavailable
        self.started.append(ref)
        return workflow_id(ref.file_id)

    async def cancel_file(self, ref: FileRef) -> bool:
        if self.away:
            raise Unavailable
        self.stopped_files.append(ref)
        return self.running

    async def file_runs(self, ref: FileRef) -> bool:
        if self.away:
            raise Unavailable
        return self.running

    async def file_progress(self, ref: FileRef) -> FileProgress | None:
        if self.away or not self.progress:
            return None
        return self.progress.pop(0) if len(self.progress) > 1 else self.progress[0]

    async def attempts(self, ref: FileRef) -> Sequence[PendingAttempt]:
        if self.away:
            raise Unavailable
        return tuple(self.retrying)

    async def start_report(self, ref: ReportRef, *, name: str, organization_name: str) -> str:
        if self.away:
            raise Unavailable
        self.reports.append(ref)
        return report_workflow_id(ref.report_id)

    async def cancel_report(self, ref: ReportRef) -> None:
        if self.away:
            raise Unavailable
        self.cancelled.append(ref)

    async def report_progress(self, ref: ReportRef) -> ReportProgress | None:
        return None if self.away else self.written

    async def apply_review(self, ref: ReviewRef, *, wait_s: float = 0.0) -> bool:
        if self.away:
            raise Unavailable
        self.reviews.append(ref)
        return self.applies and wait_s > 0

    async def preview_recalculation(self, ref: RecalculationRef, *, organization_name: str) -> str:
        if self.away:
            raise Unavailable
        self.previews.append(ref)
        return recalculation_workflow_id(ref.recalculation_id)

    async def commit_recalculation(self, ref: RecalculationRef, *, organization_name: str) -> str:
        if self.away:
            raise Unavailable
        self.commits.append(ref)
        return recalculation_commit_workflow_id(ref.recalculation_id)

    async def cancel_recalculation(self, ref: RecalculationRef) -> None:
        if self.away:
            raise Unavailable
        self.stopped.append(ref)

    async def start_delivery(self, ref: DeliveryRef) -> str:
        if self.away:
            raise Unavailable
        self.deliveries.append(ref)
        return delivery_workflow_id(ref)

    async def ready(self) -> bool:
        return not self.away

    async def close(self) -> None:
        self.closed = True
