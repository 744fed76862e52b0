"""The audit trail: written in the transaction of the change it tells of, never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlmodel import Session

from db.ids import uuid7
from db.models import AuditEvent


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, and in which request."""

    user_id: UUID | None
    kind: str = "user"
    request_id: str | None = None


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
    table: Any = AuditEvent
    rows = session.scalars(
        select(table)
        .where(
            table.organization_id == organization_id,
            table.object_type == object_type,
            table.object_id == object_id,
        )
        .order_by(table.sequence.desc().nulls_first(), table.id.desc())
        .limit(limit)
    ).all()
    return list(reversed(rows))
