"""Recalculations as the API and the sweep see them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, and_, cast, func, insert, literal, or_, select, text, update
from sqlalchemy.orm import aliased
from sqlmodel import Session

from core.permissions import Reach
from core.recalculation import Cited, ReasonCode, Status
from db.models import (
    Emission,
    EmissionFactor,
    FactorRelease,
    File,
    Recalculation,
    RecalculationDecision,
    RecalculationFile,
    RecalculationRow,
    RecalculationSlice,
)
from db.queries import paging

RECALCULATION: Any = Recalculation
ROW: Any = RecalculationRow
FILE: Any = File
EMISSION: Any = Emission
RELEASE: Any = FactorRelease
LOST_AFTER_S = 3600  # what was begun so long ago is looked after
BY_AGE = paging.Sort("created_at", RECALCULATION.created_at, paging.Kind.TIME, descending=True)
BY_MAGNITUDE = paging.Sort("magnitude_kg", ROW.magnitude_kg, paging.Kind.NUMBER, descending=True)
EXPIRES_AFTER = dt.timedelta(days=7)
# A worker that still writes finds out within minutes that its recalculation has ended.
PURGED_AFTER = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which completed files, and of them the activities of which years, both ends included."""

    file_ids: tuple[UUID, ...] | None = None
    project_id: UUID | None = None
    year_from: int | None = None
    year_to: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what is stored."""
        stored = {k: v for k, v in asdict(self).items() if v is not None}
        if self.file_ids is not None:
            stored["file_ids"] = [str(file_id) for file_id in self.file_ids]
        if self.project_id is not None:
            stored["project_id"] = str(self.project_id)
        return stored


@dataclass(frozen=True, slots=True)
class NewRecalculation:
    """A recalculation that is asked for."""

    id: UUID
    user_id: UUID
    releases: tuple[str, ...]
    selection: Selection
    reach: Reach
    reason: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recalculation is."""

    files: int
    files_committed: int
    files_left_out: int
    activities_matched: int
    rows_previewed: int
    rows_changed: int


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows of a preview are wanted."""

    reason: ReasonCode | None = None
    changed: bool | None = None


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row of a preview with what it is about."""

    id: UUID  # of the emission
    magnitude_kg: float
    row: RecalculationRow
    activity_name: str | None
    sheet: str | None
    row_number: int | None
    filename: str | None
    old: Cited | None
    new: Cited | None


def lock_requests(session: Session, organization_id: UUID) -> None:
    """Let one transaction at a time ask for a recalculation of an organization, until it ends."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('recalculations/' || :id, 0))"),
        {"id": str(organization_id)},
    )


def count_busy(session: Session, organization_id: UUID) -> int:
    """Count the recalculations of an organization that workers have before them."""
    busy = (Status.PREVIEWING.value, Status.COMMITTING.value)
    return (
        session.scalar(
            select(func.count())
            .select_from(RECALCULATION)
            .where(
                RECALCULATION.organization_id == organization_id,
                RECALCULATION.status.in_(busy),
                RECALCULATION.deleted_at.is_(None),
            )
        )
        or 0
    )


def add(session: Session, organization_id: UUID, new: NewRecalculation) -> None:
    """Add a recalculation that nobody has begun."""
    projects = new.reach.projects
    session.execute(
        insert(RECALCULATION).values(
            organization_id=organization_id,
            id=new.id,
            user_id=new.user_id,
            releases=list(new.releases),
            releases_before=[],  # known with the plan
            filter=new.selection.to_json(),
            projects=None if projects is None else sorted(map(str, projects)),
            reason=new.reason,
            status=Status.PREVIEWING.value,
        )
    )


def unknown_releases(session: Session, names: Sequence[str]) -> set[str]:
    """Return which of these releases are not loaded."""
    found = session.scalars(select(RELEASE.name).where(RELEASE.name.in_(names)))
    return set(names) - set(found)


def file_statuses(
    session: Session, organization_id: UUID, reach: Reach, file_ids: Sequence[UUID]
) -> Mapping[UUID, str]:
    """Return the status of those files that the membership sees."""
    query = select(FILE.id, FILE.status).where(
        FILE.organization_id == organization_id, FILE.id.in_(file_ids), FILE.deleted_at.is_(None)
    )
    if reach.projects is not None:
        query = query.where(FILE.project_id.in_(reach.projects))
    return {row.id: row.status for row in session.execute(query)}


def _visible(organization_id: UUID, reach: Reach) -> list[Any]:
    found = [RECALCULATION.organization_id == organization_id, RECALCULATION.deleted_at.is_(None)]
    if reach.projects is not None:  # who may not see all of its files does not see it
        shown = RECALCULATION.projects
        found.append(func.jsonb_typeof(shown) == "array")
        found.append(shown.contained_by(sorted(map(str, reach.projects))))
    return found


def find(
    session: Session,
    organization_id: UUID,
    recalculation_id: UUID,
    reach: Reach,
    *,
    lock: bool = False,
) -> Recalculation | None:
    """Return a recalculation that a membership may see, locked if asked."""
    query = select(RECALCULATION).where(
        *_visible(organization_id, reach), RECALCULATION.id == recalculation_id
    )
    found: Recalculation | None = session.scalars(
        query.with_for_update() if lock else query
    ).one_or_none()
    return found


def list_page(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    status: Status | None,
    request: paging.PageRequest,
) -> paging.Page[Recalculation]:
    """Return a page of recalculations, newest first."""
    rows = session.scalars(
        select(RECALCULATION)
        .where(*_listed(organization_id, reach, status), *paging.after(request, RECALCULATION.id))
        .order_by(*paging.order_by(request.sort, RECALCULATION.id))
        .limit(request.limit + 1)
    ).all()
    return paging.cut(rows, request, request.sort.name)


def count(session: Session, organization_id: UUID, reach: Reach, status: Status | None) -> int:
    """Count recalculations."""
    found = _listed(organization_id, reach, status)
    return session.scalar(select(func.count()).select_from(RECALCULATION).where(*found)) or 0


def _listed(organization_id: UUID, reach: Reach, status: Status | None) -> list[Any]:
    found = _visible(organization_id, reach)
    if status is not None:
        found.append(RECALCULATION.status == status.value)
    return found


def progress(session: Session, organization_id: UUID, recalculation_id: UUID) -> Progress:
    """Return how far a recalculation is, from what its workers have stored."""
    files: Any = RecalculationFile
    decisions: Any = RecalculationDecision
    slices: Any = RecalculationSlice

    def of(table: Any) -> Any:
        return and_(
            table.organization_id == organization_id, table.recalculation_id == recalculation_id
        )

    row = session.execute(
        select(
            func.count(),
            func.count().filter(files.state == "committed"),
            func.count().filter(files.state == "left_out"),
            select(func.count())
            .where(of(decisions), decisions.decided_at.is_not(None))
            .scalar_subquery(),
            select(func.coalesce(func.sum(slices.rows), literal(0)))
            .where(of(slices), slices.done_at.is_not(None))
            .scalar_subquery(),
            cast(func.coalesce(func.sum(files.rows_changed), 0), Integer),
        ).where(of(files))
    ).one()
    return Progress(*row)


def list_rows(
    session: Session,
    organization_id: UUID,
    recalculation_id: UUID,
    wanted: RowFilter,
    request: paging.PageRequest,
) -> paging.Page[ShownRow]:
    """Return a page of a preview's rows, the largest difference first."""
    old: Any = aliased(EmissionFactor)
    new: Any = aliased(EmissionFactor)
    cited = [
        getattr(factor, name)
        for factor in (old, new)
        for name in ("id", "release", "source_id", "name", "value_per_unit", "unit")
    ]
    rows = session.execute(
        select(
            ROW, EMISSION.activity_name, EMISSION.sheet, EMISSION.row_number, FILE.filename, *cited
        )
        .join(FILE, and_(FILE.organization_id == organization_id, FILE.id == ROW.file_id))
        .join(
            EMISSION,
            and_(EMISSION.organization_id == organization_id, EMISSION.id == ROW.emission_id),
        )
        .outerjoin(old, old.id == ROW.old_factor_id)
        .outerjoin(new, new.id == ROW.new_factor_id)
        .where(
            *_rows(organization_id, recalculation_id, wanted),
            *paging.after(request, ROW.emission_id),
        )
        .order_by(*paging.order_by(request.sort, ROW.emission_id))
        .limit(request.limit + 1)
    ).all()
    found = [
        ShownRow(
            id=row[0].emission_id, magnitude_kg=row[0].magnitude_kg, row=row[0],
            activity_name=row[1], sheet=row[2], row_number=row[3], filename=row[4],
            old=_cited(row[5:11]), new=_cited(row[11:17]),
        )
        for row in rows
    ]  # fmt: skip
    return paging.cut(found, request, request.sort.name)


def _cited(columns: Sequence[Any]) -> Cited | None:
    factor_id, release, *rest = columns
    return None if factor_id is None else Cited(release or "own", *rest)


def _rows(organization_id: UUID, recalculation_id: UUID, wanted: RowFilter) -> list[Any]:
    living = (
        select(EMISSION.id)
        .join(FILE, and_(FILE.organization_id == organization_id, FILE.id == EMISSION.file_id))
        .where(
            EMISSION.organization_id == organization_id,
            EMISSION.deleted_at.is_(None),
            FILE.deleted_at.is_(None),  # what hangs on a deleted file is deleted with it
        )
    )
    found = [
        ROW.organization_id == organization_id,
        ROW.recalculation_id == recalculation_id,
        ROW.emission_id.in_(living),
    ]
    if wanted.reason is not None:
        found.append(ROW.reason_code == wanted.reason.value)
    if wanted.changed is not None:
        found.append(ROW.changed == wanted.changed)
    return found


def count_rows(
    session: Session, organization_id: UUID, recalculation_id: UUID, wanted: RowFilter
) -> int:
    """Count a preview's rows."""
    found = _rows(organization_id, recalculation_id, wanted)
    return session.scalar(select(func.count()).select_from(ROW).where(*found)) or 0


def another_commits(session: Session, organization_id: UUID) -> bool:
    """Tell whether a recalculation of the organization is being committed."""
    found = select(RECALCULATION.id).where(
        RECALCULATION.organization_id == organization_id,
        RECALCULATION.status == Status.COMMITTING.value,
    )
    return session.scalars(found).first() is not None


def request_commit(
    session: Session, organization_id: UUID, recalculation_id: UUID, user_id: UUID
) -> None:
    """Let a preview be committed; the unique index refuses a second one at a time."""
    _change(
        session, organization_id, recalculation_id, status=Status.COMMITTING.value,
        commit_requested_at=func.now(), commit_requested_by=user_id,
    )  # fmt: skip


def cancel(session: Session, organization_id: UUID, recalculation_id: UUID) -> None:
    """End a preview that nobody wants to commit."""
    _change(
        session, organization_id, recalculation_id,
        status=Status.CANCELLED.value, ended_at=func.now(),
    )  # fmt: skip


def delete(session: Session, organization_id: UUID, recalculation_id: UUID) -> None:
    """Soft-delete a recalculation that changed nothing; the sweep removes its rows."""
    _change(
        session, organization_id, recalculation_id, deleted_at=func.now(),
        ended_at=func.coalesce(RECALCULATION.ended_at, func.now()),
    )  # fmt: skip


def _change(session: Session, organization_id: UUID, recalculation_id: UUID, **values: Any) -> None:
    session.execute(
        update(RECALCULATION)
        .where(RECALCULATION.organization_id == organization_id)
        .where(RECALCULATION.id == recalculation_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def orphaned(session: Session, older_than_s: int, limit: int = 500) -> Sequence[Any]:
    """Return (organization_id, id, status, organization_name) of what nobody may be working on; as
    platform.

    Never begun; or begun so long ago that the workflow may have ended without a word, terminated or
    forgotten: while one is "committing" its organization can commit no other.
    """
    return session.execute(
        text(
            "SELECT r.organization_id, r.id, r.status, o.name AS organization_name"
            " FROM recalculations r JOIN organizations o ON o.id = r.organization_id"
            " WHERE (r.status = 'previewing' AND r.deleted_at IS NULL"
            "  AND r.created_at < now() - make_interval(secs => :age)"
            "  AND coalesce(r.started_at < now() - make_interval(secs => :lost), true))"
            " OR (r.status = 'committing'"
            "  AND r.commit_requested_at < now() - make_interval(secs => :age)"
            "  AND coalesce(r.commit_started_at < now() - make_interval(secs => :lost), true))"
            " ORDER BY r.created_at LIMIT :limit"
        ),
        {"age": older_than_s, "limit": limit, "lost": LOST_AFTER_S},
    ).all()


def expire(session: Session) -> None:
    """Let previews expire that nobody committed in time; as platform."""
    session.execute(
        update(RECALCULATION)
        .where(RECALCULATION.status == Status.PREVIEWED.value)
        .where(RECALCULATION.previewed_at < func.now() - EXPIRES_AFTER)
        .values(status=Status.EXPIRED.value, ended_at=func.now())
        .execution_options(synchronize_session=False)
    )


def purge(session: Session) -> None:
    """Remove the rows of one preview that came to nothing, its sums stay; as platform."""
    ended = (Status.CANCELLED.value, Status.EXPIRED.value, Status.FAILED.value)
    row = session.execute(
        select(RECALCULATION.organization_id, RECALCULATION.id)
        .where(RECALCULATION.purged_at.is_(None), RECALCULATION.commit_started_at.is_(None))
        .where(RECALCULATION.ended_at < func.now() - PURGED_AFTER)
        .where(or_(RECALCULATION.status.in_(ended), RECALCULATION.deleted_at.is_not(None)))
        .limit(1)
    ).one_or_none()
    if row is None:
        return
    named = {"organization_id": row.organization_id, "id": row.id}
    session.execute(
        text(
            "DELETE FROM recalculation_files"
            " WHERE organization_id = :organization_id AND recalculation_id = :id"
        ),
        named,
    )
    _change(session, row.organization_id, row.id, purged_at=func.now())
