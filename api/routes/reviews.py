"""/v1/emissions/reviews: what waits for a person, and how one decides."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from api import reviews
from api.deps import Member, PagingDep, ReaderDep, ServicesDep, TenantDep, requires
from api.errors import ApiError
from api.etags import IfMatch, etag
from api.openapi import WITH_BODY, documented
from api.pagination import Binding, next_cursor
from api.present import review_detail, review_item
from api.schemas.common import Text, pagination
from api.schemas.reviews import Resolution, Resolved, ReviewDetail, ReviewList
from core.permissions import Operation
from db.queries import audit
from db.queries import reviews as queries

router = APIRouter(prefix="/v1/emissions/reviews", tags=["reviews"])

ResolverDep = Annotated[Member, Depends(requires(Operation.RESOLVE_REVIEWS))]
_post = documented(
    *WITH_BODY, "precondition_failed", "review_resolved", "factor_unusable", "no_candidate",
    operation=Operation.RESOLVE_REVIEWS,
)  # fmt: skip
_post["responses"] |= {202: {"model": Resolved, "description": "Taken; still being applied"}}


def review_filter(
    file_id: Annotated[UUID | None, Query(description="Of this upload")] = None,
    reason: Annotated[Text | None, Query(description="Reason code")] = None,
    status: Annotated[
        Literal["open", "resolved"],
        Query(description="Those that wait, or those that were decided"),
    ] = "open",
) -> queries.ReviewFilter:
    """Read the filter of the list."""
    return queries.ReviewFilter(file_id, reason, status == "open")


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


@router.get("/{review_id}", **documented(operation=Operation.READ))
def get_review(
    review_id: UUID, who: ReaderDep, session: TenantDep, response: Response
) -> ReviewDetail:
    """Return one activity that waits for a person, or how one decided."""
    found = queries.find_review(session, who.organization_id, review_id, who.reach)
    if found is None:
        raise ApiError("not_found")
    response.headers["ETag"] = etag(found.review.updated_at)
    events = audit.of_object(session, who.organization_id, "review", review_id)
    return review_detail(found, events)


@router.post("/{review_id}", **_post)
async def resolve_review(
    review_id: UUID,
    body: Resolution,
    who: ResolverDep,
    services: ServicesDep,
    response: Response,
    if_match: IfMatch = None,
) -> Resolved:
    """Decide for all rows of the activity; remembered for later uploads unless said otherwise.

    `same_activity_open` counts reviews of the same activity in other uploads. They stay open, for
    their rows may differ; resolve each by itself.
    """
    stored = await reviews.resolve(services, who, review_id, body, if_match)
    if not stored.applied:
        response.status_code = 202
        response.headers["Location"] = f"/v1/emissions/reviews/{review_id}"
    return Resolved(
        review_id=review_id,
        status=stored.status,
        emission_factor_id=stored.factor_id,
        applied=stored.applied,
        decision_id=stored.memory_id,
        same_activity_open=stored.others,
    )
