"""Figures as the API reads them: lists, and one figure with all that explains it.

Every sort has an index that ends in the id, and a page is a walk along it. What row-level security
keeps from an index goes other ways (docs/search.md): full text through the tenant view, which
yields ids and no more; the beginning of a name through the names that begin so.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import and_, false, func, select
from sqlalchemy.orm import defer
from sqlmodel import Session

from core.contracts import FileStatus
from core.permissions import Reach
from db.models import Decision, Emission, EmissionFactor, EmissionTotal, File
from db.queries import paging
from db.queries.emission_filter import (
    EMISSION,
    FIGURES,
    FILE,
    EmissionFilter,
    conditions,
    exact_sum,
    text_conditions,
    within,
)
from db.queries.emission_sums import Summary, count_emissions, summarize
from db.queries.names import names_from
from db.queries.search import language_of, query_in

__all__ = [
    "SORTS",
    "EmissionFilter",
    "Explained",
    "Summary",
    "conditions",
    "count_emissions",
    "exact_sum",
    "get_explained",
    "list_emissions",
    "summarize",
]

FACTOR: Any = EmissionFactor
DECISION: Any = Decision
TOTALS: Any = EmissionTotal

NAMES_LOOKED_UP = 200  # that begin as asked; where there are more, any walk meets them soon

SORTS = {
    "title": paging.Sort("activity_name", EMISSION.activity_name, paging.Kind.TEXT),
    "type": paging.Sort("activity_type", EMISSION.activity_type, paging.Kind.TEXT, nullable=True),
    "date": paging.Sort("activity_on", EMISSION.activity_on, paging.Kind.DATE, nullable=True),
    "emission": paging.Sort(
        "calculated_emission", EMISSION.calculated_emission, paging.Kind.NUMBER
    ),
}


# A list shows none of these, and a calculation may hold kilobytes.
WITHOUT_EXPLANATION = (
    defer(EMISSION.calculation, raiseload=True),
    defer(EMISSION.search_vector, raiseload=True),
)
WITHOUT_INDEXES = (
    defer(EMISSION.search_vector, raiseload=True),
    defer(FACTOR.search_vector, raiseload=True),
    defer(FACTOR.search_words, raiseload=True),
    defer(FACTOR.embedding, raiseload=True),
)


@dataclass(frozen=True, slots=True)
class Explained:
    """One figure with what it was made of."""

    emission: Emission
    file: File
    factor: EmissionFactor | None
    decision: Decision | None


def list_emissions(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    wanted: EmissionFilter,
    request: paging.PageRequest,
) -> paging.Page[Emission]:
    """Return a page of figures."""
    if wanted.q:
        rows = _searched(session, organization_id, reach, wanted, request)
    else:
        query = select(EMISSION).options(*WITHOUT_EXPLANATION)
        query = query.where(*_named(session, organization_id, reach, wanted))
        bounds = _date_bounds(session, organization_id, wanted, request, EMISSION)
        rows = [row[0] for row in paging.fetch(session, query, request, EMISSION.id, bounds)]
    return paging.cut(rows, request, request.sort.name)


def _searched(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    wanted: EmissionFilter,
    request: paging.PageRequest,
) -> Sequence[Emission]:
    """Return the figures of a full-text search: ids by the view, rows by row-level security."""
    assert wanted.q is not None
    tsquery = query_in(language_of(session, organization_id), wanted.q)
    found = conditions(organization_id, reach, replace(wanted, q=None, name=None), FIGURES)
    found += text_conditions(tsquery, wanted, FIGURES)
    sort = replace(request.sort, column=FIGURES[request.sort.column.key])
    query = select(FIGURES.id).where(*found)
    bounds = _date_bounds(session, organization_id, wanted, request, FIGURES)
    asked = replace(request, sort=sort)
    ids = [row.id for row in paging.fetch(session, query, asked, FIGURES.id, bounds)]
    rows = session.scalars(
        select(EMISSION)
        .options(*WITHOUT_EXPLANATION)
        .where(EMISSION.organization_id == organization_id, EMISSION.id.in_(ids))
    )
    by_id = {row.id: row for row in rows}
    return [by_id[row_id] for row_id in ids]


def _date_bounds(
    session: Session,
    organization_id: UUID,
    wanted: EmissionFilter,
    request: paging.PageRequest,
    rows: Any,
) -> list[Any]:
    """Return the days between which a walk by date finds all that has one.

    A file lies within a few months of many years, or has no dates: a walk from the newest day on
    could pass everything else first.
    """
    if request.sort.name != "activity_on":
        return []
    bounds = within(rows.activity_on, wanted.date_from, wanted.date_to)
    if wanted.file_id is not None:
        first, last = session.execute(
            select(func.min(TOTALS.month), func.max(TOTALS.month)).where(
                TOTALS.organization_id == organization_id, TOTALS.file_id == wanted.file_id
            )
        ).one()
        if first is None:
            return [false()]
        end = last.replace(day=monthrange(last.year, last.month)[1])
        bounds += within(rows.activity_on, first, end)
    return bounds


def _named(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> list[Any]:
    """Return the conditions of a filter without full text, a name's beginning as its names."""
    if not wanted.name:
        return conditions(organization_id, reach, wanted)
    names = names_from(session, organization_id, reach, wanted.name, NAMES_LOOKED_UP + 1)
    if len(names) > NAMES_LOOKED_UP:
        return conditions(organization_id, reach, wanted)
    found = conditions(organization_id, reach, replace(wanted, name=None))
    return [*found, EMISSION.activity_name.in_(names)]


def get_explained(
    session: Session, organization_id: UUID, emission_id: UUID, reach: Reach
) -> Explained | None:
    """Return one figure with its file, factor and decision."""
    found = [
        EMISSION.organization_id == organization_id,
        EMISSION.id == emission_id,
        EMISSION.deleted_at.is_(None),
        FILE.status == FileStatus.COMPLETED.value,
        FILE.deleted_at.is_(None),
    ]
    if reach.projects is not None:
        found.append(EMISSION.project_id.in_(reach.projects))
    row = session.execute(
        select(EMISSION, FILE, FACTOR, DECISION)
        .options(*WITHOUT_INDEXES)
        .join(
            FILE,
            and_(FILE.organization_id == EMISSION.organization_id, FILE.id == EMISSION.file_id),
        )
        .outerjoin(FACTOR, FACTOR.id == EMISSION.emission_factor_id)
        .outerjoin(
            DECISION,
            and_(
                DECISION.organization_id == EMISSION.organization_id,
                DECISION.id == EMISSION.decision_id,
            ),
        )
        .where(*found)
    ).one_or_none()
    return None if row is None else Explained(row[0], row[1], row[2], row[3])
