"""Remembered decisions: what an organization decided once, for every later upload."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import func, select, text
from sqlmodel import Session

from core.matching.remembered import Remembered, memory_key
from core.records import ActivityQuery
from db.ids import uuid7
from db.models import Decision, EmissionFactor, RememberedDecision, User
from db.queries import paging
from db.queries.library import factors_by_id
from db.queries.revisions import full_name

DECISION: Any = Decision
MEMORY: Any = RememberedDecision
FACTOR: Any = EmissionFactor
USER: Any = User

BY_AGE = paging.Sort("decided_at", MEMORY.decided_at, paging.Kind.TIME, descending=True)


@dataclass(frozen=True, slots=True)
class MemoryFilter:
    """Which remembered decisions are wanted; `current` leaves out revoked and replaced ones."""

    q: str | None = None
    emission_factor_id: UUID | None = None
    current: bool = True


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """A remembered decision with its factor's and its author's names."""

    id: UUID
    decided_at: dt.datetime
    memory: RememberedDecision
    factor_name: str | None
    decided_by_name: str | None
    used: int  # decisions of uploads that it made
    last_used_at: dt.datetime | None


def remember(
    session: Session,
    organization_id: UUID,
    query: ActivityQuery,
    *,
    factor_id: UUID | None,
    user_id: UUID,
    review_id: UUID | None,
    reason: str | None,
) -> UUID:
    """Remember a decision; an earlier one on the same activity stays in the history."""
    key = memory_key(query)
    # One decision at a time on one activity: the unique index would otherwise refuse the second.
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"memory/{organization_id}/{key}"},
    )
    session.execute(
        text(
            "UPDATE remembered_decisions SET replaced_at = now()"
            " WHERE organization_id = :organization_id AND memory_key = :key"
            " AND revoked_at IS NULL AND replaced_at IS NULL"
        ),
        {"organization_id": organization_id, "key": key},
    )
    memory_id = uuid7()
    session.execute(
        text(
            "INSERT INTO remembered_decisions (organization_id, id, memory_key, activity,"
            " emission_factor_id, reason, review_id, decided_by) VALUES (:organization_id, :id,"
            " :key, :activity, :factor_id, :reason, :review_id, :user_id)"
        ),
        {
            "organization_id": organization_id,
            "id": memory_id,
            "key": key,
            "activity": Jsonb(asdict(query)),
            "factor_id": factor_id,
            "reason": reason,
            "review_id": review_id,
            "user_id": user_id,
        },
    )
    return memory_id


def recall(
    session: Session, organization_id: UUID, queries: Sequence[ActivityQuery]
) -> dict[str, Remembered]:
    """Return what is remembered for `queries`, by activity key."""
    wanted: dict[str, list[str]] = {}
    for query in queries:
        wanted.setdefault(memory_key(query), []).append(query.key)
    rows = session.execute(
        text(
            "SELECT id, memory_key, emission_factor_id, decided_at FROM remembered_decisions"
            " WHERE organization_id = :organization_id AND memory_key = ANY(:keys)"
            " AND revoked_at IS NULL AND replaced_at IS NULL"
        ),
        {"organization_id": organization_id, "keys": sorted(wanted)},
    ).all()
    factors = factors_by_id(session, (r.emission_factor_id for r in rows if r.emission_factor_id))
    found = {}
    for row in rows:
        factor = factors.get(row.emission_factor_id) if row.emission_factor_id else None
        if row.emission_factor_id and factor is None:
            continue  # the factor itself is gone: nothing is remembered then
        for key in wanted[row.memory_key]:
            found[key] = Remembered(row.id, factor, row.decided_at)
    return found


def revoke(session: Session, organization_id: UUID, memory_id: UUID, user_id: UUID) -> bool:
    """Let a remembered decision count no more; False when there is no such current one."""
    changed = session.execute(
        text(
            "UPDATE remembered_decisions SET revoked_at = now(), revoked_by = :user_id"
            " WHERE organization_id = :organization_id AND id = :id"
            " AND revoked_at IS NULL AND replaced_at IS NULL RETURNING 1"
        ),
        {"organization_id": organization_id, "id": memory_id, "user_id": user_id},
    )
    return changed.scalar() is not None


def _conditions(organization_id: UUID, wanted: MemoryFilter) -> list[Any]:
    found = [MEMORY.organization_id == organization_id]
    if wanted.current:
        found += [MEMORY.revoked_at.is_(None), MEMORY.replaced_at.is_(None)]
    if wanted.emission_factor_id is not None:
        found.append(MEMORY.emission_factor_id == wanted.emission_factor_id)
    if wanted.q:
        name = MEMORY.activity["name"].astext
        found.append(name.icontains(wanted.q, autoescape=True))
    return found


def list_memory(
    session: Session,
    organization_id: UUID,
    wanted: MemoryFilter,
    request: paging.PageRequest,
) -> paging.Page[MemoryRow]:
    """Return a page of remembered decisions, newest first."""
    use = (DECISION.organization_id == organization_id) & (
        DECISION.remembered_decision_id == MEMORY.id
    )
    rows = session.execute(
        select(
            MEMORY,
            FACTOR.name,
            USER.first_name,
            USER.last_name,
            select(func.count()).where(use).scalar_subquery(),
            select(func.max(DECISION.created_at)).where(use).scalar_subquery(),
        )
        .outerjoin(FACTOR, FACTOR.id == MEMORY.emission_factor_id)
        .outerjoin(USER, USER.id == MEMORY.decided_by)
        .where(*_conditions(organization_id, wanted), *paging.after(request, MEMORY.id))
        .order_by(*paging.order_by(request.sort, MEMORY.id))
        .limit(request.limit + 1)
    ).all()
    found: Sequence[MemoryRow] = [
        MemoryRow(row[0].id, row[0].decided_at, row[0], row[1], full_name(row[2], row[3]), *row[4:])
        for row in rows
    ]
    return paging.cut(found, request, "decided_at")


def count_memory(session: Session, organization_id: UUID, wanted: MemoryFilter) -> int:
    """Count remembered decisions."""
    found = _conditions(organization_id, wanted)
    return session.scalar(select(func.count()).select_from(MEMORY).where(*found)) or 0
