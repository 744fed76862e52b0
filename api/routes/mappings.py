"""/v1/organizations/{id}/mappings: how tables with the same headings are read."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api import mappings, reviews
from api.deps import Member, PagingDep, ServicesDep, requires_here
from api.openapi import documented
from api.pagination import Binding, next_cursor
from api.schemas.common import pagination
from api.schemas.mappings import MappingList, MappingRevoked
from core.permissions import Operation
from db.engine import tenant_session
from db.queries import mappings as queries

router = APIRouter(prefix="/v1/organizations/{organization_id}/mappings", tags=["files"])

ReaderHere = Annotated[Member, Depends(requires_here(Operation.READ))]
UploaderHere = Annotated[Member, Depends(requires_here(Operation.UPLOAD_FILES))]


@router.get("", **documented("cursor_invalid", "permission_denied", operation=Operation.READ))
def list_mappings(
    who: ReaderHere,
    services: ServicesDep,
    paging: PagingDep,
    request: Request,
    response: Response,
    history: Annotated[bool, Query(description="Also revoked and replaced ones")] = False,
) -> MappingList:
    """List remembered mappings, newest first: headings, fields, who, when, how often used."""
    reviews.require_whole_organization(who)
    wanted = queries.MappingFilter(not history)
    binding = Binding("mappings", who.organization_id, wanted)
    asked = paging.request(services.cursors, queries.BY_AGE, binding)
    scope = (who.organization_id, wanted)
    with tenant_session(services.app_engine, who.organization_id) as session:
        page = queries.list_mappings(session, *scope, asked)
        total = queries.count_mappings(session, *scope) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    shown = [mappings.mapping_item(row) for row in page.rows]
    return MappingList(mappings=shown, pagination=pagination(paging.limit, cursor, total))


@router.delete("/{mapping_id}", **documented(operation=Operation.UPLOAD_FILES))
async def revoke_mapping(
    mapping_id: UUID, who: UploaderHere, services: ServicesDep
) -> MappingRevoked:
    """Revoke a remembered mapping: later uploads are read as if it had never been given."""
    await run_in_threadpool(mappings.revoke, services, who, mapping_id)
    return MappingRevoked(revoked=True, mapping_id=mapping_id)
