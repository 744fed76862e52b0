"""Deleting, cancelling and retrying uploads, and deleting figures.

A deleted file is hidden by its own flag: every list, sum and report joins it. So a deletion is
one short transaction, whatever the size of the file; its rows are marked in the background.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlmodel import Session

from core.contracts import FileProgress, FileStatus
from core.permissions import Reach
from db.ids import uuid7
from db.models import File
from db.queries.files import FILE, visible
from db.queries.pipeline import FINAL

# A failure doubles the wait from a minute to six hours; twenty of them take more than two days.
SETTLE_ATTEMPTS = 20
LOST_AFTER_S = 3600  # what is in work for so long is looked after
FIGURE_DELETED = "figure_deleted"
AFTERWARDS = -1  # the part of issues that came after the pipeline


@dataclass(frozen=True, slots=True)
class Cascade:
    """What is deleted with a file."""

    emissions: int
    reviews: int
    purge_at: dt.datetime


@dataclass(frozen=True, slots=True)
class DeletedFigure:
    """A figure that a person deleted."""

    activity_name: str
    kg_co2e: float
    decision_id: UUID | None


def lock_file(session: Session, organization_id: UUID, file_id: UUID, reach: Reach) -> File | None:
    """Return an upload that a membership may see, held until commit.

    Every writer of its figures takes this lock: a commit of a recalculation, the application of a
    review and a stage either came before, or find the file as it is afterwards.
    """
    found: File | None = session.scalars(
        select(FILE)
        .where(*visible(organization_id, reach), FILE.id == file_id)
        .with_for_update(key_share=True)
    ).one_or_none()
    return found


def delete_file(
    session: Session, organization_id: UUID, file_id: UUID, *, purge_after_days: int
) -> Cascade:
    """Delete a file that the caller has locked; return exactly what goes with it."""
    row = session.execute(
        text(
            "UPDATE files SET deleted_at = now(), deletion_pending = true, settle_failures = 0,"
            " settle_after = NULL,"
            " purge_at = now() + make_interval(days => :days)"
            " WHERE organization_id = :organization_id AND id = :file_id"
            " RETURNING purge_at,"
            " (SELECT count(*) FROM emissions WHERE organization_id = :organization_id"
            "   AND file_id = :file_id AND deleted_at IS NULL) AS emissions,"
            " (SELECT count(*) FROM reviews WHERE organization_id = :organization_id"
            "   AND file_id = :file_id AND status = 'open' AND deleted_at IS NULL) AS reviews"
        ),
        {"organization_id": organization_id, "file_id": file_id, "days": purge_after_days},
    ).one()
    return Cascade(row.emissions, row.reviews, row.purge_at)


def wait_briefly(session: Session) -> None:
    """Let this transaction wait no longer than 3 s for what somebody else holds."""
    session.execute(text("SET LOCAL lock_timeout = '3s'"))


def mark_rows(session: Session, organization_id: UUID, file_id: UUID, limit: int) -> int:
    """Mark up to `limit` figures and as many reviews of a deleted file; return how many were."""
    marked = 0
    for table in ("emissions", "reviews"):
        found = session.execute(
            text(
                f"WITH marked AS (UPDATE {table} t SET deleted_at = f.deleted_at FROM files f"
                " WHERE f.organization_id = :organization_id AND f.id = :file_id"
                " AND f.deleted_at IS NOT NULL AND t.organization_id = :organization_id"
                f" AND t.id IN (SELECT id FROM {table} WHERE organization_id = :organization_id"
                "  AND file_id = :file_id AND deleted_at IS NULL LIMIT :limit)"
                " RETURNING 1) SELECT count(*) FROM marked"
            ),
            {"organization_id": organization_id, "file_id": file_id, "limit": limit},
        )
        marked += int(found.scalar_one())
    return marked


def settle_deletion(session: Session, organization_id: UUID, file_id: UUID) -> None:
    """Note that nothing is left to do for a deleted file until it is purged."""
    session.execute(
        text(
            "UPDATE files SET deletion_pending = false"
            " WHERE organization_id = :organization_id AND id = :file_id"
        ),
        {"organization_id": organization_id, "file_id": file_id},
    )


def delete_emission(
    session: Session, organization_id: UUID, file_id: UUID, emission_id: UUID
) -> DeletedFigure | None:
    """Delete a figure of a file that the caller has locked; None when it is gone already.

    Its row is rejected from now on, with its reason: rows in stay rows out.
    """
    where = {"organization_id": organization_id, "file_id": file_id, "emission_id": emission_id}
    row = session.execute(
        text(
            "UPDATE emissions SET deleted_at = now() WHERE organization_id = :organization_id"
            " AND file_id = :file_id AND id = :emission_id AND deleted_at IS NULL"
            " RETURNING sheet, row_number, column_number, activity_name, calculated_emission,"
            " decision_id"
        ),
        where,
    ).one_or_none()
    if row is None:
        return None
    session.execute(
        text(
            "INSERT INTO row_issues (organization_id, id, file_id, part, sheet, row_number,"
            " column_number, code, severity, message) VALUES (:organization_id, :id, :file_id,"
            " :part, :sheet, :row_number, :column_number, :code, 'rejected',"
            " 'A person deleted the figure of this row.')"
        ),
        {
            "organization_id": organization_id, "file_id": file_id, "id": uuid7(),
            "part": AFTERWARDS, "sheet": row.sheet, "row_number": row.row_number,
            "column_number": row.column_number, "code": FIGURE_DELETED,
        },
    )  # fmt: skip
    session.execute(
        text(
            "UPDATE files SET rows_calculated = rows_calculated - 1,"
            " rows_rejected = rows_rejected + 1"
            " WHERE organization_id = :organization_id AND id = :file_id"
        ),
        where,
    )
    return DeletedFigure(row.activity_name, row.calculated_emission, row.decision_id)


def deleted_rows(
    session: Session, organization_id: UUID, file_id: UUID
) -> set[tuple[str, int, int]]:
    """Return (sheet, row, column) of the figures that people deleted: they are rejected already."""
    rows = session.execute(
        text(
            "SELECT sheet, row_number, column_number FROM row_issues"
            " WHERE organization_id = :organization_id"
            " AND file_id = :file_id AND part = :part AND code = :code"
        ),
        {
            "organization_id": organization_id, "file_id": file_id, "part": AFTERWARDS,
            "code": FIGURE_DELETED,
        },
    )  # fmt: skip
    return {(row.sheet, row.row_number, row.column_number) for row in rows}


def request_cancel(session: Session, organization_id: UUID, file_id: UUID) -> None:
    """Note that a file shall stop: remembered until it has ended; asking again tries it anew."""
    session.execute(
        text(
            "UPDATE files SET cancel_requested_at = coalesce(cancel_requested_at, now()),"
            " settle_failures = 0, settle_after = NULL"
            " WHERE organization_id = :organization_id AND id = :file_id"
        ),
        {"organization_id": organization_id, "file_id": file_id},
    )


def begin_again(
    session: Session, organization_id: UUID, file_id: UUID, progress: FileProgress
) -> None:
    """Make a failed file wait for the run that `progress` is of; the sweep starts it if need be."""
    session.execute(
        text(
            "UPDATE files SET status = :status, progress = :progress, processing_runs = :run,"
            " retried_at = now(), error_code = NULL, error_message = NULL,"
            " cancel_requested_at = NULL, processing_started_at = NULL,"
            " processing_completed_at = NULL"
            " WHERE organization_id = :organization_id AND id = :file_id"
        ),
        {
            "organization_id": organization_id,
            "file_id": file_id,
            "status": progress.status.value,
            "progress": progress.model_dump_json(),
            "run": progress.run,
        },
    )


@dataclass(frozen=True, slots=True)
class Run:
    """A file as a retry finds it."""

    run: int
    status: str
    scan_state: str
    progress: FileProgress
    rejected: int
    decisions: int


def run_of(session: Session, organization_id: UUID, file_id: UUID) -> Run | None:
    """Return how far a living file is, and what earlier runs left."""
    row = session.execute(
        text(
            "SELECT processing_runs, status, scan_state, progress,"
            " (SELECT count(*) FROM decisions WHERE organization_id = :organization_id"
            "   AND file_id = :file_id) AS decisions,"
            " (SELECT count(*) FROM (SELECT DISTINCT sheet, row_number, column_number"
            "   FROM row_issues"
            "   WHERE organization_id = :organization_id AND file_id = :file_id"
            "   AND severity = 'rejected') AS rejected_rows) AS rejected"
            " FROM files WHERE organization_id = :organization_id AND id = :file_id"
            " AND deleted_at IS NULL"
        ),
        {"organization_id": organization_id, "file_id": file_id},
    ).one_or_none()
    if row is None:
        return None
    return Run(
        run=row.processing_runs,
        status=row.status,
        scan_state=row.scan_state,
        progress=FileProgress.model_validate(row.progress),
        rejected=row.rejected,
        decisions=row.decisions,
    )


def unsettled(session: Session, older_than_s: int, limit: int = 200) -> Sequence[Any]:
    """Return files whose deletion is not carried out, or that were to stop and did not; as
    platform. What failed waits, behind what is new; what failed too often is not among them."""
    return session.execute(
        text(
            "SELECT organization_id, id, processing_runs AS run, deleted_at IS NOT NULL AS deleted"
            " FROM files WHERE (deletion_pending OR cancel_requested_at IS NOT NULL)"
            " AND (deletion_pending OR (deleted_at IS NULL"
            "   AND status NOT IN ('completed', 'failed')"
            "   AND cancel_requested_at < now() - make_interval(secs => :age)))"
            " AND settle_failures < :most AND coalesce(settle_after, '-infinity') <= now()"
            " ORDER BY coalesce(settle_after, deleted_at, cancel_requested_at) LIMIT :limit"
        ),
        {"age": older_than_s, "limit": limit, "most": SETTLE_ATTEMPTS},
    ).all()


def long_at_work(session: Session, limit: int = 200) -> Sequence[Any]:
    """Return files that have been in work for long, (organization_id, id, run); as platform.

    Most are only large, so that it is some of them, and others the next time.
    """
    active = [status.value for status in FileStatus if status.value not in FINAL]
    return session.execute(
        text(
            "SELECT organization_id, id, processing_runs AS run FROM files"
            " WHERE status = ANY(:active) AND deleted_at IS NULL AND cancel_requested_at IS NULL"
            " AND processing_started_at < now() - make_interval(secs => :long)"
            " ORDER BY random() LIMIT :limit"
        ),
        {"active": active, "long": LOST_AFTER_S, "limit": limit},
    ).all()


def postpone_settling(session: Session, organization_id: UUID, file_id: UUID) -> bool:
    """Let a file that could not be settled wait; tell whether it is given up now.

    One that somebody holds is left as it is: that is no failure, and it comes again.
    """
    failures = session.execute(
        text(
            "UPDATE files SET settle_failures = settle_failures + 1, settle_after = now() +"
            " least(interval '6 hours', interval '1 minute' * power(2, settle_failures))"
            " WHERE organization_id = :organization_id AND id IN (SELECT id FROM files"
            "  WHERE organization_id = :organization_id AND id = :file_id"
            "  AND settle_failures < :most FOR UPDATE SKIP LOCKED) RETURNING settle_failures"
        ),
        {"organization_id": organization_id, "file_id": file_id, "most": SETTLE_ATTEMPTS},
    ).scalar_one_or_none()
    return failures == SETTLE_ATTEMPTS
