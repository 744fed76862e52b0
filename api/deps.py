"""Who is asking, for which organization, with which right. Every route goes through here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import Session

from api import idempotency, key_access, limits, parameters
from api.errors import ApiError
from api.middleware import UPLOAD_PATH
from api.pagination import Paging, paging
from api.services import Services, services_of
from core.errors import Unauthenticated
from core.permissions import Operation, Reach, Role, may, reach_of
from db.engine import TenantSession, tenant_session
from db.queries.audit import Actor
from db.queries.auth import Membership, Principal, find_principal
from runtime import logging as logs

INVALID_TOKEN = {"WWW-Authenticate": 'Bearer realm="tonnage", error="invalid_token"'}

ServicesDep = Annotated[Services, Depends(services_of)]
bearer = HTTPBearer(
    bearerFormat="JWT",
    scheme_name="accessToken",
    description="The `access_token` of POST /v1/auth/login; it lives for an hour. "
    "Or an API key, for what belongs to an organization.",
    auto_error=False,
)


@dataclass(frozen=True, slots=True)
class Member:
    """A person within the organization that the request is for."""

    principal: Principal
    organization_id: UUID
    organization_name: str
    role: Role
    reach: Reach
    request_id: str

    @property
    def actor(self) -> Actor:
        """The person as the audit trail names them."""
        key_id = self.principal.key_id
        kind = "user" if key_id is None else f"api_key:{key_id}"
        return Actor(self.principal.user_id, kind, self.request_id)


def authenticate(services: Services, token: str) -> Principal:
    """Return who an access token or API key belongs to, as of now. Raises 401."""
    if key_access.looks_like_key(token):
        machine = key_access.principal_of(services, token)
        if machine is None:
            raise ApiError("unauthenticated", headers=INVALID_TOKEN)
        return machine
    try:
        claims = services.access_tokens.read(token)
    except Unauthenticated as error:
        raise ApiError("unauthenticated", headers=INVALID_TOKEN) from error
    with Session(services.auth_engine) as session:
        principal = find_principal(session, claims.user_id, claims.session_id)
    if principal is None:
        raise ApiError("unauthenticated", headers=INVALID_TOKEN)
    return principal


def caller(
    request: Request,
    services: ServicesDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Principal:
    """Require a valid access token whose session is alive, or an API key that works."""
    if credentials is None:
        raise ApiError("unauthenticated")
    who = authenticate(services, credentials.credentials)
    limits.charge(request, services.limiter, "user", who.caller_id)
    parameters.check(request)
    return who


CallerDep = Annotated[Principal, Depends(caller)]


def principal(who: CallerDep) -> Principal:
    """Require a person: an account is not a machine's business."""
    if who.key_id is not None:
        raise ApiError("unauthenticated", headers=INVALID_TOKEN)
    return who


PrincipalDep = Annotated[Principal, Depends(principal)]

OrganizationHeader = Annotated[
    str | None,
    Header(
        alias="X-Organization-Id",
        description="The organization this request is for; may be left out with one membership.",
        json_schema_extra={"format": "uuid"},
    ),
]


def choose_membership(who: Principal, wanted: str | None) -> Membership:
    """Return the membership that a request is for.

    An unknown organization, one that the user is no member of, and a malformed id look the same.
    """
    if wanted is None:
        if len(who.memberships) > 1:
            raise ApiError("organization_required")
        if not who.memberships:
            raise ApiError("not_found")
        return who.memberships[0]
    for membership in who.memberships:
        if str(membership.organization_id) == wanted.strip().lower():
            return membership
    raise ApiError("not_found")


def member(request: Request, who: CallerDep, organization: OrganizationHeader = None) -> Member:
    """Require a membership."""
    chosen = choose_membership(who, organization)
    logs.note(organization_id=chosen.organization_id, user_id=who.user_id)
    limits.charge(request, services_of(request).limiter, "org", chosen.organization_id)
    return Member(
        principal=who,
        organization_id=chosen.organization_id,
        organization_name=chosen.organization_name,
        role=Role(chosen.role),
        reach=reach_of(chosen.permissions),
        request_id=request.state.request_id,
    )


async def turn(
    request: Request, services: ServicesDep, who: CallerDep, organization: OrganizationHeader = None
) -> AsyncIterator[None]:
    """Wait until the organization may run one more list or search. Raises 503 `busy`.

    A search of seconds is allowed; as many of them as there are connections would leave none to
    anybody else.
    """
    async with services.lists.take(holder_of(request, who, organization)):
        yield


async def turn_to_change(
    request: Request, services: ServicesDep, who: CallerDep, organization: OrganizationHeader = None
) -> AsyncIterator[None]:
    """Wait until the organization may make one more change. Raises 503 `busy`.

    A change waits for a row that a worker or another change holds, for 3 s: eighty clicks on
    "retry" would hold all threads and connections meanwhile. Uploads have turns of their own,
    since theirs last as long as the file takes to arrive.
    """
    if request.method == "GET" or request.url.path == UPLOAD_PATH:
        yield
        return
    async with services.changes.take(holder_of(request, who, organization)):
        yield


def holder_of(request: Request, who: Principal, organization: str | None) -> UUID:
    """Return whose turn a request takes: the organization's, or the caller's if it names none."""
    with suppress(ApiError):  # what is wrong with it is told by whoever requires the membership
        wanted = request.path_params.get("organization_id", organization)
        return choose_membership(who, wanted).organization_id
    return who.user_id


def in_turn(
    asked: Annotated[Paging, Depends(paging)],
    _turn: Annotated[None, Depends(turn, scope="function")],
) -> Paging:
    """Return the paging of a list whose turn it is."""
    return asked


PagingDep = Annotated[Paging, Depends(in_turn)]


def admit(request: Request, who: Member, operation: Operation) -> None:
    """Check the right, take a permit where the operation is dear, reserve the Idempotency-Key."""
    if not may(who.role, operation, who.reach):
        raise ApiError("permission_denied")
    if policy := limits.POLICY_OF.get(operation):
        limits.charge(request, services_of(request).limiter, policy, who.organization_id)
    idempotency.begin(request, who.organization_id, who.principal.caller_id)


ChangeTurn = Annotated[None, Depends(turn_to_change, scope="function")]


def requires(operation: Operation) -> Callable[..., Any]:
    """Return a dependency: a member whose role includes `operation`, and whose turn it is."""

    def allowed(
        request: Request, _turn: ChangeTurn, who: Annotated[Member, Depends(member)]
    ) -> Member:
        admit(request, who, operation)
        return who

    return allowed


def requires_here(operation: Operation) -> Callable[..., Any]:
    """Return a dependency: a member of the organization in the path, with the right to do this."""

    def allowed(
        organization_id: UUID, request: Request, _turn: ChangeTurn, who: CallerDep
    ) -> Member:
        here = member(request, who, str(organization_id))
        admit(request, here, operation)
        return here

    return allowed


ReaderDep = Annotated[Member, Depends(requires(Operation.READ))]
UploaderDep = Annotated[Member, Depends(requires(Operation.UPLOAD_FILES))]


def tenant(
    services: ServicesDep, who: Annotated[Member, Depends(member)]
) -> Iterator[TenantSession]:
    """Open a session of the member's organization for the time of the route."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        yield session


# scope="function": the connection goes back to the pool before the answer is sent
TenantDep = Annotated[TenantSession, Depends(tenant, scope="function")]
