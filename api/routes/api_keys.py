"""/v1/organizations/{id}/api-keys: keys for machines."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from api import api_keys
from api.deps import Member, PagingDep, ServicesDep, requires_here
from api.openapi import WITH_BODY, documented
from api.pagination import Binding, next_cursor
from api.schemas.api_keys import ApiKeyItem, ApiKeyList, ApiKeyMade, ApiKeyRevoked, NewApiKey
from api.schemas.common import pagination
from core.permissions import Operation
from db.engine import tenant_session
from db.queries import api_keys as queries

router = APIRouter(prefix="/v1/organizations/{organization_id}/api-keys", tags=["organizations"])

MANAGE = Operation.MANAGE_API_KEYS
AdminHere = Annotated[Member, Depends(requires_here(MANAGE))]


@router.get("", **documented("cursor_invalid", operation=MANAGE))
def list_api_keys(
    who: AdminHere, services: ServicesDep, paging: PagingDep, request: Request, response: Response
) -> ApiKeyList:
    """List the keys that are not revoked, newest first; also expired ones."""
    organization_id = who.organization_id
    binding = Binding("api_keys", organization_id, None)
    asked = paging.request(services.cursors, queries.BY_AGE, binding)
    with tenant_session(services.app_engine, organization_id) as session:
        page = queries.list_page(session, organization_id, asked)
        total = queries.count(session, organization_id) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return ApiKeyList(
        api_keys=[ApiKeyItem.model_validate(row) for row in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )


@router.post("", status_code=201, **documented("too_many_api_keys", *WITH_BODY, operation=MANAGE))
def create_api_key(
    body: NewApiKey, who: AdminHere, services: ServicesDep, response: Response
) -> ApiKeyMade:
    """Make a key. Its secret is shown here and never again.

    It works in place of an access token for everything of this organization that its role allows,
    and never for more than its creator may do at that moment: it ends with their membership.
    """
    with tenant_session(services.app_engine, who.organization_id) as session:
        row, secret = api_keys.create(session, who, body)
    response.headers["Cache-Control"] = "no-store"
    return ApiKeyMade(api_key=ApiKeyItem.model_validate(row), secret=secret)


@router.delete("/{key_id}", **documented(operation=MANAGE))
def revoke_api_key(key_id: UUID, who: AdminHere, services: ServicesDep) -> ApiKeyRevoked:
    """Revoke a key: the next request with it is refused."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        api_keys.revoke(session, who, key_id)
    return ApiKeyRevoked(revoked=True, key_id=key_id)
