"""/v1/organizations/{id}/decisions: what is remembered of earlier reviews."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api import reviews
from api.deps import Member, PagingDep, ServicesDep, requires_here
from api.openapi import documented
from api.pagination import Binding, next_cursor
from api.present import remembered_item
from api.schemas.common import Text, pagination
from api.schemas.reviews import RememberedList, Revoked
from core.permissions import Operation
from db.engine import tenant_session
from db.queries import memory as queries

router = APIRouter(prefix="/v1/organizations/{organization_id}/decisions", tags=["reviews"])

ReaderHere = Annotated[Member, Depends(requires_here(Operation.READ))]
ResolverHere = Annotated[Member, Depends(requires_here(Operation.RESOLVE_REVIEWS))]


def memory_filter(
    q: Annotated[Text | None, Query(description="Part of the activity's name")] = None,
    emission_factor_id: Annotated[UUID | None, Query(description="Decided for this factor")] = None,
    history: Annotated[bool, Query(description="Also revoked and replaced ones")] = False,
) -> queries.MemoryFilter:
    """Read the filter of the list."""
    return queries.MemoryFilter(q, emission_factor_id, not history)


@router.get("", **documented("cursor_invalid", "permission_denied", operation=Operation.READ))
def list_decisions(
    who: ReaderHere,
    services: ServicesDep,
    wanted: Annotated[queries.MemoryFilter, Depends(memory_filter)],
    paging: PagingDep,
    request: Request,
    response: Response,
) -> RememberedList:
    """List remembered decisions, newest first: activity, factor, who, when, how often used."""
    reviews.require_whole_organization(who)
    binding = Binding("decisions", who.organization_id, wanted)
    asked = paging.request(services.cursors, queries.BY_AGE, binding)
    with tenant_session(services.app_engine, who.organization_id) as session:
        page = queries.list_memory(session, who.organization_id, wanted, asked)
        total = (
            queries.count_memory(session, who.organization_id, wanted)
            if paging.wants_total
            else None
        )
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return RememberedList(
        decisions=[remembered_item(row) for row in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )


@router.delete("/{decision_id}", **documented(operation=Operation.RESOLVE_REVIEWS))
async def revoke_decision(decision_id: UUID, who: ResolverHere, services: ServicesDep) -> Revoked:
    """Revoke a remembered decision: later uploads match as if it had never been made."""
    await run_in_threadpool(reviews.revoke, services, who, decision_id)
    return Revoked(revoked=True, decision_id=decision_id)
