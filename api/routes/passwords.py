"""/v1/auth/password and /v1/auth/sessions: what people do with their own account."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from api import invitations, passwords
from api.deps import PagingDep, PrincipalDep, ServicesDep, bearer, caller, principal
from api.errors import ApiError
from api.openapi import SIGNED_IN, WITH_BODY, documented
from api.pagination import Binding, next_cursor
from api.routes.auth import access
from api.schemas.auth import OrganizationAccess
from api.schemas.common import pagination
from api.schemas.passwords import Join, PasswordChange, SessionItem, SessionList
from db.queries import credentials as queries
from db.queries.auth import Principal

router = APIRouter(prefix="/v1/auth", tags=["auth"])


@router.post(
    "/password", status_code=204,
    **documented(
        "account_exists", "conflict", "invalid_one_time_token", "too_many_attempts",
        *SIGNED_IN, *WITH_BODY,
    ),
)  # fmt: skip
async def set_password(
    body: PasswordChange,
    request: Request,
    services: ServicesDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> None:
    """Set a password: with access token and old password, or with a one-time token alone.

    A change ends all other sessions of the person, a one-time token all of them; then log in.
    A token of an invitation makes the account and accepts; an address that has an account
    accepts with POST /v1/auth/join.
    """
    address = request.client.host if request.client else "unknown"
    if body.token is not None:
        asked = passwords.Redemption(body.token, body.new_password, address)
        await passwords.set_with_token(services, asked, request.state.request_id)
        return
    who = principal(await run_in_threadpool(caller, request, services, credentials))
    old = body.old_password or ""
    await passwords.change(services, who, old, body.new_password, address)


def account_owner(who: PrincipalDep) -> Principal:
    """Require a login of the account itself. Raises 403.

    A session for which an organization's provider vouched stands for the person there only.
    """
    if who.only_organization_id is not None:
        raise ApiError("permission_denied")
    return who


OwnerDep = Annotated[Principal, Depends(account_owner)]


@router.post(
    "/join", **documented("unknown_invitation", "permission_denied", *SIGNED_IN, *WITH_BODY)
)
def join(body: Join, who: OwnerDep, request: Request, services: ServicesDep) -> OrganizationAccess:
    """Accept an invitation that was made to the mail address of this account.

    Until then it gives nothing.
    """
    joined = invitations.join(services, who, body.token, request.state.request_id)
    return access(services, joined)


@router.get("/sessions", **documented("cursor_invalid", "permission_denied", *SIGNED_IN))
def list_sessions(
    who: OwnerDep,
    services: ServicesDep,
    paging: PagingDep,
    request: Request,
    response: Response,
) -> SessionList:
    """List the user's own logins that are alive, newest first."""
    binding = Binding("sessions", who.user_id, None)
    asked = paging.request(services.cursors, queries.BY_LOGIN, binding)
    with Session(services.auth_engine) as session:
        page = queries.list_sessions(session, who.user_id, asked)
        total = queries.count_sessions(session, who.user_id) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return SessionList(
        sessions=[
            SessionItem(
                id=row.id,
                current=row.id == who.session_id,
                created_at=row.created_at,
                last_used_at=row.last_used_at,
                expires_at=row.expires_at,
            )
            for row in page.rows
        ],
        pagination=pagination(paging.limit, cursor, total),
    )


@router.delete(
    "/sessions/{session_id}",
    status_code=204,
    **documented("not_found", "permission_denied", *SIGNED_IN),
)
def end_session(session_id: UUID, who: OwnerDep, services: ServicesDep) -> None:
    """End one of the user's own logins; its tokens stop working at once."""
    with Session(services.auth_engine) as session:
        if not queries.end_own_session(session, who.user_id, session_id):
            raise ApiError("not_found")
        session.commit()
