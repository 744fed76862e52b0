"""Inviting people, and their consent: nobody becomes a member by an admin's word alone.

An invitation is the same for every mail address, so that it tells nobody who has an account. Its
token is known to the person whom this organization invited; the password of an account, which
whoever invited the address first may have set, is not enough to get in here.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any
from uuid import UUID

from sqlmodel import Session

from api.deps import Member
from api.errors import ApiError
from api.members import begin, checked, refuse_crowd, told
from api.schemas.members import NewMember, Permissions
from api.services import Services
from core.permissions import Operation, Role, may, reach_of
from db.engine import TenantSession, tenant_session
from db.queries import audit, members
from db.queries import invitations as queries
from db.queries.audit import Actor
from db.queries.auth import Membership, Principal
from runtime.one_time_tokens import fingerprint, new_token

LIFETIME = dt.timedelta(hours=72)
log = logging.getLogger("tonnage.security")


def invite(session: TenantSession, who: Member, body: NewMember) -> tuple[Any, str, dt.datetime]:
    """Invite a mail address; return the row, the token and when it expires. Raises 403, 409, 422.

    Again: with a new token, and the older one is dead.
    """
    begin(session, who)
    here, token = who.organization_id, new_token()
    permissions = checked(session, here, body.permissions or Permissions())
    present = members.find_by_email(session, here, body.email)
    if present is not None and present.status != "invited":
        raise ApiError("already_member")
    found = queries.find(session, here, email=body.email)
    if found is None and present is None:
        refuse_crowd(session, here)
    expires_at = dt.datetime.now(dt.UTC) + LIFETIME
    queries.invite(
        session, here,
        queries.NewInvitation(
            email=body.email, first_name=body.first_name, last_name=body.last_name,
            role=body.role, permissions=permissions, token_sha256=fingerprint(token),
            invited_by=who.principal.user_id, expires_at=expires_at,
        ),
    )  # fmt: skip
    row = queries.find(session, here, email=body.email)
    assert row is not None
    audit.record(
        session, here, who.actor, action="member.invited", object_type="invitation",
        object_id=row.id, before=told(found.role, found.permissions) if found else None,
        after=told(row.role, row.permissions),
    )  # fmt: skip
    session.commit()
    return row, token, expires_at


def join(services: Services, who: Principal, token: str, request_id: str) -> Membership:
    """Accept an invitation as the account of its mail address. Raises 404, 409.

    Somebody else's token looks like an unknown one.
    """
    with Session(services.auth_engine) as session:
        offer = queries.offer_of_token(session, fingerprint(token))
    if offer is None or offer.email != who.email:
        raise ApiError("unknown_invitation")
    joined = accept(services, offer, who.user_id, request_id)
    if joined is None:
        raise ApiError("unknown_invitation")
    return joined


def accept(
    services: Services, offer: queries.Offer, user_id: UUID, request_id: str
) -> Membership | None:
    """Make a person the member they were invited to be; None if the invitation is over."""
    here = offer.organization_id
    with tenant_session(services.app_engine, here) as session:
        members.lock_members(session, here)
        accepted = queries.accept(session, offer)
        if accepted is None or not _may_invite(session, here, accepted.invited_by):
            return None
        found = members.find_member(session, here, user_id, former=True)
        if found is None or found.deleted_at is not None:
            role, permissions = Role(accepted.role), accepted.permissions
            members.set_membership(session, here, user_id, role, permissions)
            audit.record(
                session, here, Actor(user_id, "user", request_id), action="member.added",
                object_type="member", object_id=user_id, after=told(role, permissions),
            )  # fmt: skip
        else:  # a member in another way meanwhile, which counts
            role, permissions = Role(found.role), found.permissions or {}
        session.commit()
    log.info("user %s joined organization %s", user_id, here)
    return Membership(here, offer.organization_name, role, permissions)


def _may_invite(session: TenantSession, organization_id: UUID, user_id: UUID) -> bool:
    """Tell whether an inviter still is who may: one who was removed must leave no way in."""
    now = members.find_member(session, organization_id, user_id)
    return (
        now is not None
        and now.status != "disabled"
        and may(Role(now.role), Operation.MANAGE_MEMBERS, reach_of(now.permissions))
    )
