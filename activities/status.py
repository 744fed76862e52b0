"""Status: mirror progress to the row, and end a file as complete or failed."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import beating
from core.contracts import (
    FailInput,
    FileStatus,
    FinishInput,
    FinishResult,
    ProgressUpdate,
    RowCounts,
    Stage,
)
from core.errors import NotFound
from core.keys import quarantine_key, upload_key
from core.ports import Storage
from db.engine import TenantSession, tenant_session
from db.queries import audit, pipeline

PIPELINE = audit.Actor(user_id=None, kind="pipeline")


class FileStatusKeeper:
    """Writes files.status; finish_file and fail_file are the only writers of a final one."""

    def __init__(self, engine: Engine, storage: Storage) -> None:
        self.engine = engine
        self.storage = storage

    @activity.defn(name="record_progress")
    def record_progress(self, update: ProgressUpdate) -> None:
        """Mirror the workflow's progress and add a line to the file's history."""
        with tenant_session(self.engine, update.organization_id) as session:
            pipeline.save_progress(session, update.organization_id, update.file_id, update.progress)
            if update.event_stage:
                pipeline.add_event(
                    session,
                    update.organization_id,
                    update.file_id,
                    stage=update.event_stage,
                    kind=update.event_kind,
                    message=update.event_message,
                )
            session.commit()

    @activity.defn(name="finish_file")
    def finish_file(self, request: FinishInput) -> FinishResult:
        """Complete the file if the database holds exactly the rows that the stages reported."""
        organization_id, file_id = request.organization_id, request.file_id
        # Counting a million rows outlasts the heartbeat timeout.
        with beating(), tenant_session(self.engine, organization_id) as session:
            file = pipeline.get_file(session, organization_id, file_id, lock=True)
            counted = pipeline.count_outcomes(session, organization_id, file_id)
            if file.status == FileStatus.COMPLETED:  # an earlier attempt, whose answer was lost
                return FinishResult(rows=counted, attempt=activity.info().attempt)
            if counted != request.expected:
                raise ApplicationError(
                    f"rows do not add up: stages reported {request.expected.model_dump()}, "
                    f"the database holds {counted.model_dump()}",
                    type="ReconciliationFailed",
                    non_retryable=True,
                )
            pipeline.end_file(session, organization_id, file_id, counted, request.progress, None)
            self.note(session, organization_id, file_id, "completed", "file complete", counted)
            session.commit()
        return FinishResult(rows=counted, attempt=activity.info().attempt)

    @activity.defn(name="fail_file")
    def fail_file(self, request: FailInput) -> FinishResult:
        """End the file as failed: its issues stay, figures and decisions do not."""
        organization_id, file_id = request.organization_id, request.file_id
        with beating(), tenant_session(self.engine, organization_id) as session:
            try:
                file = pipeline.get_file(session, organization_id, file_id, lock=True)
            except NotFound:
                # Deleted while it was processed: the deletion has cascaded already.
                return FinishResult(rows=RowCounts(), attempt=activity.info().attempt)
            if file.status == FileStatus.FAILED:  # an earlier attempt, whose answer was lost
                counted = pipeline.count_outcomes(session, organization_id, file_id)
                return FinishResult(rows=counted, attempt=activity.info().attempt)
            pipeline.delete_results(session, organization_id, file_id)
            if request.quarantine:
                self.quarantine(session, organization_id, file_id)
            counted = pipeline.count_outcomes(session, organization_id, file_id)
            pipeline.end_file(
                session, organization_id, file_id, counted, request.progress, request.problem
            )
            self.note(
                session,
                organization_id,
                file_id,
                request.problem.code,
                request.problem.message,
                counted,
                request.problem.stage,
            )
            session.commit()
        return FinishResult(rows=counted, attempt=activity.info().attempt)

    def quarantine(self, session: TenantSession, organization_id: UUID, file_id: UUID) -> None:
        """Move the upload to where no download link leads."""
        target = quarantine_key(organization_id, file_id)
        self.storage.move(upload_key(organization_id, file_id), target)
        pipeline.save_scan(session, organization_id, file_id, "infected")
        pipeline.move_object(session, organization_id, file_id, self.storage.url(target))

    @staticmethod
    def note(
        session: TenantSession,
        organization_id: UUID,
        file_id: UUID,
        kind: str,
        message: str,
        rows: RowCounts,
        stage: Stage | None = Stage.FINISH,
    ) -> None:
        """Add the end of the file to its history and, with it, to the audit trail."""
        pipeline.add_event(
            session,
            organization_id,
            file_id,
            stage=(stage or Stage.SCAN).value,
            kind=kind,
            message=message,
            detail=rows.model_dump(),
        )
        audit.record(
            session,
            organization_id,
            PIPELINE,
            action="file.completed" if kind == "completed" else "file.failed",
            object_type="file",
            object_id=file_id,
            after={"rows": rows.model_dump(), "outcome": kind},
        )
