"""/v1/organizations: those of the user."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlmodel import Session

from api.deps import PagingDep, PrincipalDep, ServicesDep
from api.openapi import SIGNED_IN, documented
from api.pagination import Binding, next_cursor
from api.schemas.common import Text, pagination
from api.schemas.organizations import OrganizationItem, OrganizationList
from core.permissions import Role
from db.queries import organizations as queries

router = APIRouter(prefix="/v1/organizations", tags=["organizations"])


def organization_filter(
    name: Annotated[Text | None, Query(description="Beginning of the name")] = None,
    role: Annotated[Role | None, Query(description="The user's role")] = None,
    country: Annotated[Text | None, Query(description="ISO 3166-1 alpha-2")] = None,
    industry: Annotated[Text | None, Query()] = None,
) -> queries.OrganizationFilter:
    """Read the filter of the list."""
    return queries.OrganizationFilter(name, role, country, industry)


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
