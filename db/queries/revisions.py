"""Old figures: what a review or a recalculation replaced stays readable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlmodel import Session

from db.models import EmissionRevision, User


class Cause(StrEnum):
    """What replaced a figure."""

    REVIEW = "review"
    RECALCULATION = "recalculation"


@dataclass(frozen=True, slots=True)
class Replacement:
    """By what, by whom and why figures are replaced."""

    cause: Cause
    cause_id: UUID
    user_id: UUID | None
    reason: str


REVISION: Any = EmissionRevision
USER: Any = User

FIGURE = (
    "emission_factor_id", "calculated_emission", "confidence_score", "scope", "scope3_category",
    "category", "biogenic", "calculation_method", "calculation",
)  # fmt: skip


def keep_figures(
    session: Session,
    organization_id: UUID,
    why: Replacement,
    chosen: str,
    values: Mapping[str, Any],
) -> int:
    """Copy the present figures of the emissions that `chosen` names to the revisions; return how
    many. The same replacement keeps a figure once, whatever is retried.

    `chosen` is a subquery of the caller with the column id, `values` its parameters besides
    organization_id; never input.
    """
    kept = session.execute(
        text(
            "WITH kept AS (INSERT INTO emission_revisions (organization_id, id, emission_id, cause,"
            f" cause_id, replaced_by, reason, {', '.join(FIGURE)})"
            " SELECT e.organization_id, gen_random_uuid(), e.id, :cause, :cause_id, :user_id,"
            f" :reason, {', '.join(f'e.{column}' for column in FIGURE)}"
            f" FROM emissions e JOIN {chosen} AS chosen ON chosen.id = e.id"
            " WHERE e.organization_id = :organization_id AND e.deleted_at IS NULL"
            " ON CONFLICT (organization_id, emission_id, cause, cause_id) DO NOTHING RETURNING 1)"
            " SELECT count(*) FROM kept"
        ),
        {
            **values,
            "organization_id": organization_id,
            "cause": why.cause.value,
            "cause_id": why.cause_id,
            "user_id": why.user_id,
            "reason": why.reason[:500],
        },
    )
    return int(kept.scalar_one())


def revisions_of(
    session: Session, organization_id: UUID, emission_id: UUID
) -> Sequence[tuple[EmissionRevision, str | None]]:
    """Return the old figures of one row, newest first, with the name of who replaced them."""
    rows = session.execute(
        select(REVISION, USER.first_name, USER.last_name)
        .outerjoin(USER, USER.id == REVISION.replaced_by)
        .where(REVISION.organization_id == organization_id, REVISION.emission_id == emission_id)
        .order_by(REVISION.replaced_at.desc(), REVISION.id.desc())
    ).all()
    return [(row[0], full_name(row[1], row[2])) for row in rows]


def full_name(first: str | None, last: str | None) -> str | None:
    """Return a person's name as it is shown; None when there is none."""
    return " ".join(filter(None, (first, last))) or None
