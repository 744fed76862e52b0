"""/v1/emissions/recalculations: figures against other factor releases, tried first."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api import recalculations
from api.deps import Member, PagingDep, ReaderDep, ServicesDep, TenantDep, requires
from api.errors import ApiError
from api.etags import IfMatch, etag
from api.openapi import WITH_BODY, documented
from api.pagination import Binding, next_cursor
from api.present_recalculations import detail, item, row_item
from api.schemas.common import pagination
from api.schemas.recalculations import (
    RecalculationAccepted,
    RecalculationDeleted,
    RecalculationDetail,
    RecalculationList,
    RecalculationRequest,
    RecalculationRowList,
)
from core.permissions import Operation
from core.recalculation import ReasonCode, Status
from db.queries import recalculations as queries

PATH = "/v1/emissions/recalculations"
router = APIRouter(prefix=PATH, tags=["recalculations"])

RecalculatorDep = Annotated[Member, Depends(requires(Operation.RECALCULATE))]
_changes = documented("recalculation_state", "precondition_failed", operation=Operation.RECALCULATE)
_commits = documented(
    "recalculation_state", "recalculation_stale", "recalculation_running",
    "precondition_failed",     operation=Operation.RECALCULATE,
)  # fmt: skip


@router.post(
    "",
    status_code=202,
    **documented("too_many_recalculations", *WITH_BODY, operation=Operation.RECALCULATE),
)
async def preview_recalculation(
    body: RecalculationRequest, who: RecalculatorDep, services: ServicesDep, response: Response
) -> RecalculationAccepted:
    """Try other releases on completed files: a dry run, nothing changes until it is committed."""
    recalculation_id = await recalculations.request(services, who, body)
    response.headers["Location"] = f"{PATH}/{recalculation_id}"
    return RecalculationAccepted(recalculation_id=recalculation_id, status=Status.PREVIEWING)


@router.get("", **documented("cursor_invalid", operation=Operation.READ))
def list_recalculations(
    who: ReaderDep,
    services: ServicesDep,
    session: TenantDep,
    paging: PagingDep,
    request: Request,
    response: Response,
    status: Annotated[Status | None, Query(description="How far it is")] = None,
) -> RecalculationList:
    """List recalculations, newest first."""
    binding = Binding("recalculations", who.organization_id, (who.reach.key(), status))
    asked = paging.request(services.cursors, queries.BY_AGE, binding)
    scope = (session, who.organization_id, who.reach, status)
    page = queries.list_page(*scope, asked)
    total = queries.count(*scope) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return RecalculationList(
        recalculations=[item(found) for found in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )


@router.get("/{recalculation_id}", **documented(operation=Operation.READ))
async def get_recalculation(
    recalculation_id: UUID, who: ReaderDep, services: ServicesDep, response: Response
) -> RecalculationDetail:
    """Return how far a recalculation is, its sums by scope and by reason, its audit trail."""
    found = await run_in_threadpool(recalculations.load, services, who, recalculation_id)
    response.headers["ETag"] = etag(found.recalculation.updated_at)
    return detail(found)


@router.get("/{recalculation_id}/rows", **documented("cursor_invalid", operation=Operation.READ))
def list_recalculation_rows(
    recalculation_id: UUID,
    who: ReaderDep,
    services: ServicesDep,
    session: TenantDep,
    paging: PagingDep,
    request: Request,
    response: Response,
    reason: Annotated[ReasonCode | None, Query(description="Reason code")] = None,
    changed: Annotated[
        bool | None, Query(description="Only rows that would change; `false`: the others")
    ] = None,
) -> RecalculationRowList:
    """List every figure with old, new and reason, the largest difference first."""
    if queries.find(session, who.organization_id, recalculation_id, who.reach) is None:
        raise ApiError("not_found")
    wanted = queries.RowFilter(reason, changed)
    filters = (who.reach.key(), recalculation_id, wanted)
    binding = Binding("recalculation_rows", who.organization_id, filters)
    asked = paging.request(services.cursors, queries.BY_MAGNITUDE, binding)
    scope = (session, who.organization_id, recalculation_id, wanted)
    page = queries.list_rows(*scope, asked)
    total = queries.count_rows(*scope) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return RecalculationRowList(
        rows=[row_item(row) for row in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )


@router.post("/{recalculation_id}/commit", status_code=202, **_commits)
async def commit_recalculation(
    recalculation_id: UUID,
    who: RecalculatorDep,
    services: ServicesDep,
    response: Response,
    if_match: IfMatch = None,
) -> RecalculationAccepted:
    """Apply exactly what was previewed; the old figures stay readable."""
    status = await recalculations.commit(services, who, recalculation_id, if_match)
    response.headers["Location"] = f"{PATH}/{recalculation_id}"
    return RecalculationAccepted(recalculation_id=recalculation_id, status=status)


@router.post("/{recalculation_id}/cancel", **_changes)
async def cancel_recalculation(
    recalculation_id: UUID, who: RecalculatorDep, services: ServicesDep, if_match: IfMatch = None
) -> RecalculationAccepted:
    """Stop a preview, or give up one that is ready."""
    await recalculations.stop(services, who, recalculation_id, if_match, delete=False)
    return RecalculationAccepted(recalculation_id=recalculation_id, status=Status.CANCELLED)


@router.delete("/{recalculation_id}", **_changes)
async def delete_recalculation(
    recalculation_id: UUID, who: RecalculatorDep, services: ServicesDep, if_match: IfMatch = None
) -> RecalculationDeleted:
    """Delete a recalculation that changed nothing."""
    await recalculations.stop(services, who, recalculation_id, if_match, delete=True)
    return RecalculationDeleted(deleted=True, recalculation_id=recalculation_id)
