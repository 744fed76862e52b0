"""Keys of machines: made and revoked by admins, with their audit events."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from api.deps import Member
from api.errors import ApiError
from api.key_access import new_secret
from api.members import begin, checked
from api.schemas.api_keys import NewApiKey
from api.schemas.members import Permissions
from core.permissions import Operation
from db.engine import TenantSession
from db.queries import api_keys as queries
from db.queries import audit

MOST_KEYS = 50


def create(session: TenantSession, who: Member, body: NewApiKey) -> tuple[Any, str]:
    """Make a key; return its row and its secret. Raises 403, 409, 422."""
    begin(session, who, Operation.MANAGE_API_KEYS)
    if queries.count(session, who.organization_id) >= MOST_KEYS:
        raise ApiError("too_many_api_keys")
    permissions = checked(session, who.organization_id, body.permissions or Permissions())
    key_id = queries.new_id()
    secret, digest = new_secret(key_id)
    new = queries.NewKey(
        name=body.name,
        role=body.role.value,
        permissions=permissions,
        secret_sha256=digest,
        created_by=who.principal.user_id,
        expires_at=dt.datetime.now(dt.UTC) + dt.timedelta(days=body.expires_in_days),
    )
    queries.add(session, who.organization_id, key_id, new)
    told = {"name": new.name, "role": new.role, "permissions": permissions,
            "expires_at": new.expires_at.isoformat()}  # fmt: skip
    audit.record(
        session, who.organization_id, who.actor, action="api_key.created", object_type="api_key",
        object_id=key_id, after=told,
    )  # fmt: skip
    row = queries.find(session, who.organization_id, key_id)
    session.commit()
    return row, secret


def revoke(session: TenantSession, who: Member, key_id: UUID) -> None:
    """Revoke a key. Raises 404."""
    if not queries.revoke(session, who.organization_id, who.principal.user_id, key_id=key_id):
        raise ApiError("not_found")
    record_revoked(session, who, key_id)
    session.commit()


def record_revoked(session: TenantSession, who: Member, key_id: UUID) -> None:
    """Add the event of a revoked key."""
    audit.record(
        session, who.organization_id, who.actor, action="api_key.revoked", object_type="api_key",
        object_id=key_id,
    )  # fmt: skip
