"""Chains of the audit trail as an auditor reads them: across organizations, from first to last.

Run as platform, in one snapshot: heads and events tell of the same moment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from core.audit import ChainedEvent, Head

STREAMED_ROWS = 2000

_EVENTS = text(
    "SELECT organization_id, id, sequence, previous_hash, hash, occurred_at, actor, actor_user_id,"
    " action, object_type, object_id, CAST(before AS text) AS before, CAST(after AS text) AS after,"
    " request_id FROM audit_events WHERE organization_id = :organization_id"
    " ORDER BY sequence NULLS LAST, id"
)


def organizations(session: Session) -> Sequence[UUID]:
    """Return every organization that has a chain or should have one."""
    return session.scalars(
        text(
            "SELECT organization_id FROM audit_heads UNION SELECT o.id FROM organizations o"
            " WHERE EXISTS (SELECT FROM audit_events e WHERE e.organization_id = o.id)"
            " ORDER BY 1"
        )
    ).all()


def heads(session: Session, organization_id: UUID | None = None) -> list[Head]:
    """Return the heads of all chains, or of one organization's."""
    rows = session.execute(
        text(
            "SELECT organization_id, sequence, hash FROM audit_heads"
            " WHERE organization_id = coalesce(:organization_id, organization_id) ORDER BY 1"
        ),
        {"organization_id": organization_id},
    )
    return [Head(row.organization_id, row.sequence, bytes(row.hash)) for row in rows]


def events(session: Session, organization_id: UUID) -> Generator[ChainedEvent, None, None]:
    """Yield an organization's events by sequence, a few thousand in memory at a time."""
    rows = session.execute(
        _EVENTS,
        {"organization_id": organization_id},
        execution_options={"yield_per": STREAMED_ROWS},
    )
    with contextlib.closing(rows):  # also when nobody reads to the end
        for row in rows:
            yield ChainedEvent(*row)
