"""Figures as the API reads them: lists, exact summaries, one figure with all that explains it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Numeric, Text, and_, case, cast, func, or_, select
from sqlalchemy.dialects.postgresql import REGCONFIG
from sqlalchemy.orm import defer
from sqlmodel import Session

from core import exact
from core.contracts import FileStatus
from core.permissions import Reach
from db.models import Decision, Emission, EmissionFactor, File, Organization
from db.queries import paging

EMISSION: Any = Emission
FACTOR: Any = EmissionFactor
DECISION: Any = Decision
FILE: Any = File
ORGANIZATION: Any = Organization

TYPES_SHOWN = 100  # of a summary; free text of uploads may hold thousands


@dataclass(frozen=True, slots=True)
class EmissionFilter:
    """Which figures are wanted. Also the criteria of a report.

    Dates bound the activity's date, both ends included. A row that only says its year is within
    the bounds when the whole year is.
    """

    q: str | None = None  # full text, as people type it into a search box
    name: str | None = None  # beginning of the activity's name
    type: str | None = None
    scope: tuple[int, ...] = ()
    category: str | None = None
    file_id: UUID | None = None
    project_id: UUID | None = None
    region: str | None = None
    date_from: dt.date | None = None
    date_to: dt.date | None = None
    min_confidence: float | None = None


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
class Part:
    """One slice of a summary."""

    key: Any
    count: int
    kg_co2e: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Sums over everything a filter lets through. kg CO2e; biogenic CO2 is in no scope total."""

    count: int
    total_kg_co2e: float
    biogenic_kg_co2: float
    by_scope: Sequence[Part]
    by_type: Sequence[Part]  # the largest TYPES_SHOWN
    types: int  # how many there are
    upstream_kg_co2e: float = 0.0  # linked to the figures and in none of the sums above
    outside_of_scopes_kg_co2: float = 0.0


@dataclass(frozen=True, slots=True)
class Explained:
    """One figure with what it was made of."""

    emission: Emission
    file: File
    factor: EmissionFactor | None
    decision: Decision | None


def search_query(organization_id: UUID, words: str) -> ColumnElement[Any]:
    """Return the tsquery of a search box in the organization's language."""
    language = (
        select(cast(ORGANIZATION.search_language, REGCONFIG))
        .where(ORGANIZATION.id == organization_id)
        .scalar_subquery()
    )
    return func.websearch_to_tsquery(language, searchable(words))


def searchable(typed: str) -> str:
    """Return what was typed without runs of minus signs: each is a NOT to PostgreSQL, and a few
    dozen within one another are more than its parser takes."""
    return re.sub(r"-[\s(\-\"]*(?=-)", "", typed)


def conditions(organization_id: UUID, reach: Reach, wanted: EmissionFilter) -> list[Any]:
    """Return the WHERE of a filter as a membership sees it.

    Figures count once their whole file does: half a file is in no sum, a list's or a report's.
    """
    complete = select(FILE.id).where(
        FILE.organization_id == organization_id,
        FILE.status == FileStatus.COMPLETED.value,
        FILE.deleted_at.is_(None),
    )
    found = [
        EMISSION.organization_id == organization_id,
        EMISSION.deleted_at.is_(None),
        EMISSION.file_id.in_(complete),
    ]
    if reach.projects is not None:
        found.append(EMISSION.project_id.in_(reach.projects))
    if wanted.q:
        found.append(EMISSION.search_vector.op("@@")(search_query(organization_id, wanted.q)))
    if wanted.name:
        found.append(EMISSION.activity_name.istartswith(wanted.name, autoescape=True))
    if wanted.scope:
        found.append(EMISSION.scope.in_(wanted.scope))
    exact = (
        (EMISSION.activity_type, wanted.type),
        (EMISSION.category, wanted.category),
        (EMISSION.file_id, wanted.file_id),
        (EMISSION.project_id, wanted.project_id),
        (EMISSION.region, wanted.region),
    )
    found += [column == value for column, value in exact if value is not None]
    if wanted.min_confidence is not None:
        found.append(EMISSION.confidence_score >= wanted.min_confidence)
    return found + _dates(wanted)


def _dates(wanted: EmissionFilter) -> list[Any]:
    on, year = EMISSION.activity_on, EMISSION.activity_year
    found: list[Any] = []
    if wanted.date_from is not None:
        first_whole_year = wanted.date_from.year + (wanted.date_from.timetuple().tm_yday > 1)
        found.append(or_(on >= wanted.date_from, and_(on.is_(None), year >= first_whole_year)))
    if wanted.date_to is not None:
        ends_year = (wanted.date_to.month, wanted.date_to.day) == (12, 31)
        last_whole_year = wanted.date_to.year - (not ends_year)
        found.append(or_(on <= wanted.date_to, and_(on.is_(None), year <= last_whole_year)))
    return found


def list_emissions(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    wanted: EmissionFilter,
    request: paging.PageRequest,
) -> paging.Page[Emission]:
    """Return a page of figures."""
    rows = session.scalars(
        select(EMISSION)
        .options(*WITHOUT_EXPLANATION)
        .where(*conditions(organization_id, reach, wanted), *paging.after(request, EMISSION.id))
        .order_by(*paging.order_by(request.sort, EMISSION.id))
        .limit(request.limit + 1)
    ).all()
    return paging.cut(rows, request, request.sort.name)


def count_emissions(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> int:
    """Count figures."""
    found = conditions(organization_id, reach, wanted)
    return session.scalar(select(func.count()).select_from(EMISSION).where(*found)) or 0


def exact_sum(column: Any) -> ColumnElement[Decimal]:
    """Return the sum of a float column as an exact decimal of the digits that are stored.

    A sum of floats depends on the order of the rows, and so would the last digits of a total. The
    way by text is the only one that keeps all 17: a plain cast to numeric rounds to 15.
    """
    return func.coalesce(func.sum(cast(cast(column, Text), Numeric)), 0)


def summarize(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> Summary:
    """Sum everything the filter lets through, not only one page."""
    scope = case((EMISSION.biogenic, None), else_=EMISSION.scope)
    rows = session.execute(
        select(
            EMISSION.biogenic,
            scope.label("scope"),
            EMISSION.activity_type.label("type"),
            func.count().label("figures"),
            exact_sum(EMISSION.calculated_emission).label("kg"),
            exact_sum(EMISSION.upstream_emission).label("upstream"),
            exact_sum(EMISSION.outside_of_scopes_emission).label("outside"),
        )
        .where(*conditions(organization_id, reach, wanted))
        .group_by(EMISSION.biogenic, scope, EMISSION.activity_type)
    ).all()
    types = _parts([(r.type, r.figures, Decimal() if r.biogenic else r.kg) for r in rows])
    scopes = _parts([(r.scope, r.figures, r.kg) for r in rows])
    return Summary(
        count=sum(row.figures for row in rows),
        total_kg_co2e=float(exact.total(row.kg for row in rows if not row.biogenic)),
        biogenic_kg_co2=float(exact.total(row.kg for row in rows if row.biogenic)),
        by_scope=sorted(scopes, key=lambda part: part.key or 9),
        by_type=sorted(types, key=lambda part: (-part.kg_co2e, part.key or ""))[:TYPES_SHOWN],
        types=len(types),
        upstream_kg_co2e=float(exact.total(row.upstream for row in rows)),
        outside_of_scopes_kg_co2=float(exact.total(row.outside for row in rows)),
    )


def _parts(rows: list[tuple[Any, int, Decimal]]) -> list[Part]:
    sums: dict[Any, tuple[int, Decimal]] = {}
    for key, count, kg in rows:
        seen, total = sums.get(key, (0, Decimal()))
        sums[key] = (seen + count, exact.add(total, kg))
    return [Part(key, count, float(kg)) for key, (count, kg) in sums.items()]


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
