"""Sweep: start what was committed and has no workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session
from temporalio import activity

from core.contracts import FileRef, RecalculationRef, ReportRef, ReviewRef, SweepInput, SweepResult
from core.ports import Pipeline
from core.recalculation import Status
from db.queries import idempotency, limits, recalculations, reports, reviews
from db.queries import pipeline as queries


class SweepOrphans:
    """Looks over all tenants, as platform, but only at ids and names."""

    def __init__(self, platform_engine: Engine, pipeline: Pipeline) -> None:
        self.platform_engine = platform_engine
        self.pipeline = pipeline

    @activity.defn(name="start_orphans")
    async def start_orphans(self, request: SweepInput) -> SweepResult:
        """Start what has waited longer than `older_than_s`; starting one twice does nothing."""
        waiting = await asyncio.to_thread(self.waiting, request.older_than_s)
        for row in waiting:
            activity.heartbeat()
            await self.pipeline.start_file(
                FileRef(organization_id=row.organization_id, file_id=row.id, run=row.run),
                filename_summary=row.filename,
                organization_name=row.organization_name,
            )
        forgotten = await asyncio.to_thread(self.waiting_reports, request.older_than_s)
        for row in forgotten:
            activity.heartbeat()
            await self.pipeline.start_report(
                ReportRef(
                    organization_id=row.organization_id,
                    report_id=row.id,
                    file_format=row.file_format or "",
                ),
                name=row.name,
                organization_name=row.organization_name,
            )
        resolved = await asyncio.to_thread(self.waiting_reviews, request.older_than_s)
        for row in resolved:
            activity.heartbeat()
            await self.pipeline.apply_review(
                ReviewRef(organization_id=row.organization_id, review_id=row.id)
            )
        begun = await self.start_recalculations(request.older_than_s)
        return SweepResult(
            started=len(waiting), reports=len(forgotten), reviews=len(resolved),
            recalculations=begun,
        )  # fmt: skip

    async def start_recalculations(self, older_than_s: int) -> int:
        """Start previews and commits that nobody started; let old previews expire."""
        waiting = await asyncio.to_thread(self.waiting_recalculations, older_than_s)
        for row in waiting:
            activity.heartbeat()
            ref = RecalculationRef(organization_id=row.organization_id, recalculation_id=row.id)
            committing = row.status == Status.COMMITTING
            start = (
                self.pipeline.commit_recalculation
                if committing
                else self.pipeline.preview_recalculation
            )
            await start(ref, organization_name=row.organization_name)
        await asyncio.to_thread(self.expire_recalculations)
        await asyncio.to_thread(self.forget_requests)
        return len(waiting)

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
