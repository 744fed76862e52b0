"""/v1/emissions: figures, their sums, and the explanation of each."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from api import verification
from api.deps import PagingDep, ReaderDep, ServicesDep, TenantDep
from api.errors import ApiError
from api.etags import etag
from api.openapi import documented
from api.pagination import Binding, choose_sort, next_cursor
from api.present import emission_detail, emission_item, summary_answer
from api.schemas.common import Text, pagination
from api.schemas.emissions import EmissionDetail, EmissionItem, EmissionList, Verified
from core.permissions import Operation
from db.engine import snapshot
from db.models import Emission
from db.queries import audit
from db.queries import emissions as queries
from db.queries.files import history
from db.queries.misspelt import corrected
from db.queries.reviews import decided_by
from db.queries.revisions import revisions_of

router = APIRouter(prefix="/v1/emissions", tags=["emissions"])

EmissionSort = Literal["title", "-title", "type", "-type", "date", "-date", "emission", "-emission"]
Scope = Annotated[int, Query(ge=1, le=3)]

LISTED_CHARACTERS = 500  # of a description; a page of 200 whole ones may be 6 MB


def listed_emission(emission: Emission) -> EmissionItem:
    """Return a figure as lists show it: of its description the beginning."""
    item = emission_item(emission)
    written = item.activity_description
    if written is None or len(written) <= LISTED_CHARACTERS:
        return item
    return item.model_copy(update={"activity_description": written[: LISTED_CHARACTERS - 1] + "…"})


def emission_filter(
    q: Annotated[Text | None, Query(description="Full text: name, type, description")] = None,
    name: Annotated[Text | None, Query(description="Beginning of the name")] = None,
    type: Annotated[Text | None, Query(description="Activity type, exactly as uploaded")] = None,
    scope: Annotated[list[Scope] | None, Query(description="May be repeated")] = None,
    category: Annotated[
        Text | None, Query(description="Category of the emission factor, exactly as in `results`")
    ] = None,
    file_id: Annotated[UUID | None, Query(description="Of this upload")] = None,
    project_id: Annotated[UUID | None, Query(description="Of this project")] = None,
    region: Annotated[
        Text | None, Query(description="ISO 3166-1 alpha-2 or a subregion (US-CA), and no other")
    ] = None,
    date_from: Annotated[dt.date | None, Query(description="Activity date, included")] = None,
    date_to: Annotated[dt.date | None, Query(description="Activity date, included")] = None,
    min_confidence: Annotated[
        float | None, Query(ge=0, le=1, allow_inf_nan=False, description="Of the match, at least")
    ] = None,
) -> queries.EmissionFilter:
    """Read the filter; a report's criteria are the same."""
    return queries.EmissionFilter(
        q, name, type, tuple(sorted(set(scope or ()))), category, file_id, project_id, region,
        date_from, date_to, min_confidence,
    )  # fmt: skip


@router.get("", **documented("cursor_invalid", operation=Operation.READ))
def list_emissions(
    who: ReaderDep,
    services: ServicesDep,
    session: TenantDep,
    wanted: Annotated[queries.EmissionFilter, Depends(emission_filter)],
    paging: PagingDep,
    request: Request,
    response: Response,
    sort: Annotated[EmissionSort, Query(description="A minus turns it round")] = "-date",
) -> EmissionList:
    """List calculated figures; the summary covers the whole filter and not only the page."""
    binding = Binding("emissions", who.organization_id, (who.reach.key(), wanted))
    asked = paging.request(services.cursors, choose_sort(queries.SORTS, sort), binding)
    snapshot(session)  # page and summary tell of the same moment
    spelt = corrected(session, who.organization_id, who.reach, wanted.q) if wanted.q else None
    scope = (session, who.organization_id, who.reach, replace(wanted, q=spelt or wanted.q))
    page, summary = queries.list_emissions(*scope, asked), queries.summarize(*scope)
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return EmissionList(
        results=[listed_emission(emission) for emission in page.rows],
        pagination=pagination(paging.limit, cursor, summary.count if paging.wants_total else None),
        summary=summary_answer(summary),
        searched_for=spelt,
    )


@router.get("/{emission_id}", **documented(operation=Operation.READ))
def get_emission(
    emission_id: UUID, who: ReaderDep, session: TenantDep, response: Response
) -> EmissionDetail:
    """Explain one figure: texts as uploaded, conversions, factor, candidates, arithmetic."""
    found = queries.get_explained(session, who.organization_id, emission_id, who.reach)
    if found is None:
        raise ApiError("not_found")
    response.headers["ETag"] = etag(found.emission.updated_at)
    scope = (session, who.organization_id)
    return emission_detail(
        found,
        history=history(*scope, found.file.id),
        events=audit.of_object(*scope, "emission", emission_id),
        revisions=revisions_of(*scope, emission_id),
        decided_by=decided_by(*scope, found.decision, who.reach) if found.decision else None,
    )


@router.post("/{emission_id}/verify", **documented("verification_failed", operation=Operation.READ))
def verify_emission(emission_id: UUID, who: ReaderDep, session: TenantDep) -> Verified:
    """Recompute a figure from what is stored: the same digits, or 409 with the difference."""
    found = queries.get_explained(session, who.organization_id, emission_id, who.reach)
    if found is None:
        raise ApiError("not_found")
    return verification.verify(found)
