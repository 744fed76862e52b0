"""Status: mirror progress to the row, and end a file as complete or failed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import Engine
from sqlmodel import Session
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.events import file_completed, file_failed, start
from activities.heartbeat import beating
from activities.parse import read_report
from activities.remember import remember_mapping
from core.contracts import (
    NO_USABLE_ROWS,
    FailInput,
    FileRef,
    FileStatus,
    FinishInput,
    FinishResult,
    Problem,
    ProgressUpdate,
    RowCounts,
    Stage,
)
from core.contracts_webhooks import DeliveryRef
from core.errors import NotFound, Superseded
from core.keys import quarantine_key, upload_key
from core.ports import Deliveries, Storage
from db.engine import TenantSession, tenant_session
from db.queries import audit, pipeline

PIPELINE = audit.Actor(user_id=None, kind="pipeline")


class FileStatusKeeper:
    """Writes files.status; finish_file and fail_file are the only writers of a final one."""

    def __init__(
        self, engine: Engine, storage: Storage, deliveries: Deliveries | None = None
    ) -> None:
        self.engine = engine
        self.storage = storage
        self.deliveries = deliveries

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
                    attempt=update.run,
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
            if file.status == FileStatus.FAILED or file.run != request.run:
                raise Superseded("the file has ended, or a later run works on it")
            if counted != request.expected:
                raise ApplicationError(
                    f"rows do not add up: stages reported {request.expected.model_dump()}, "
                    f"the database holds {counted.model_dump()}",
                    type="ReconciliationFailed",
                    non_retryable=True,
                )
            pipeline.end_file(session, organization_id, file_id, counted, request.progress, None)
            report = partial(read_report, self.storage, request)
            remember_mapping(session, request, PIPELINE, report)
            note(session, request, "completed", "file complete", counted)
            events = file_completed(session, request, file.project_id, counted)
            session.commit()
        start(self.deliveries, events)
        return FinishResult(rows=counted, attempt=activity.info().attempt)

    @activity.defn(name="fail_file")
    def fail_file(self, request: FailInput) -> FinishResult:
        """End the file as failed: its issues and decisions stay, figures do not."""
        organization_id, file_id = request.organization_id, request.file_id
        with beating(), tenant_session(self.engine, organization_id) as session:
            try:
                file = pipeline.get_file(session, organization_id, file_id, lock=True)
            except NotFound:
                # Deleted while it was processed: the deletion has cascaded already.
                return FinishResult(rows=RowCounts(), attempt=activity.info().attempt)
            counted = rejected_only(session, organization_id, file_id)
            events: Sequence[DeliveryRef] = ()
            # Ended by an earlier attempt, whose answer was lost; and perhaps retried since.
            if file.status != FileStatus.FAILED and file.run == request.run:
                if request.quarantine:
                    self.quarantine(session, organization_id, file_id)
                events = end_failed(session, request, counted)
                session.commit()
        start(self.deliveries, events)
        return FinishResult(rows=counted, attempt=activity.info().attempt)

    def quarantine(self, session: TenantSession, organization_id: UUID, file_id: UUID) -> None:
        """Move the upload to where no download link leads."""
        target = quarantine_key(organization_id, file_id)
        self.storage.move(upload_key(organization_id, file_id), target)
        pipeline.save_scan(session, organization_id, file_id, "infected")
        pipeline.move_object(session, organization_id, file_id, self.storage.url(target))


def rejected_only(session: Session, organization_id: UUID, file_id: UUID) -> RowCounts:
    """Count the rows of a file that did not complete: none is calculated, none can be reviewed."""
    rejected = pipeline.count_outcomes(session, organization_id, file_id).rejected
    return RowCounts(total=rejected, rejected=rejected)


def end_failed(session: Session, request: FailInput, counted: RowCounts) -> Sequence[DeliveryRef]:
    """End a file that the caller has locked, within the caller's transaction.

    Returns whom to tell once it is committed; the sweep tells them otherwise.
    """
    scope = (session, request.organization_id, request.file_id)
    project_id = pipeline.get_file(*scope).project_id
    pipeline.delete_figures(*scope)
    problem = explained(session, request)
    pipeline.end_file(*scope, counted, request.progress, problem)
    note(session, request, problem.code, problem.message, counted, problem.stage)
    return file_failed(session, request, project_id, counted, problem)


def explained(session: Session, request: FailInput) -> Problem:
    """Return why the file failed; where no row can be used, with the most frequent reason."""
    problem = request.problem
    if problem.code != NO_USABLE_ROWS:
        return problem
    found = pipeline.main_rejection(session, request.organization_id, request.file_id)
    if found is None:
        return problem
    rows, first = found
    words = f"{problem.message} The most frequent reason, in {rows:,} of them: {first}"
    return problem.model_copy(update={"message": words})


def note(
    session: Session,
    ref: FileRef,
    kind: str,
    message: str,
    rows: RowCounts,
    stage: Stage | None = Stage.FINISH,
) -> None:
    """Add the end of the file to its history and, with it, to the audit trail."""
    pipeline.add_event(
        session,
        ref.organization_id,
        ref.file_id,
        stage=(stage or Stage.SCAN).value,
        kind=kind,
        message=message,
        attempt=ref.run,
        detail=rows.model_dump(),
    )
    audit.record(
        session,
        ref.organization_id,
        PIPELINE,
        action="file.completed" if kind == "completed" else "file.failed",
        object_type="file",
        object_id=ref.file_id,
        after={"rows": rows.model_dump(), "outcome": kind, "run": ref.run},
    )
