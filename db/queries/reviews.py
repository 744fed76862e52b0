"""What waits for a person, and how one decided."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Text, and_, cast, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Session

from core.errors import NotFound
from core.permissions import Reach
from core.records import ActivityQuery
from core.records import Decision as Matched
from db.models import Decision, File, Review
from db.queries import paging
from db.queries.results import decision_of, query_of
from db.queries.revisions import full_name

REVIEW: Any = Review
DECISION: Any = Decision
FILE: Any = File


@dataclass(frozen=True, slots=True)
class ReviewFilter:
    """Which open reviews are wanted."""

    file_id: UUID | None = None
    reason: str | None = None
    open: bool = True


@dataclass(frozen=True, slots=True)
class OpenReview:
    """An activity that waits, with what was considered."""

    id: UUID
    kg_at_risk: float | None
    review: Review
    decision: Decision
    filename: str


# What cannot be estimated at all comes first: nobody knows how large it is.
BY_RISK = paging.Sort(
    "kg_at_risk",
    REVIEW.kg_at_risk,
    paging.Kind.NUMBER,
    descending=True,
    nullable=True,
    nulls_first=True,
)


def _conditions(organization_id: UUID, reach: Reach, wanted: ReviewFilter) -> list[Any]:
    found = _visible(organization_id, reach)
    found.append(REVIEW.status == "open" if wanted.open else REVIEW.status != "open")
    if wanted.file_id is not None:
        found.append(REVIEW.file_id == wanted.file_id)
    if wanted.reason is not None:
        found.append(REVIEW.reason_code == wanted.reason)
    return found


@dataclass(frozen=True, slots=True)
class Resolved:
    """A resolution as the worker carries it out."""

    file_id: UUID
    decision_id: UUID
    query: ActivityQuery
    decision: Matched
    row_count: int
    emission_factor_id: UUID | None  # None: rejected
    resolved_by: UUID | None
    resolution_reason: str | None
    applied_at: dt.datetime | None


def resolved(session: Session, organization_id: UUID, review_id: UUID) -> Resolved:
    """Return a resolved review; raise NotFound for one that is open or gone."""
    row = session.execute(
        text(
            "SELECT r.file_id, r.decision_id, r.emission_factor_id AS chosen, r.resolved_by,"
            " r.resolution_reason, r.applied_at, d.* FROM reviews r JOIN decisions d"
            " ON d.organization_id = r.organization_id AND d.id = r.decision_id"
            " WHERE r.organization_id = :organization_id AND r.id = :review_id"
            " AND r.status <> 'open' AND r.deleted_at IS NULL"
        ),
        {"organization_id": organization_id, "review_id": review_id},
    ).one_or_none()
    if row is None:
        raise NotFound("the review is open, or does not exist for this organization")
    return Resolved(
        file_id=row.file_id,
        decision_id=row.decision_id,
        query=query_of(row.activity),
        decision=decision_of(row),
        row_count=row.row_count,
        emission_factor_id=row.chosen,
        resolved_by=row.resolved_by,
        resolution_reason=row.resolution_reason,
        applied_at=row.applied_at,
    )


def mark_applied(session: Session, organization_id: UUID, review_id: UUID) -> None:
    """Note that a resolution was carried out."""
    session.execute(
        text(
            "UPDATE reviews SET applied_at = now()"
            " WHERE organization_id = :organization_id AND id = :review_id"
        ),
        {"organization_id": organization_id, "review_id": review_id},
    )


def resolve(
    session: Session,
    organization_id: UUID,
    review_id: UUID,
    *,
    status: str,
    factor_id: UUID | None,
    user_id: UUID,
    reason: str | None,
) -> None:
    """Close a review that the caller has locked."""
    session.execute(
        text(
            "UPDATE reviews SET status = :status, emission_factor_id = :factor_id,"
            " resolved_by = :user_id, resolved_at = now(), resolution_reason = :reason"
            " WHERE organization_id = :organization_id AND id = :review_id AND status = 'open'"
        ),
        {
            "organization_id": organization_id,
            "review_id": review_id,
            "status": status,
            "factor_id": factor_id,
            "user_id": user_id,
            "reason": reason,
        },
    )


def unapplied(session: Session, older_than_s: int, limit: int = 500) -> Sequence[Any]:
    """Return (organization_id, id) of resolutions whose workflow never came to an end; as platform.

    In no order: those that fail each time must not keep the others from their turn. After a month
    nothing but the same request starts one again.
    """
    return session.execute(
        text(
            "SELECT r.organization_id, r.id FROM reviews r JOIN files f"
            " ON f.organization_id = r.organization_id AND f.id = r.file_id"
            " WHERE r.status <> 'open' AND r.applied_at IS NULL AND r.deleted_at IS NULL"
            " AND f.deleted_at IS NULL"
            " AND r.resolved_at < now() - make_interval(secs => :age)"
            " AND r.resolved_at > now() - interval '30 days'"
            " ORDER BY random() LIMIT :limit"
        ),
        {"age": older_than_s, "limit": limit},
    ).all()


_SAME = ("key", "year", "unit")  # what may differ between two uploads of one activity


def count_same(session: Session, organization_id: UUID, decision: Decision, reach: Reach) -> int:
    """Count the open reviews of the same activity, whatever its year, in other uploads."""
    activity = {k: v for k, v in decision.activity.items() if k not in _SAME}
    same = DECISION.activity.op("-")(cast(list(_SAME), ARRAY(Text))) == cast(activity, JSONB)
    return (
        session.scalar(
            select(func.count())
            .select_from(REVIEW)
            .join(DECISION, _same(DECISION, REVIEW.decision_id))
            .join(FILE, _same(FILE, REVIEW.file_id))
            .where(
                *_visible(organization_id, reach),
                REVIEW.status == "open",
                DECISION.id != decision.id,
                same,
            )
        )
        or 0
    )


@dataclass(frozen=True, slots=True)
class ByPerson:
    """Who decided for a factor, on this very upload or by a remembered decision."""

    by: UUID | None
    by_name: str | None
    at: dt.datetime
    review_id: UUID | None
    decision_id: UUID | None  # the remembered decision
    reason: str | None


def decided_by(
    session: Session, organization_id: UUID, decision: Decision, reach: Reach
) -> ByPerson | None:
    """Return who decided, where a person did; of a decision out of reach only the day."""
    row = session.execute(
        text(
            "SELECT coalesce(m.decided_by, r.resolved_by) AS by,"
            " coalesce(m.decided_at, r.resolved_at) AS at,"
            " coalesce(m.review_id, r.id) AS review_id, m.id AS decision_id,"
            " coalesce(m.reason, r.resolution_reason) AS reason, u.first_name, u.last_name,"
            " m.id IS NULL AS own, f.project_id"
            " FROM decisions d"
            " LEFT JOIN remembered_decisions m ON m.organization_id = d.organization_id"
            "  AND m.id = d.remembered_decision_id"
            " LEFT JOIN reviews origin ON origin.organization_id = d.organization_id"
            "  AND origin.id = m.review_id"
            " LEFT JOIN files f ON f.organization_id = d.organization_id AND f.id = origin.file_id"
            " LEFT JOIN reviews r ON r.organization_id = d.organization_id"
            "  AND r.decision_id = d.id AND r.status <> 'open' AND d.method = 'review'"
            " LEFT JOIN users u ON u.id = coalesce(m.decided_by, r.resolved_by)"
            " WHERE d.organization_id = :organization_id AND d.id = :id"
            " AND (m.id IS NOT NULL OR r.id IS NOT NULL)"
        ),
        {"organization_id": organization_id, "id": decision.id},
    ).one_or_none()
    if row is None:
        return None
    if not (row.own or reach.includes(row.project_id)):
        day = row.at.replace(hour=0, minute=0, second=0, microsecond=0)
        return ByPerson(None, None, day, None, None, None)
    return ByPerson(
        row.by, full_name(row.first_name, row.last_name), row.at, row.review_id, row.decision_id,
        row.reason,
    )  # fmt: skip


def find_review(
    session: Session,
    organization_id: UUID,
    review_id: UUID,
    reach: Reach,
    *,
    lock: bool = False,
) -> OpenReview | None:
    """Return a review of a completed file, open or resolved; with `lock`, held until commit."""
    query = (
        select(REVIEW, DECISION, FILE.filename)
        .join(DECISION, _same(DECISION, REVIEW.decision_id))
        .join(FILE, _same(FILE, REVIEW.file_id))
        .where(REVIEW.id == review_id, *_visible(organization_id, reach))
    )
    row = session.execute(query.with_for_update(of=REVIEW) if lock else query).one_or_none()
    return None if row is None else OpenReview(row[0].id, row[0].kg_at_risk, *row)


def _visible(organization_id: UUID, reach: Reach) -> list[Any]:
    found = [
        REVIEW.organization_id == organization_id,
        REVIEW.deleted_at.is_(None),
        FILE.deleted_at.is_(None),
        FILE.status == "completed",  # decisions of a file in work may still change
    ]
    if reach.projects is not None:
        found.append(FILE.project_id.in_(reach.projects))
    return found


def _same(table: Any, key: Any) -> Any:
    return and_(table.organization_id == REVIEW.organization_id, table.id == key)


def list_reviews(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    wanted: ReviewFilter,
    request: paging.PageRequest,
) -> paging.Page[OpenReview]:
    """Return a page of open reviews, most kg CO2e at risk first."""
    query = (
        select(REVIEW, DECISION, FILE.filename)
        .join(DECISION, _same(DECISION, REVIEW.decision_id))
        .join(FILE, _same(FILE, REVIEW.file_id))
        .where(*_conditions(organization_id, reach, wanted))
    )
    rows = paging.fetch(session, query, request, REVIEW.id)
    reviews: Sequence[OpenReview] = [
        OpenReview(review.id, review.kg_at_risk, review, decision, filename)
        for review, decision, filename in rows
    ]
    return paging.cut(reviews, request, "kg_at_risk")


def count_reviews(
    session: Session, organization_id: UUID, reach: Reach, wanted: ReviewFilter
) -> int:
    """Count open reviews."""
    return (
        session.scalar(
            select(func.count())
            .select_from(REVIEW)
            .join(FILE, _same(FILE, REVIEW.file_id))
            .where(*_conditions(organization_id, reach, wanted))
        )
        or 0
    )


def count_open(session: Session, organization_id: UUID, file_id: UUID) -> int:
    """Count the open reviews of a file."""
    query = select(func.count()).where(
        REVIEW.organization_id == organization_id,
        REVIEW.file_id == file_id,
        REVIEW.status == "open",
        REVIEW.deleted_at.is_(None),
    )
    return session.scalar(query) or 0
