"""/v1/emissions/reviews: what waits for a person."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from api.deps import PagingDep, ReaderDep, ServicesDep, TenantDep
from api.openapi import documented
from api.pagination import Binding, next_cursor
from api.present import review_item
from api.schemas.common import Text, pagination
from api.schemas.emissions import ReviewList
from core.permissions import Operation
from db.queries import reviews as queries

router = APIRouter(prefix="/v1/emissions/reviews", tags=["reviews"])


def review_filter(
    file_id: Annotated[UUID | None, Query()] = None,
    reason: Annotated[Text | None, Query(description="Reason code")] = None,
) -> queries.ReviewFilter:
    """Read the filter of the list."""
    return queries.ReviewFilter(file_id, reason)


@router.get("", **documented("cursor_invalid", operation=Operation.READ))
def list_reviews(
    who: ReaderDep,
    services: ServicesDep,
    session: TenantDep,
    wanted: Annotated[queries.ReviewFilter, Depends(review_filter)],
    paging: PagingDep,
    request: Request,
    response: Response,
) -> ReviewList:
    """List activities without a sure factor, most kg CO2e at risk first, with candidates."""
    binding = Binding("reviews", who.organization_id, (who.reach.key(), wanted))
    asked = paging.request(services.cursors, queries.BY_RISK, binding)
    scope = (session, who.organization_id, who.reach, wanted)
    page = queries.list_reviews(*scope, asked)
    total = queries.count_reviews(*scope) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return ReviewList(
        reviews=[review_item(review) for review in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )
