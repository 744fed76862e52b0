"""The audit trail of an organization."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from pydantic import Field

from api.schemas.common import Answer, Pagination


class AuditActor(Answer):
    """Whose act it was."""

    kind: str = Field(description="`user`: a person; `pipeline` and others: the system")
    user_id: UUID | None
    name: str | None = Field(description="As it is today; null once the person is erased")


class AuditObject(Answer):
    """What it was done to."""

    type: str
    id: UUID


class AuditEventItem(Answer):
    """One event, with its place in the organization's chain."""

    id: UUID
    sequence: int = Field(description="1, 2, 3, … without a gap, in the order of commits")
    occurred_at: dt.datetime
    actor: AuditActor
    action: str
    object: AuditObject
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None = Field(description="X-Request-Id of the request")
    previous_hash: str = Field(description="Of the event before; zeros before the first")
    hash: str = Field(description="SHA-256 in hex over the event; docs/audit.md says of what")


class AuditList(Answer):
    """A page of events, newest first."""

    events: list[AuditEventItem]
    pagination: Pagination
