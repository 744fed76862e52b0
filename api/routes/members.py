"""/v1/organizations/{id}/members: who belongs to an organization, and as what."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from api import invitations, members
from api.deps import Member, PagingDep, ServicesDep, requires_here
from api.etags import IfMatch, etag
from api.openapi import WITH_BODY, documented
from api.pagination import Binding, next_cursor
from api.schemas.common import Text, pagination
from api.schemas.members import (
    Invitation,
    MemberAdded,
    MemberItem,
    MemberList,
    MemberRemoved,
    Membership,
    NewMember,
)
from core.permissions import Operation, Role
from db.engine import tenant_session
from db.queries import members as queries

router = APIRouter(prefix="/v1/organizations/{organization_id}/members", tags=["organizations"])

MANAGE = Operation.MANAGE_MEMBERS
ReaderHere = Annotated[Member, Depends(requires_here(Operation.READ_MEMBERS))]
AdminHere = Annotated[Member, Depends(requires_here(MANAGE))]


def member_filter(
    role: Annotated[Role | None, Query(description="Only members with this role")] = None,
    q: Annotated[Text | None, Query(description="Part of the mail address or name")] = None,
) -> queries.MemberFilter:
    """Read the filter of the list."""
    return queries.MemberFilter(role, q)


def member_item(row: Any) -> MemberItem:
    """Return a member as the API shows them."""
    return MemberItem(
        user_id=row.id,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        role=Role(row.role),
        permissions=row.permissions or {},
        status=row.status,
        member_since=row.member_since,
    )


@router.get("", **documented("cursor_invalid", operation=Operation.READ_MEMBERS))
def list_members(
    who: ReaderHere,
    services: ServicesDep,
    wanted: Annotated[queries.MemberFilter, Depends(member_filter)],
    paging: PagingDep,
    request: Request,
    response: Response,
) -> MemberList:
    """List the members, and who is invited to be one, by mail address."""
    organization_id = who.organization_id
    binding = Binding("members", organization_id, wanted)
    asked = paging.request(services.cursors, queries.BY_EMAIL, binding)
    with tenant_session(services.app_engine, organization_id) as session:
        page = queries.list_members(session, organization_id, wanted, asked)
        counts = paging.wants_total
        total = queries.count_members(session, organization_id, wanted) if counts else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return MemberList(
        members=[member_item(row) for row in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )


@router.get("/{user_id}", **documented(operation=Operation.READ_MEMBERS))
def get_member(
    user_id: UUID, who: ReaderHere, services: ServicesDep, response: Response
) -> MemberItem:
    """Return one member or invited person; the ETag is for If-Match."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        found = members.find(session, who.organization_id, user_id)
    response.headers["ETag"] = etag(found.updated_at)
    return member_item(found)


@router.put(
    "/{user_id}",
    **documented(
        "last_admin", "too_many_members", "precondition_failed", *WITH_BODY, operation=MANAGE
    ),
)
def put_member(
    user_id: UUID,
    body: Membership,
    who: AdminHere,
    services: ServicesDep,
    response: Response,
    if_match: IfMatch = None,
) -> MemberItem:
    """Change the role of a member or of somebody invited, or take a former member back.

    It counts with the next request.
    Permissions that are left out stay as they are; `{}` lifts every limit. Whoever never was a
    member is added by mail address with POST.
    """
    with tenant_session(services.app_engine, who.organization_id) as session:
        row = members.put(session, who, user_id, body, if_match)
    response.headers["ETag"] = etag(row.updated_at)
    return member_item(row)


@router.post(
    "", status_code=201,
    **documented("already_member", "too_many_members", *WITH_BODY, operation=MANAGE),
)  # fmt: skip
def add_member(
    body: NewMember, who: AdminHere, services: ServicesDep, response: Response
) -> MemberAdded:
    """Invite a person by mail address; they are a member once they accept.

    The answer is the same whether the address has an account or not. It holds a token, shown here
    and never again, to hand to the person. Within 72 hours they set the password of a new account
    with it (POST /v1/auth/password), or log in to the account that they have and accept with it
    (POST /v1/auth/join). Inviting them again makes a new token, and the older one is dead.

    Until then `user_id` is the invitation's id, which stays the id of a new account.
    """
    with tenant_session(services.app_engine, who.organization_id) as session:
        row, token, expires_at = invitations.invite(session, who, body)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/v1/organizations/{who.organization_id}/members/{row.id}"
    shown = Invitation(token=token, expires_at=expires_at)
    return MemberAdded(member=member_item(row), invitation=shown)


@router.delete("/{user_id}", **documented("last_admin", operation=MANAGE))
def remove_member(user_id: UUID, who: AdminHere, services: ServicesDep) -> MemberRemoved:
    """End a membership, or withdraw an invitation.

    What the person did stays, under their name; PUT takes them back.
    """
    with tenant_session(services.app_engine, who.organization_id) as session:
        members.remove(session, who, user_id)
    return MemberRemoved(removed=True, user_id=user_id)
