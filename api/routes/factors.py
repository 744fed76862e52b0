"""/v1/emission-factors: the pinned library and the organization's own factors."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from api import factors
from api.deps import Member, PagingDep, ReaderDep, ServicesDep, TenantDep, requires
from api.errors import ApiError
from api.etags import IfMatch, etag
from api.openapi import WITH_BODY, documented
from api.pagination import Binding, choose_sort, next_cursor
from api.schemas.common import Text, pagination
from api.schemas.factors import (
    FactorAnswer,
    FactorDeleted,
    FactorList,
    NewFactor,
    ReleaseList,
    facets_answer,
)
from core.permissions import Operation
from core.records import Dimension
from db.engine import snapshot
from db.queries import audit
from db.queries import factors as queries

router = APIRouter(prefix="/v1/emission-factors", tags=["emission factors"])

ManagerDep = Annotated[Member, Depends(requires(Operation.MANAGE_FACTORS))]
FactorSort = Literal[
    "name", "-name", "category", "-category", "value", "-value", "year", "-year"
]  # fmt: skip
Scope = Annotated[int, Query(ge=1, le=3)]


def factor_filter(
    q: Annotated[Text | None, Query(description="Words, or beginnings of words")] = None,
    category: Annotated[
        Text | None, Query(description="The publication's category, as the facets list it")
    ] = None,
    region: Annotated[
        Text | None, Query(description="ISO code, with its subregions; `global`")
    ] = None,
    year: Annotated[int | None, Query(ge=1900, le=2200, description="Data year or valid")] = None,
    source: Annotated[Text | None, Query(description="Part of the citation")] = None,
    release: Annotated[
        list[Text] | None,
        Query(description="May be repeated; `own` for own factors. Else own and pinned ones"),
    ] = None,
    unit: Annotated[Text | None, Query(description="Canonical code, as in facets")] = None,
    scope: Annotated[list[Scope] | None, Query(description="May be repeated")] = None,
    dimension: Annotated[Dimension | None, Query(description="Kind of unit")] = None,
) -> queries.FactorFilter:
    """Read the filter of the list."""
    return queries.FactorFilter(
        q, category, region, year, source, tuple(sorted(set(release or ()))), unit,
        tuple(sorted(set(scope or ()))), dimension.value if dimension else None,
    )  # fmt: skip


@router.get("", **documented("cursor_invalid", operation=Operation.READ))
def list_emission_factors(
    who: ReaderDep,
    services: ServicesDep,
    session: TenantDep,
    wanted: Annotated[queries.FactorFilter, Depends(factor_filter)],
    paging: PagingDep,
    request: Request,
    response: Response,
    sort: Annotated[FactorSort, Query(description="A minus turns it round")] = "name",
) -> FactorList:
    """Search factors: own ones and those of the pinned releases, or of the releases named.

    The facets count the whole filter.
    """
    binding = Binding("emission-factors", who.organization_id, wanted)
    asked = paging.request(services.cursors, choose_sort(queries.SORTS, sort), binding)
    snapshot(session)  # page and facets tell of the same moment
    page = queries.list_factors(session, who.organization_id, wanted, asked)
    total, counted = queries.facets(session, who.organization_id, wanted)
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return FactorList(
        emission_factors=[factors.factor_item(factor) for factor in page.rows],
        pagination=pagination(paging.limit, cursor, total if paging.wants_total else None),
        facets=facets_answer(counted),
    )


@router.get("/releases", **documented(operation=Operation.READ))
def list_factor_releases(who: ReaderDep, session: TenantDep) -> ReleaseList:
    """List every release with its provenance, its place in the chain and whether it is pinned."""
    return ReleaseList(
        releases=[
            factors.pinned_release(one)
            for one in queries.list_releases(session, who.organization_id)
        ],
        own_factors=queries.count_own(session, who.organization_id),
    )


@router.get("/{emission_factor_id}", **documented(operation=Operation.READ))
def get_emission_factor(
    emission_factor_id: UUID, who: ReaderDep, session: TenantDep, response: Response
) -> FactorAnswer:
    """Return a factor with gases, licence and provenance; also one that is no longer offered."""
    return _answer(session, who, emission_factor_id, response)


@router.post(
    "", status_code=201,
    **documented(
        "duplicate_factor", "too_many_factors", *WITH_BODY, operation=Operation.MANAGE_FACTORS
    ),
)  # fmt: skip
def create_emission_factor(
    body: NewFactor, who: ManagerDep, session: TenantDep, response: Response
) -> FactorAnswer:
    """Add a factor of the organization's own; the next match uses it before the library.

    It never changes: delete it and add another to correct it.
    """
    factor_id = factors.create(session, who, body)
    response.headers["Location"] = f"/v1/emission-factors/{factor_id}"
    return _answer(session, who, factor_id, response)


@router.delete(
    "/{emission_factor_id}",
    **documented("factor_of_library", "precondition_failed", operation=Operation.MANAGE_FACTORS),
)
def delete_emission_factor(
    emission_factor_id: UUID, who: ManagerDep, session: TenantDep, if_match: IfMatch = None
) -> FactorDeleted:
    """Take an own factor out of use. Figures that were made with it stay as they are."""
    factors.delete(session, who, emission_factor_id, if_match)
    return FactorDeleted(deleted=True, emission_factor_id=emission_factor_id)


def _answer(session: TenantDep, who: Member, factor_id: UUID, response: Response) -> FactorAnswer:
    found = queries.get_factor(session, who.organization_id, factor_id)
    if found is None:
        raise ApiError("not_found")
    response.headers["ETag"] = etag(found.factor.updated_at)
    events = audit.of_object(session, who.organization_id, "emission_factor", factor_id)
    return factors.factor_answer(found, events)
