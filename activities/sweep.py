"""Sweep: start what was committed and has no workflow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session
from temporalio import activity

from core.contracts import FileRef, RecalculationRef, ReportRef, ReviewRef, SweepInput, SweepResult
from core.ports import Pipeline
from core.recalculation import Status
from db.queries import idempotency, limits, recalculations, reports, reviews
from db.queries import pipeline as queries

log = logging.getLogger(__name__)


class SweepOrphans:
    """Looks over all tenants, as platform, but only at ids and names."""

    def __init__(self, platform_engine: Engine, pipeline: Pipeline) -> None:
        self.platform_engine = platform_engine
        self.pipeline = pipeline

    @activity.defn(name="start_orphans")
    async def start_orphans(self, request: SweepInput) -> SweepResult:
        """Start what has waited longer than `older_than_s`; starting one twice does nothing."""
        older_than_s = request.older_than_s
        return SweepResult(
            started=await self.each(self.waiting, older_than_s, self.start_file),
            reports=await self.each(self.waiting_reports, older_than_s, self.start_report),
            reviews=await self.each(self.waiting_reviews, older_than_s, self.apply_review),
            recalculations=await self.start_recalculations(older_than_s),
        )

    async def each(
        self,
        read: Callable[[int], Sequence[Any]],
        older_than_s: int,
        start: Callable[[Any], Awaitable[object]],
    ) -> int:
        """Start each row that is read; return how many were.

        One that cannot be started (its run before has not closed yet) waits for the next sweep and
        holds up nobody. Raises Unavailable when Temporal is away.
        """
        started = 0
        for row in await asyncio.to_thread(read, older_than_s):
            activity.heartbeat()
            try:
                await start(row)
            except Exception as error:
                if not await self.pipeline.ready():
                    raise
                log.warning("%s is not started: %s", row.id, type(error).__name__)
                continue
            started += 1
        return started

    async def start_file(self, row: Any) -> None:
        """Start the workflow of an upload."""
        await self.pipeline.start_file(
            FileRef(organization_id=row.organization_id, file_id=row.id, run=row.run),
            filename_summary=row.filename,
            organization_name=row.organization_name,
        )

    async def start_report(self, row: Any) -> None:
        """Start the workflow of a report."""
        await self.pipeline.start_report(
            ReportRef(
                organization_id=row.organization_id,
                report_id=row.id,
                file_format=row.file_format or "",
            ),
            name=row.name,
            organization_name=row.organization_name,
        )

    async def apply_review(self, row: Any) -> None:
        """Start the workflow of a resolution."""
        await self.pipeline.apply_review(
            ReviewRef(organization_id=row.organization_id, review_id=row.id)
        )

    async def start_recalculation(self, row: Any) -> None:
        """Start a preview or a commit."""
        ref = RecalculationRef(organization_id=row.organization_id, recalculation_id=row.id)
        committing = row.status == Status.COMMITTING
        start = (
            self.pipeline.commit_recalculation
            if committing
            else self.pipeline.preview_recalculation
        )
        await start(ref, organization_name=row.organization_name)

    async def start_recalculations(self, older_than_s: int) -> int:
        """Start previews and commits that nobody started; let old previews expire."""
        started = await self.each(
            self.waiting_recalculations, older_than_s, self.start_recalculation
        )
        await asyncio.to_thread(self.expire_recalculations)
        await asyncio.to_thread(self.forget_requests)
        return started

    def waiting_recalculations(self, older_than_s: int) -> Sequence[Any]:
        """Return the previews and commits that were never begun."""
        with Session(self.platform_engine) as session:
            return recalculations.orphaned(session, older_than_s)

    def expire_recalculations(self) -> None:
        """Let previews expire that nobody committed, and remove what came to nothing."""
        with Session(self.platform_engine) as session:
            recalculations.expire(session)
            session.commit()
            recalculations.purge(session)
            session.commit()

    def forget_requests(self) -> None:
        """Remove old answers of the API, a bounded number, and buckets that are full again."""
        with Session(self.platform_engine) as session:
            idempotency.purge(session)
            limits.purge(session.connection())
            session.commit()

    def waiting(self, older_than_s: int) -> Sequence[Any]:
        """Return the uploads that were never started."""
        with Session(self.platform_engine) as session:
            return queries.orphaned_files(session, older_than_s)

    def waiting_reviews(self, older_than_s: int) -> Sequence[Any]:
        """Return the resolutions that were never carried out."""
        with Session(self.platform_engine) as session:
            return reviews.unapplied(session, older_than_s)

    def waiting_reports(self, older_than_s: int) -> Sequence[Any]:
        """Return the reports that were never begun."""
        with Session(self.platform_engine) as session:
            return reports.orphaned_reports(session, older_than_s)
