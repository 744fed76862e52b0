"""Settle: carry deletions and cancellations to their end, whatever broke off in between."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session
from temporalio import activity

from activities.events import start
from activities.status import PIPELINE, end_failed, rejected_only
from core.contracts import FailInput, FileRef, FileStatus, Problem, StageState
from core.contracts_lifecycle import SettleInput, SettleResult
from core.errors import NotFound
from core.keys import trash_key, upload_key
from core.ports import Deliveries, Pipeline, Storage
from db.queries import audit, lifecycle, pipeline

log = logging.getLogger(__name__)

CANCELLED = Problem(code="cancelled", message="Processing was cancelled on request.")
LOST = Problem(
    code="processing_failed",
    message="Processing ended without a word: its workflow is gone. Retry the file.",
)
BATCH_ROWS = 5_000
# One sweep marks so many rows at most: it runs every minute and has other things to do.
MOST_BATCHES = 40


class SettleFiles:
    """Looks over all tenants, as platform. The rows of `files` are the outbox."""

    def __init__(
        self,
        platform_engine: Engine,
        storage: Storage,
        pipeline: Pipeline,
        deliveries: Deliveries | None = None,
        *,
        batch_rows: int = BATCH_ROWS,
    ) -> None:
        self.platform_engine = platform_engine
        self.storage = storage
        self.pipeline = pipeline
        self.deliveries = deliveries
        self.batch_rows = batch_rows

    @activity.defn(name="settle_files")
    async def settle_files(self, request: SettleInput) -> SettleResult:
        """Hide what was deleted from every link, mark its rows; stop what was to stop.

        A file that cannot be settled waits for its next turn and holds up nobody.
        """
        done = SettleResult(attempt=activity.info().attempt)
        batches = MOST_BATCHES
        for row in await asyncio.to_thread(self.unsettled, request.older_than_s):
            activity.heartbeat()
            ref = FileRef(organization_id=row.organization_id, file_id=row.id, run=row.run)
            try:
                one = await self.settle(ref, deleted=row.deleted, batches=batches)
            except Exception as error:
                log.warning("file %s is not settled: %s", ref.file_id, type(error).__name__)
                await asyncio.to_thread(self.postpone, ref)
                one = SettleResult(failed=1)
            batches -= -(-one.rows_marked // self.batch_rows)
            done = done.plus(one)
        return done.plus(SettleResult(lost=await self.end_lost()))

    async def end_lost(self) -> int:
        """End files whose workflow was terminated, or forgotten, while it worked on them."""
        lost = 0
        for row in await asyncio.to_thread(self.long_at_work):
            activity.heartbeat()
            ref = FileRef(organization_id=row.organization_id, file_id=row.id, run=row.run)
            try:
                if not await self.pipeline.file_runs(ref):
                    lost += await asyncio.to_thread(self.end, ref, LOST, StageState.FAILED)
            except Exception as error:
                log.warning("file %s is not looked after: %s", ref.file_id, type(error).__name__)
        return lost

    def long_at_work(self) -> list[Any]:
        """Return files that have been in work for long."""
        with Session(self.platform_engine) as session:
            return list(lifecycle.long_at_work(session))

    async def settle(self, ref: FileRef, *, deleted: bool, batches: int) -> SettleResult:
        """Settle one file, marking so many batches of its rows at most."""
        running = await self.pipeline.cancel_file(ref)
        if not deleted:
            ended = not running and await asyncio.to_thread(self.end, ref)
            return SettleResult(cancelled=int(ended))
        await asyncio.to_thread(self.hide, ref)
        rows = 0
        for _ in range(batches):
            marked = await asyncio.to_thread(self.mark, ref)
            activity.heartbeat()
            rows += marked
            if not marked:
                return SettleResult(deletions=1, rows_marked=rows)
        return SettleResult(rows_marked=rows)

    def postpone(self, ref: FileRef) -> None:
        """Let a file wait for its next turn; one that had too many is given up, audibly."""
        scope = (ref.organization_id, ref.file_id)
        with Session(self.platform_engine) as session:
            if lifecycle.postpone_settling(session, *scope):
                log.error("file %s could not be settled for days and is given up", ref.file_id)
                audit.record(
                    session, ref.organization_id, PIPELINE, action="file.settling_given_up",
                    object_type="file", object_id=ref.file_id,
                    after={"attempts": lifecycle.SETTLE_ATTEMPTS},
                )  # fmt: skip
            session.commit()

    def unsettled(self, older_than_s: int) -> list[Any]:
        """Return what was asked for and is not carried out."""
        with Session(self.platform_engine) as session:
            return list(lifecycle.unsettled(session, older_than_s))

    def hide(self, ref: FileRef) -> None:
        """Move the upload from where links lead; moved before, or in quarantine, is as good."""
        scope = (ref.organization_id, ref.file_id)
        try:
            self.storage.move(upload_key(*scope), trash_key(*scope))
        except NotFound:
            return

    def mark(self, ref: FileRef) -> int:
        """Mark the next rows of a deleted file; when there are none, note that it is done."""
        scope = (ref.organization_id, ref.file_id)
        with Session(self.platform_engine) as session:
            lifecycle.wait_briefly(session)  # the sums' triggers hold the file
            marked = lifecycle.mark_rows(session, *scope, self.batch_rows)
            if not marked:
                lifecycle.settle_deletion(session, *scope)
            session.commit()
        return marked

    def end(
        self, ref: FileRef, why: Problem = CANCELLED, state: StageState = StageState.CANCELLED
    ) -> bool:
        """End a file whose workflow was never started, or is closed; tell whether that was done."""
        with Session(self.platform_engine) as session:
            lifecycle.wait_briefly(session)
            found = lifecycle.run_of(session, ref.organization_id, ref.file_id)
            try:
                file = pipeline.get_file(session, ref.organization_id, ref.file_id, lock=True)
            except NotFound:
                return False
            if found is None or file.run != ref.run or file.status in pipeline.FINAL:
                return False
            problem = why.model_copy(update={"stage": found.progress.stage})
            stages = tuple(
                s.model_copy(update={"state": state}) if s.state is StageState.RUNNING else s
                for s in found.progress.stages
            )
            progress = found.progress.model_copy(
                update={
                    "status": FileStatus.FAILED,
                    "stages": stages,
                    "errors": (problem,),
                    "run": ref.run,
                }
            )
            request = FailInput(**ref.model_dump(), progress=progress, problem=problem)
            counted = rejected_only(session, ref.organization_id, ref.file_id)
            events = end_failed(session, request, counted)
            session.commit()
        start(self.deliveries, events)
        return True
