"""What the pipeline reads and writes for one file. Every function may run twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlmodel import Session

from core.contracts import FileProgress, FileStatus, Problem, RowCounts
from core.errors import NotFound
from core.records import NO_ACTIVITY, RowIssue, Severity, Thresholds
from db.ids import uuid7
from db.queries.copying import copy_to_temporary

FINAL = (FileStatus.COMPLETED.value, FileStatus.FAILED.value)


@dataclass(frozen=True, slots=True)
class FileRow:
    """What the stages need to know of a file."""

    filename: str
    object_storage_path: str
    file_type: str
    status: str
    project_id: UUID | None
    region: str | None
    reporting_year: int | None
    mapping: dict[str, str] | None
    recognized: dict[str, Any] | None
    upstream: bool = False
    run: int = 1
    remember_mapping: bool = False


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """What matching needs to know of an organization."""

    thresholds: Thresholds
    factor_releases: tuple[str, ...]
    country: str | None
    search_language: str


def get_file(
    session: Session, organization_id: UUID, file_id: UUID, *, lock: bool = False
) -> FileRow:
    """Return a live file; raise NotFound for a deleted one, so that no stage writes behind it.

    With `lock` the row is held until commit: a deletion or a failure waits for this write, and a
    late attempt of a stage sees that the file has ended.
    """
    row = session.execute(
        text(
            "SELECT filename, object_storage_path, file_type, status, project_id, region,"
            " reporting_year, mapping, recognized, upstream, processing_runs AS run,"
            " remember_mapping FROM files"
            " WHERE organization_id = :organization_id AND id = :file_id AND deleted_at IS NULL"
            + (" FOR NO KEY UPDATE" if lock else "")
        ),
        {"organization_id": organization_id, "file_id": file_id},
    ).one_or_none()
    if row is None:
        raise NotFound("the file does not exist for this organization, or was deleted")
    return FileRow(**row._asdict())


def get_organization(session: Session, organization_id: UUID) -> OrganizationRow:
    """Return the settings of an organization."""
    row = session.execute(
        text(
            "SELECT review_below, hold_below, factor_releases, country,"
            " search_language::text AS search_language FROM organizations"
            " WHERE id = :organization_id AND deleted_at IS NULL"
        ),
        {"organization_id": organization_id},
    ).one_or_none()
    if row is None:
        raise NotFound("the organization does not exist, or was deleted")
    return OrganizationRow(
        thresholds=Thresholds(row.review_below, row.hold_below),
        factor_releases=tuple(row.factor_releases),
        country=row.country,
        search_language=row.search_language,
    )


def save_progress(
    session: Session, organization_id: UUID, file_id: UUID, progress: FileProgress
) -> None:
    """Mirror the workflow's progress; a file that has ended keeps its final word, and an earlier
    run than the one that counts is not heard."""
    session.execute(
        text(
            "UPDATE files SET progress = :progress, status = :status,"
            " processing_started_at = coalesce(processing_started_at, now())"
            " WHERE organization_id = :organization_id AND id = :file_id"
            " AND status <> ALL(:final) AND processing_runs = :run"
        ),
        {
            "organization_id": organization_id,
            "file_id": file_id,
            "progress": progress.model_dump_json(),
            "status": progress.status.value,
            "final": list(FINAL),
            "run": progress.run,
        },
    )


def add_event(
    session: Session,
    organization_id: UUID,
    file_id: UUID,
    *,
    stage: str,
    kind: str,
    message: str,
    attempt: int = 1,
    detail: dict[str, Any] | None = None,
) -> None:
    """Add a line to the file's history; the same line twice is one."""
    session.execute(
        text(
            "INSERT INTO file_events (organization_id, id, file_id, stage, kind, attempt, message,"
            " detail) VALUES (:organization_id, :id, :file_id, :stage, :kind, :attempt, :message,"
            " :detail) ON CONFLICT (organization_id, file_id, stage, kind, attempt) DO NOTHING"
        ).bindparams(),
        {
            "organization_id": organization_id,
            "id": uuid7(),
            "file_id": file_id,
            "stage": stage,
            "kind": kind,
            "attempt": attempt,
            "message": message,
            "detail": Jsonb(detail or {}),
        },
    )


def save_scan(session: Session, organization_id: UUID, file_id: UUID, scan_state: str) -> None:
    """Record what the scanner said."""
    session.execute(
        text(
            "UPDATE files SET scan_state = :scan_state"
            " WHERE organization_id = :organization_id AND id = :file_id"
        ),
        {"organization_id": organization_id, "file_id": file_id, "scan_state": scan_state},
    )


def move_object(session: Session, organization_id: UUID, file_id: UUID, url: str) -> None:
    """Record where the upload lies now."""
    session.execute(
        text(
            "UPDATE files SET object_storage_path = :url"
            " WHERE organization_id = :organization_id AND id = :file_id"
        ),
        {"organization_id": organization_id, "file_id": file_id, "url": url},
    )


def save_recognized(
    session: Session, organization_id: UUID, file_id: UUID, recognized: dict[str, Any]
) -> None:
    """Record which tables and columns were found, and why."""
    session.execute(
        text(
            "UPDATE files SET recognized = :recognized"
            " WHERE organization_id = :organization_id AND id = :file_id"
        ),
        {
            "organization_id": organization_id,
            "file_id": file_id,
            "recognized": Jsonb(recognized),
        },
    )


def replace_issues(
    session: Session, organization_id: UUID, file_id: UUID, part: int, issues: Iterable[RowIssue]
) -> None:
    """Set the issues of one part."""
    session.execute(
        text(
            "DELETE FROM row_issues WHERE organization_id = :organization_id"
            " AND file_id = :file_id AND part = :part"
        ),
        {"organization_id": organization_id, "file_id": file_id, "part": part},
    )
    add_issues(session, organization_id, file_id, part, issues)


def add_issues(
    session: Session, organization_id: UUID, file_id: UUID, part: int, issues: Iterable[RowIssue]
) -> None:
    """Add issues to a part; `part` is -1 for what came after the pipeline."""
    columns = (
        ("id", "uuid"),
        ("sheet", "text"),
        ("row_number", "integer"),
        ("column_name", "text"),
        ("code", "text"),
        ("severity", "text"),
        ("message", "text"),
        ("value_text", "text"),
        ("column_number", "integer"),
    )
    rows = (
        (
            uuid7(),
            i.sheet,
            i.row_number,
            i.column,
            i.code,
            i.severity.value,
            i.message,
            i.value_text,
            i.column_number,
        )
        for i in issues
    )
    copy_to_temporary(session, "new_issues", columns, rows)
    session.execute(
        text(
            "INSERT INTO row_issues (organization_id, id, file_id, part, sheet, row_number,"
            " column_name, code, severity, message, value_text, column_number)"
            " SELECT :organization_id, id, :file_id, :part, sheet, row_number, column_name, code,"
            " severity, message, value_text, column_number FROM pg_temp.new_issues"
        ),
        {"organization_id": organization_id, "file_id": file_id, "part": part},
    )


def count_outcomes(session: Session, organization_id: UUID, file_id: UUID) -> RowCounts:
    """Count what the database holds for a file, independently of what the stages reported."""
    row = session.execute(
        text(
            "SELECT"
            " (SELECT count(*) FROM emissions WHERE organization_id = :organization_id"
            "   AND file_id = :file_id) AS calculated,"
            " (SELECT coalesce(sum(row_count), 0) FROM decisions"
            "   WHERE organization_id = :organization_id AND file_id = :file_id"
            "   AND outcome = 'held') AS in_review,"
            " (SELECT count(*) FROM (SELECT DISTINCT sheet, row_number, column_number"
            "   FROM row_issues"
            "   WHERE organization_id = :organization_id AND file_id = :file_id"
            "   AND severity = :rejected) AS rejected_rows) AS rejected"
        ),
        {
            "organization_id": organization_id,
            "file_id": file_id,
            "rejected": Severity.REJECTED.value,
        },
    ).one()
    calculated, in_review, rejected = int(row.calculated), int(row.in_review), int(row.rejected)
    return RowCounts(
        total=calculated + in_review + rejected,
        calculated=calculated,
        in_review=in_review,
        rejected=rejected,
    )


def main_rejection(
    session: Session, organization_id: UUID, file_id: UUID
) -> tuple[int, str] | None:
    """Return the reason for which most rows were rejected: how many, and what the first was told.

    None when nothing that could be an activity was rejected.
    """
    row = session.execute(
        text(
            "WITH rejected AS (SELECT code, sheet, row_number, column_number, message"
            "  FROM row_issues WHERE organization_id = :organization_id AND file_id = :file_id"
            "  AND severity = :rejected AND code <> ALL(:no_activity)),"
            " most AS (SELECT code, count(DISTINCT (sheet, row_number, column_number)) AS rows"
            "  FROM rejected GROUP BY code ORDER BY rows DESC, code LIMIT 1)"
            " SELECT most.rows, (SELECT message FROM rejected WHERE code = most.code"
            "  ORDER BY sheet, row_number, column_number LIMIT 1) AS message FROM most"
        ),
        {
            "organization_id": organization_id,
            "file_id": file_id,
            "rejected": Severity.REJECTED.value,
            "no_activity": list(NO_ACTIVITY),
        },
    ).one_or_none()
    return (int(row.rows), str(row.message)) if row else None


def move_rows(
    session: Session,
    organization_id: UUID,
    file_id: UUID,
    *,
    calculated: int = 0,
    in_review: int = 0,
    rejected: int = 0,
) -> RowCounts:
    """Move rows of a completed file between its counts, by differences that cancel out."""
    row = session.execute(
        text(
            "UPDATE files SET rows_calculated = rows_calculated + :calculated,"
            " rows_in_review = rows_in_review + :in_review,"
            " rows_rejected = rows_rejected + :rejected"
            " WHERE organization_id = :organization_id AND id = :file_id"
            " RETURNING rows_total, rows_calculated, rows_in_review, rows_rejected"
        ),
        {
            "organization_id": organization_id,
            "file_id": file_id,
            "calculated": calculated,
            "in_review": in_review,
            "rejected": rejected,
        },
    ).one()
    return RowCounts(total=row[0], calculated=row[1], in_review=row[2], rejected=row[3])


def end_file(
    session: Session,
    organization_id: UUID,
    file_id: UUID,
    rows: RowCounts,
    progress: FileProgress,
    problem: Problem | None,
) -> None:
    """Write the final status, counts, progress and, for a failed file, the reason at once."""
    session.execute(
        text(
            "UPDATE files SET status = :status, progress = :progress, error_code = :error_code,"
            " error_message = :error_message, rows_total = :total, rows_calculated = :calculated,"
            " rows_in_review = :in_review, rows_rejected = :rejected,"
            " rows_no_activity = (SELECT count(DISTINCT (sheet, row_number, column_number))"
            "  FROM row_issues WHERE organization_id = :organization_id AND file_id = :file_id"
            "  AND severity = :severity AND code = ANY(:no_activity)),"
            " processing_completed_at = coalesce(processing_completed_at, now())"
            " WHERE organization_id = :organization_id AND id = :file_id"
        ),
        {
            "organization_id": organization_id,
            "file_id": file_id,
            "status": progress.status.value,
            "progress": progress.model_dump_json(),
            "error_code": problem.code if problem else None,
            "error_message": problem.message if problem else None,
            "severity": Severity.REJECTED.value,
            "no_activity": list(NO_ACTIVITY),
            **rows.model_dump(),
        },
    )


def delete_figures(session: Session, organization_id: UUID, file_id: UUID) -> None:
    """Remove the figures of a file that did not complete. Its decisions stay: a retry goes on
    from them, and until the file completes they are in no list."""
    session.execute(
        text(
            "DELETE FROM emissions WHERE organization_id = :organization_id AND file_id = :file_id"
        ),
        {"organization_id": organization_id, "file_id": file_id},
    )


def orphaned_files(session: Session, older_than_s: int, limit: int = 500) -> Sequence[Any]:
    """Return (organization_id, id, run) of uploads that were never started, or whose retry was
    not; as platform."""
    return session.execute(
        text(
            "SELECT f.organization_id, f.id, f.processing_runs AS run, f.filename,"
            " o.name AS organization_name"
            " FROM files f JOIN organizations o ON o.id = f.organization_id"
            " WHERE f.status = 'uploaded' AND f.processing_started_at IS NULL"
            " AND f.deleted_at IS NULL AND f.cancel_requested_at IS NULL"
            " AND coalesce(f.retried_at, f.created_at) < now() - make_interval(secs => :age)"
            " ORDER BY f.created_at LIMIT :limit"
        ),
        {"age": older_than_s, "limit": limit},
    ).all()
