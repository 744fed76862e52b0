"""Uploads as the API reads and adds them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, func, insert, select
from sqlalchemy.orm import defer
from sqlmodel import Session

from core.contracts import FileStatus
from core.permissions import Reach
from db.models import EmissionTotal, File, FileEvent, RowIssue
from db.queries import paging

FILE: Any = File
ISSUE: Any = RowIssue
EVENT: Any = FileEvent
TOTALS: Any = EmissionTotal


@dataclass(frozen=True, slots=True)
class NewFile:
    """An upload whose object is stored already."""

    id: UUID
    user_id: UUID
    project_id: UUID | None
    filename: str
    object_storage_path: str
    file_size: int
    mime_type: str
    file_type: str
    sha256: str
    duplicate_of: UUID | None
    region: str | None
    reporting_year: int | None
    mapping: dict[str, str] | None
    processing_job_id: str
    upstream: bool = False
    remember_mapping: bool = False


@dataclass(frozen=True, slots=True)
class FileFilter:
    """Which uploads are wanted. Times bound created_at: from included, to excluded."""

    status: FileStatus | None = None
    project_id: UUID | None = None
    file_type: str | None = None
    uploaded_from: dt.datetime | None = None
    uploaded_to: dt.datetime | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True)
class IssueFilter:
    """Which row issues are wanted."""

    severity: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class ScopeTotal:
    """Sum of one scope; None is what lies outside of scopes (biogenic)."""

    scope: int | None
    count: int
    kg_co2e: float  # 0 outside of scopes
    biogenic_kg_co2: float


SORTS = {
    "created_at": paging.Sort("created_at", FILE.created_at, paging.Kind.TIME),
    "filename": paging.Sort("filename", FILE.filename, paging.Kind.TEXT),
    "size": paging.Sort("file_size", FILE.file_size, paging.Kind.INTEGER),
}
NOT_LISTED = (FILE.progress, FILE.recognized, FILE.mapping)
ISSUE_ORDER = paging.Sort("row_number", ISSUE.row_number, paging.Kind.INTEGER)


def visible(organization_id: UUID, reach: Reach) -> list[Any]:
    """Return the conditions under which a membership sees a file."""
    conditions = [FILE.organization_id == organization_id, FILE.deleted_at.is_(None)]
    if reach.projects is not None:
        conditions.append(FILE.project_id.in_(reach.projects))
    return conditions


def add_file(session: Session, organization_id: UUID, new: NewFile) -> None:
    """Add an upload. Raises IntegrityError when the same bytes were uploaded meanwhile."""
    session.execute(
        insert(FILE).values(
            organization_id=organization_id,
            **{name: getattr(new, name) for name in NewFile.__slots__},
        )
    )


def find_by_digest(session: Session, organization_id: UUID, sha256: str) -> File | None:
    """Return the first living upload of these very bytes."""
    found: File | None = session.scalars(
        select(FILE).where(
            FILE.organization_id == organization_id,
            FILE.sha256 == sha256,
            FILE.deleted_at.is_(None),
            FILE.duplicate_of.is_(None),
        )
    ).one_or_none()
    return found


def bytes_uploaded(session: Session, organization_id: UUID, since: dt.datetime) -> int:
    """Sum the uploads since a moment, deleted ones too."""
    total = session.scalar(
        select(func.sum(FILE.file_size)).where(
            FILE.organization_id == organization_id, FILE.created_at >= since
        )
    )
    return int(total or 0)


def get_file(session: Session, organization_id: UUID, file_id: UUID, reach: Reach) -> File | None:
    """Return an upload that a membership may see."""
    found: File | None = session.scalars(
        select(FILE).where(*visible(organization_id, reach), FILE.id == file_id)
    ).one_or_none()
    return found


def _conditions(organization_id: UUID, reach: Reach, wanted: FileFilter) -> list[Any]:
    conditions = visible(organization_id, reach)
    exact = (
        (FILE.status, wanted.status and wanted.status.value),
        (FILE.project_id, wanted.project_id),
        (FILE.file_type, wanted.file_type),
    )
    conditions += [column == value for column, value in exact if value is not None]
    if wanted.uploaded_from is not None:
        conditions.append(FILE.created_at >= wanted.uploaded_from)
    if wanted.uploaded_to is not None:
        conditions.append(FILE.created_at < wanted.uploaded_to)
    if wanted.q:
        conditions.append(FILE.filename.icontains(wanted.q, autoescape=True))
    return conditions


def list_files(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    wanted: FileFilter,
    request: paging.PageRequest,
) -> paging.Page[File]:
    """Return a page of uploads."""
    rows = session.scalars(
        select(FILE)
        .options(*(defer(column, raiseload=True) for column in NOT_LISTED))
        .where(*_conditions(organization_id, reach, wanted), *paging.after(request, FILE.id))
        .order_by(*paging.order_by(request.sort, FILE.id))
        .limit(request.limit + 1)
    ).all()
    return paging.cut(rows, request, request.sort.name)


def count_files(session: Session, organization_id: UUID, reach: Reach, wanted: FileFilter) -> int:
    """Count uploads."""
    conditions = _conditions(organization_id, reach, wanted)
    return session.scalar(select(func.count()).select_from(FILE).where(*conditions)) or 0


def history(session: Session, organization_id: UUID, file_id: UUID) -> Sequence[FileEvent]:
    """Return what happened to a file, oldest first; at most 200 lines."""
    rows = session.scalars(
        select(EVENT)
        .where(EVENT.organization_id == organization_id, EVENT.file_id == file_id)
        .order_by(EVENT.occurred_at.desc(), EVENT.id.desc())
        .limit(200)
    ).all()
    return list(reversed(rows))


def totals_by_scope(session: Session, organization_id: UUID, file_id: UUID) -> list[ScopeTotal]:
    """Sum a file's figures by scope, exactly; none until it is complete. Biogenic figures stand
    apart, under None."""
    scope = case((TOTALS.biogenic, None), else_=TOTALS.scope)
    rows = session.execute(
        select(
            scope.label("scope"),
            func.sum(TOTALS.figures),
            func.coalesce(func.sum(TOTALS.kg).filter(~TOTALS.biogenic), 0),
            func.coalesce(func.sum(TOTALS.kg).filter(TOTALS.biogenic), 0),
        )
        .join(FILE, and_(FILE.organization_id == TOTALS.organization_id, FILE.id == TOTALS.file_id))
        .where(
            TOTALS.organization_id == organization_id,
            TOTALS.file_id == file_id,
            FILE.status == FileStatus.COMPLETED.value,
        )
        .group_by(scope)
    ).all()
    totals = [
        ScopeTotal(found, int(count), float(kg), float(outside))
        for found, count, kg, outside in rows
    ]
    return sorted(totals, key=lambda total: total.scope or 9)


def list_issues(
    session: Session,
    organization_id: UUID,
    file_id: UUID,
    wanted: IssueFilter,
    request: paging.PageRequest,
) -> paging.Page[RowIssue]:
    """Return a page of what is wrong with a file's rows, in the order of the rows."""
    rows = session.scalars(
        select(ISSUE)
        .where(
            *_issue_conditions(organization_id, file_id, wanted), *paging.after(request, ISSUE.id)
        )
        .order_by(*paging.order_by(request.sort, ISSUE.id))
        .limit(request.limit + 1)
    ).all()
    return paging.cut(rows, request, "row_number")


def count_issues(
    session: Session, organization_id: UUID, file_id: UUID, wanted: IssueFilter
) -> int:
    """Count what is wrong with a file's rows."""
    conditions = _issue_conditions(organization_id, file_id, wanted)
    return session.scalar(select(func.count()).select_from(ISSUE).where(*conditions)) or 0


def _issue_conditions(organization_id: UUID, file_id: UUID, wanted: IssueFilter) -> list[Any]:
    conditions = [ISSUE.organization_id == organization_id, ISSUE.file_id == file_id]
    if wanted.severity:
        conditions.append(ISSUE.severity == wanted.severity)
    if wanted.code:
        conditions.append(ISSUE.code == wanted.code)
    return conditions
