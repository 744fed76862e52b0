"""/v1/auth: logins, sessions, who am I."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from api import logins
from api.deps import PrincipalDep, ServicesDep
from api.openapi import SIGNED_IN, WITH_BODY, documented
from api.schemas.auth import CurrentUser, Login, OrganizationAccess, ProjectName, Refresh, Tokens
from api.services import Services
from api.throttles import Attempt
from core.permissions import Role, features, reach_of
from db.engine import tenant_session
from db.queries.auth import Membership
from db.queries.organizations import list_projects

router = APIRouter(prefix="/v1/auth", tags=["auth"])


@router.post("/login", **documented("invalid_credentials", "too_many_attempts", *WITH_BODY))
async def login(body: Login, request: Request, services: ServicesDep) -> Tokens:
    """Exchange e-mail and password for an access token (1 h) and a refresh token (7 d)."""
    address = request.client.host if request.client else "unknown"
    attempt = Attempt(body.email.strip().lower(), body.password, address)
    return await logins.log_in(services, attempt)


@router.post("/refresh", **documented("invalid_refresh_token", *WITH_BODY))
def refresh(body: Refresh, services: ServicesDep) -> Tokens:
    """Exchange a refresh token, which works once, for the next pair of tokens.

    Using one again later than ten seconds ends the whole session.
    """
    return logins.refresh(services, body.refresh_token)


@router.post("/logout", status_code=204, **documented(*SIGNED_IN))
def logout(who: PrincipalDep, services: ServicesDep) -> None:
    """End this session; its tokens stop working at once."""
    logins.log_out(services, who)


@router.get("/me", **documented(*SIGNED_IN))
async def get_me(who: PrincipalDep, services: ServicesDep) -> CurrentUser:
    """Return the user with their organizations, projects and what they may do there."""
    organizations = [
        await run_in_threadpool(access, services, membership) for membership in who.memberships
    ]
    return CurrentUser(
        id=who.user_id,
        email=who.email,
        first_name=who.first_name,
        last_name=who.last_name,
        organizations=organizations,
    )


def access(services: Services, membership: Membership) -> OrganizationAccess:
    """Return what a membership allows, with the names of its projects."""
    organization_id, role = membership.organization_id, Role(membership.role)
    reach = reach_of(membership.permissions)
    with tenant_session(services.app_engine, organization_id) as session:
        projects = list_projects(session, organization_id, reach)
    return OrganizationAccess(
        id=organization_id,
        name=membership.organization_name,
        role=role,
        permissions=membership.permissions,
        projects=[ProjectName(id=project.id, name=project.name) for project in projects],
        features=features(role, reach),
    )
