"""Who belongs to an organization: checked, locked, audited; an admin always stays."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from api import etags
from api.deps import Member
from api.errors import ApiError, Fault
from api.schemas.members import Membership, NewMember, Permissions
from core.permissions import Operation, Role, may, reach_of
from db.engine import TenantSession
from db.queries import api_keys, audit
from db.queries import members as queries
from db.queries.members import Invited, MemberFilter, NewPerson
from runtime.one_time_tokens import fingerprint, new_token

INVITATION_LIFETIME = dt.timedelta(hours=72)
MOST_MEMBERS = 1000


def put(
    session: TenantSession, who: Member, user_id: UUID, body: Membership, expected: str | None,
) -> Any:  # fmt: skip
    """Change a present or revive a former member; return the row.

    `expected` is an If-Match. Raises 403, 404, 409, 412, 422.
    """
    begin(session, who)
    found = queries.find_member(session, who.organization_id, user_id, former=True)
    if found is None:  # also a stranger who does exist elsewhere
        raise ApiError("not_found")
    etags.require(expected, found.updated_at)
    permissions = found.permissions or {}
    if body.permissions is not None:
        permissions = checked(session, who.organization_id, body.permissions)
    if found.deleted_at is not None:
        refuse_crowd(session, who.organization_id)
    require_admin_after(session, who, user_id, body.role, permissions)
    return _set(session, who, user_id, found, body.role, permissions)


def add(
    session: TenantSession, who: Member, body: NewMember
) -> tuple[Any, str | None, dt.datetime]:
    """Add a person by mail address; return the row, and for a new account its one-time token.

    Raises 403, 409, 422.
    """
    begin(session, who)
    permissions = checked(session, who.organization_id, body.permissions or Permissions())
    token = new_token()
    expires_at = dt.datetime.now(dt.UTC) + INVITATION_LIFETIME
    person = NewPerson(body.email, body.first_name, body.last_name)
    user_id, outcome = queries.invite(session, person, fingerprint(token), expires_at)
    if outcome is Invited.DELETED:
        raise ApiError("conflict")
    found = queries.find_member(session, who.organization_id, user_id, former=True)
    if found is None or found.deleted_at is not None:
        refuse_crowd(session, who.organization_id)
    elif outcome is Invited.EXISTING:
        raise ApiError("already_member")
    row = _set(session, who, user_id, found, body.role, permissions)
    return row, token if outcome in (Invited.CREATED, Invited.PENDING) else None, expires_at


def remove(session: TenantSession, who: Member, user_id: UUID) -> None:
    """End a membership. Raises 403, 404, 409."""
    begin(session, who)
    found = queries.find_member(session, who.organization_id, user_id)
    if found is None:
        raise ApiError("not_found")
    require_admin_after(session, who, user_id, None, {})
    queries.end_membership(session, who.organization_id, user_id)
    audit.record(
        session, who.organization_id, who.actor, action="member.removed", object_type="member",
        object_id=user_id, before=_told(found.role, found.permissions),
    )  # fmt: skip
    # they would work again if the person came back, and nobody would think of them
    by = who.principal.user_id
    for key_id in api_keys.revoke(session, who.organization_id, by, creator=user_id):
        audit.record(
            session, who.organization_id, who.actor, action="api_key.revoked",
            object_type="api_key", object_id=key_id,
        )  # fmt: skip
    session.commit()


def begin(
    session: TenantSession, who: Member, operation: Operation = Operation.MANAGE_MEMBERS
) -> None:
    """Lock the memberships, and ask again whether the caller may: it may have changed meanwhile."""
    queries.lock_members(session, who.organization_id)
    now = queries.find_member(session, who.organization_id, who.principal.user_id)
    reach = reach_of(now.permissions) if now else who.reach
    if now is None or not may(Role(now.role), operation, reach):
        raise ApiError("permission_denied")


def checked(
    session: TenantSession, organization_id: UUID, permissions: Permissions
) -> dict[str, Any]:
    """Return permissions to store. Raises 422 for projects that the organization has not."""
    named = permissions.projects or ()
    unknown = queries.unknown_projects(session, organization_id, named)
    faults = [
        Fault(f"#/permissions/projects/{place}", "project_unknown", "there is no such project")
        for place, project_id in enumerate(named)
        if project_id in unknown
    ]
    if faults:
        raise ApiError("validation_failed", faults=faults)
    return permissions.stored()


def refuse_crowd(session: TenantSession, organization_id: UUID) -> None:
    """Raise 409 when the organization has as many members as one may have."""
    if queries.count_members(session, organization_id, MemberFilter()) >= MOST_MEMBERS:
        raise ApiError("too_many_members")


def require_admin_after(
    session: TenantSession, who: Member, user_id: UUID, role: Role | None, permissions: Any
) -> None:
    """Raise 409 if no admin of the whole organization were left who can log in."""
    stays = role is Role.ADMIN and reach_of(permissions).projects is None
    if stays and user_id == who.principal.user_id:
        return
    if not queries.another_admin_is_left(session, who.organization_id, user_id):
        raise ApiError("last_admin")


def _set(
    session: TenantSession, who: Member, user_id: UUID, found: Any, role: Role, permissions: Any
) -> Any:
    """Store a membership with its event, unless nothing changes; return the row."""
    present = found is not None and found.deleted_at is None
    before = _told(found.role, found.permissions) if present else None
    after = _told(role, permissions)
    if before != after:
        queries.set_membership(session, who.organization_id, user_id, role, permissions)
        audit.record(
            session, who.organization_id, who.actor, object_type="member", object_id=user_id,
            action="member.changed" if present else "member.added", before=before, after=after,
        )  # fmt: skip
    row = queries.find_member(session, who.organization_id, user_id)
    session.commit()
    return row


def _told(role: str, permissions: Any) -> dict[str, Any]:
    return {"role": str(role), "permissions": permissions or {}}
