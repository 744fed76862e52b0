"""/v1/organizations: those of the user, and the settings of one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlmodel import Session

from api import organizations
from api.deps import Member, PagingDep, PrincipalDep, ServicesDep, requires_here
from api.errors import ApiError
from api.etags import IfMatch, etag
from api.openapi import SIGNED_IN, WITH_BODY, documented
from api.pagination import Binding, next_cursor
from api.schemas.common import Text, pagination
from api.schemas.organizations import (
    OrganizationAnswer,
    OrganizationItem,
    OrganizationList,
    OrganizationPatch,
)
from core.permissions import Operation, Role
from db.engine import tenant_session
from db.queries import organizations as queries

router = APIRouter(prefix="/v1/organizations", tags=["organizations"])

ReaderHere = Annotated[Member, Depends(requires_here(Operation.READ))]
AdminHere = Annotated[Member, Depends(requires_here(Operation.MANAGE_ORGANIZATION))]


def organization_filter(
    who: PrincipalDep,
    name: Annotated[Text | None, Query(description="Beginning of the name")] = None,
    role: Annotated[Role | None, Query(description="The user's role")] = None,
    country: Annotated[Text | None, Query(description="ISO 3166-1 alpha-2")] = None,
    industry: Annotated[Text | None, Query(description="Exactly as it is set")] = None,
) -> queries.OrganizationFilter:
    """Read the filter of the list."""
    return queries.OrganizationFilter(name, role, country, industry, who.only_organization_id)


@router.get("", **documented("cursor_invalid", *SIGNED_IN))
def list_organizations(
    who: PrincipalDep,
    services: ServicesDep,
    wanted: Annotated[queries.OrganizationFilter, Depends(organization_filter)],
    paging: PagingDep,
    request: Request,
    response: Response,
) -> OrganizationList:
    """List the organizations that the user belongs to, by name."""
    binding = Binding("organizations", who.user_id, wanted)
    asked = paging.request(services.cursors, queries.BY_NAME, binding)
    with Session(services.auth_engine) as session:
        page = queries.list_for_user(session, who.user_id, wanted, asked)
        total = queries.count_for_user(session, who.user_id, wanted) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return OrganizationList(
        organizations=[OrganizationItem.model_validate(row) for row in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )


@router.get("/{organization_id}", **documented(operation=Operation.READ))
def get_organization(
    who: ReaderHere, services: ServicesDep, response: Response
) -> OrganizationAnswer:
    """Return an organization with its settings; the ETag is for If-Match."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        found = queries.get_organization(session, who.organization_id)
    if found is None:
        raise ApiError("not_found")
    response.headers["ETag"] = etag(found.updated_at)
    return OrganizationAnswer.model_validate(found)


@router.patch(
    "/{organization_id}",
    **documented("precondition_failed", *WITH_BODY, operation=Operation.MANAGE_ORGANIZATION),
)
def change_organization(
    body: OrganizationPatch,
    who: AdminHere,
    services: ServicesDep,
    response: Response,
    if_match: IfMatch = None,
) -> OrganizationAnswer:
    """Change settings: thresholds, pinned factor releases, name, country, language, retention.

    Finished files and reports stay as they are; the next match uses the new settings.
    """
    with tenant_session(services.app_engine, who.organization_id) as session:
        found = organizations.change(session, who, body, if_match)
    response.headers["ETag"] = etag(found.updated_at)
    return OrganizationAnswer.model_validate(found)
