"""The audit trail: written in the transaction of the change it tells of, never changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlmodel import Session

from db.ids import uuid7
from db.models import AuditEvent, User
from db.queries import paging
from db.queries.revisions import full_name

EVENT: Any = AuditEvent
USER: Any = User

BY_SEQUENCE = paging.Sort("sequence", EVENT.sequence, paging.Kind.INTEGER, descending=True)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, and in which request."""

    user_id: UUID | None
    kind: str = "user"
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events are wanted; the end of the time is excluded."""

    object_type: str | None = None
    object_id: UUID | None = None
    user_id: UUID | None = None
    action: str | None = None
    occurred_from: dt.datetime | None = None
    occurred_to: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An event with the name of the person whose act it was, if it was a person's."""

    id: UUID
    sequence: int
    event: AuditEvent
    name: str | None


def record(
    session: Session,
    organization_id: UUID,
    actor: Actor,
    *,
    action: str,
    object_type: str,
    object_id: UUID,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add one event. `before` and `after` hold only JSON values and no contents of files.

    They name people by id: a name or a mail address in them could never be erased. The event gets
    its place in the organization's chain when the transaction commits, so it may be recorded at
    any moment of it.
    """
    session.execute(
        insert(AuditEvent).values(
            id=uuid7(),
            organization_id=organization_id,
            actor_user_id=actor.user_id,
            actor=actor.kind,
            action=action,
            object_type=object_type,
            object_id=object_id,
            before=None if before is None else dict(before),
            after=None if after is None else dict(after),
            request_id=actor.request_id,
        )
    )


def of_object(
    session: Session, organization_id: UUID, object_type: str, object_id: UUID, *, limit: int = 100
) -> Sequence[AuditEvent]:
    """Return the newest events of one object, oldest first.

    Those of a transaction that is still open have no sequence yet: they are the newest.
    """
    rows = session.scalars(
        select(EVENT)
        .where(
            EVENT.organization_id == organization_id,
            EVENT.object_type == object_type,
            EVENT.object_id == object_id,
        )
        .order_by(EVENT.sequence.desc().nulls_first(), EVENT.id.desc())
        .limit(limit)
    ).all()
    return list(reversed(rows))


def list_events(
    session: Session, organization_id: UUID, wanted: AuditFilter, request: paging.PageRequest
) -> paging.Page[AuditRow]:
    """Return a page of committed events, newest first."""
    rows = session.execute(
        select(EVENT, USER.first_name, USER.last_name)
        .outerjoin(USER, USER.id == EVENT.actor_user_id)
        .where(*_conditions(organization_id, wanted), *paging.after(request, EVENT.id))
        .order_by(*paging.order_by(request.sort, EVENT.id))
        .limit(request.limit + 1)
    ).all()
    found = [AuditRow(r[0].id, r[0].sequence, r[0], full_name(r[1], r[2])) for r in rows]
    return paging.cut(found, request, "sequence")


def count_events(session: Session, organization_id: UUID, wanted: AuditFilter) -> int:
    """Count committed events."""
    found = _conditions(organization_id, wanted)
    return session.scalar(select(func.count()).select_from(EVENT).where(*found)) or 0


def _conditions(organization_id: UUID, wanted: AuditFilter) -> list[Any]:
    # the indexes leave out what has no place in the chain yet
    found = [EVENT.organization_id == organization_id, EVENT.sequence.is_not(None)]
    for column, value in (
        (EVENT.object_type, wanted.object_type),
        (EVENT.object_id, wanted.object_id),
        (EVENT.actor_user_id, wanted.user_id),
        (EVENT.action, wanted.action),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.occurred_from is not None:
        found.append(EVENT.occurred_at >= wanted.occurred_from)
    if wanted.occurred_to is not None:
        found.append(EVENT.occurred_at < wanted.occurred_to)
    return found
