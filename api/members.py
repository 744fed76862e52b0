"""Who belongs to an organization: checked, locked, audited; an admin always stays.

How people are invited and accept is in api/invitations.py.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from api import etags
from api.deps import Member
from api.errors import ApiError, Fault
from api.schemas.members import Membership, Permissions
from core.permissions import Operation, Role, may, reach_of
from db.engine import TenantSession
from db.queries import api_keys, audit, invitations
from db.queries import members as queries
from db.queries.members import MemberFilter

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
        return _put_invited(session, who, user_id, body, expected)
    etags.require(expected, found.updated_at)
    permissions = found.permissions or {}
    if body.permissions is not None:
        permissions = checked(session, who.organization_id, body.permissions)
    if found.deleted_at is not None:
        refuse_crowd(session, who.organization_id)
    require_admin_after(session, who, user_id, body.role, permissions)
    return _set(session, who, user_id, found, body.role, permissions)


def remove(session: TenantSession, who: Member, user_id: UUID) -> None:
    """End a membership. Raises 403, 404, 409."""
    begin(session, who)
    found = queries.find_member(session, who.organization_id, user_id)
    if found is None:
        _withdraw(session, who, user_id)
        return
    require_admin_after(session, who, user_id, None, {})
    queries.end_membership(session, who.organization_id, user_id)
    audit.record(
        session, who.organization_id, who.actor, action="member.removed", object_type="member",
        object_id=user_id, before=told(found.role, found.permissions),
    )  # fmt: skip
    # they would work again if the person came back, and nobody would think of them
    by = who.principal.user_id
    for key_id in api_keys.revoke(session, who.organization_id, by, creator=user_id):
        audit.record(
            session, who.organization_id, who.actor, action="api_key.revoked",
            object_type="api_key", object_id=key_id,
        )  # fmt: skip
    session.commit()


def find(session: TenantSession, organization_id: UUID, user_id: UUID) -> Any:
    """Return a member or an invited person. Raises 404."""
    found = queries.find_member(session, organization_id, user_id)
    found = found or invitations.find(session, organization_id, user_id)
    if found is None:
        raise ApiError("not_found")
    return found


def _put_invited(
    session: TenantSession, who: Member, invitation_id: UUID, body: Membership, expected: str | None
) -> Any:
    """Change what somebody will be who has not accepted yet. Raises 404, 412, 422."""
    found = invitations.find(session, who.organization_id, invitation_id)
    if found is None:
        raise ApiError("not_found")
    etags.require(expected, found.updated_at)
    permissions = found.permissions
    if body.permissions is not None:
        permissions = checked(session, who.organization_id, body.permissions)
    before, after = told(found.role, found.permissions), told(body.role, permissions)
    if before != after:
        invitations.change(session, who.organization_id, invitation_id, body.role, permissions)
        audit.record(
            session, who.organization_id, who.actor, action="invitation.changed",
            object_type="invitation", object_id=invitation_id, before=before, after=after,
        )  # fmt: skip
    row = invitations.find(session, who.organization_id, invitation_id)
    session.commit()
    return row


def _withdraw(session: TenantSession, who: Member, invitation_id: UUID) -> None:
    """Take an invitation back. Raises 404."""
    found = invitations.find(session, who.organization_id, invitation_id)
    if found is None:
        raise ApiError("not_found")
    invitations.withdraw(session, who.organization_id, invitation_id)
    audit.record(
        session, who.organization_id, who.actor, action="invitation.withdrawn",
        object_type="invitation", object_id=invitation_id,
        before=told(found.role, found.permissions),
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
    before = told(found.role, found.permissions) if present else None
    after = told(role, permissions)
    if before != after:
        queries.set_membership(session, who.organization_id, user_id, role, permissions)
        audit.record(
            session, who.organization_id, who.actor, object_type="member", object_id=user_id,
            action="member.changed" if present else "member.added", before=before, after=after,
        )  # fmt: skip
    row = queries.find_member(session, who.organization_id, user_id)
    session.commit()
    return row


def told(role: str, permissions: Any) -> dict[str, Any]:
    """Return a membership as the audit trail tells of it."""
    return {"role": str(role), "permissions": permissions or {}}
