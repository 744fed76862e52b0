"""A pipeline that the tests play: no server, the answers are what the test says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.contracts import (
    FileProgress,
    FileRef,
    ReportProgress,
    ReportRef,
    ReviewRef,
    report_workflow_id,
    workflow_id,
)
from core.errors import Unavailable
from core.ports import PendingAttempt


@dataclass
class FakePipeline:
    """Remembers what was started; answers with `progress` one after the other."""

    away: bool = False
    started: list[FileRef] = field(default_factory=list)
    progress: list[FileProgress] = field(default_factory=list)
    retrying: list[PendingAttempt] = field(default_factory=list)
    reports: list[ReportRef] = field(default_factory=list)
    cancelled: list[ReportRef] = field(default_factory=list)
    reviews: list[ReviewRef] = field(default_factory=list)
    applies: bool = True
    written: ReportProgress | None = None
    closed: bool = False

    async def start_file(
        self, ref: FileRef, *, filename_summary: str, organization_name: str
    ) -> str:
        if self.away:
            raise Unavailable
        self.started.append(ref)
        return workflow_id(ref.file_id)

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

    async def ready(self) -> bool:
        return not self.away

    async def close(self) -> None:
        self.closed = True
