"""What waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlmodel import Session

from core.permissions import Reach
from db.models import Decision, File, Review
from db.queries import paging

REVIEW: Any = Review
DECISION: Any = Decision
FILE: Any = File


@dataclass(frozen=True, slots=True)
class ReviewFilter:
    """Which open reviews are wanted."""

    file_id: UUID | None = None
    reason: str | None = None


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
    found = [
        REVIEW.organization_id == organization_id,
        REVIEW.status == "open",
        REVIEW.deleted_at.is_(None),
        FILE.deleted_at.is_(None),
        FILE.status == "completed",  # decisions of a file in work may still change
    ]
    if reach.projects is not None:
        found.append(FILE.project_id.in_(reach.projects))
    if wanted.file_id is not None:
        found.append(REVIEW.file_id == wanted.file_id)
    if wanted.reason is not None:
        found.append(REVIEW.reason_code == wanted.reason)
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
    rows = session.execute(
        select(REVIEW, DECISION, FILE.filename)
        .join(DECISION, _same(DECISION, REVIEW.decision_id))
        .join(FILE, _same(FILE, REVIEW.file_id))
        .where(*_conditions(organization_id, reach, wanted), *paging.after(request, REVIEW.id))
        .order_by(*paging.order_by(request.sort, REVIEW.id))
        .limit(request.limit + 1)
    ).all()
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
