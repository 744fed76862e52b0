"""Events that organizations may be told of, written with what they tell of: ids and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel import Session

from core.contracts import FileRef, FileStatus, Problem, RowCounts
from core.contracts_webhooks import DeliveryRef
from core.ports import Deliveries
from core.reporting import ReportStatus
from core.webhooks import EventType
from db.models import Report
from db.queries import reviews
from db.queries.webhook_events import emit


def file_completed(
    session: Session, ref: FileRef, project_id: UUID | None, rows: RowCounts
) -> Sequence[DeliveryRef]:
    """Tell that a file is complete and, once, that something of it waits for a person."""
    named: dict[str, Any] = {"file_id": ref.file_id, "project_id": project_id}
    data = named | {"status": FileStatus.COMPLETED, "rows": rows.model_dump()}
    completed = emit(session, ref.organization_id, EventType.FILE_COMPLETED, data)
    return [*completed, *review_needed(session, ref, project_id, rows.in_review)]


def review_needed(
    session: Session, ref: FileRef, project_id: UUID | None, rows_in_review: int
) -> Sequence[DeliveryRef]:
    """Tell how much of a file waits for a person, if anything does."""
    waiting = reviews.count_open(session, ref.organization_id, ref.file_id)
    if not waiting:
        return ()
    data = {
        "file_id": ref.file_id,
        "project_id": project_id,
        "reviews": waiting,
        "rows": {"in_review": rows_in_review},
    }
    return emit(session, ref.organization_id, EventType.REVIEW_NEEDED, data)


def file_failed(
    session: Session,
    ref: FileRef,
    project_id: UUID | None,
    rows: RowCounts,
    problem: Problem,
) -> Sequence[DeliveryRef]:
    """Tell that a file has failed: the code; the sentence may quote what is in the file."""
    data = {
        "file_id": ref.file_id,
        "project_id": project_id,
        "status": FileStatus.FAILED,
        "rows": rows.model_dump(),
        "error": {"code": problem.code, "stage": problem.stage},
    }
    return emit(session, ref.organization_id, EventType.FILE_FAILED, data)


def report_completed(
    session: Session, report: Report, rows: int, size_bytes: int
) -> Sequence[DeliveryRef]:
    """Tell that a report can be downloaded."""
    data = {
        "report_id": report.id,
        "status": ReportStatus.COMPLETED,
        "format": report.file_format,
        "rows": rows,
        "size_bytes": size_bytes,
    }
    return emit(session, report.organization_id, EventType.REPORT_COMPLETED, data)


def start(deliveries: Deliveries | None, events: Sequence[DeliveryRef]) -> None:
    """Start what is committed; without a starter the sweep does."""
    if deliveries is not None and events:
        deliveries.start(events)
