"""Sums of figures: of a filtered million in milliseconds, exact to the last stored digit.

Triggers keep two rollups with the figures (db/migrations/versions/sql/search_rollups_up.sql):
emission_totals by months and all that a filter names besides texts, emission_texts by texts and all
that it names besides dates. Their sums are decimals, so that adding a group is adding its rows.
What neither knows is summed from the figures themselves: the days that a period cuts off of its
first or last month, and texts within a period.
"""

from __future__ import annotations

import datetime as dt
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.errors import QueryCanceled
from sqlalchemy import and_, case, func, or_, select, text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from core import exact
from core.permissions import Reach
from core.reporting import Totals
from db.models import EmissionTotal
from db.queries.emission_filter import (
    EMISSION,
    FIGURES,
    TEXTS,
    EmissionFilter,
    date_conditions,
    exact_sum,
    first_whole_year,
    last_whole_year,
    shared_conditions,
    text_conditions,
)
from db.queries.search import language_of, query_in

TOTALS: Any = EmissionTotal
TYPES_SHOWN = 100  # of a summary; free text of uploads may hold thousands


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
class _Group:
    biogenic: bool
    scope: int | None
    type: str | None
    figures: int
    kg: Decimal
    upstream: Decimal
    outside: Decimal


def summarize(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> Summary:
    """Sum everything the filter lets through, not only one page."""
    rows = _groups(session, organization_id, reach, wanted)
    types = _parts([(r.type, r.figures, Decimal() if r.biogenic else r.kg) for r in rows])
    scopes = _parts([(r.scope, r.figures, Decimal() if r.biogenic else r.kg) for r in rows])
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


def total_of(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> Totals:
    """Return the exact sums of everything the filter lets through, as a report has them."""
    return _totals(_groups(session, organization_id, reach, wanted))


def _totals(rows: Sequence[_Group]) -> Totals:
    return Totals(
        sum(row.figures for row in rows),
        exact.total(row.kg for row in rows if not row.biogenic),
        exact.total(row.kg for row in rows if row.biogenic),
    )


def total_within(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter, *, limit_ms: int
) -> Totals | None:
    """Return total_of; None when a statement of it takes longer, and the transaction is over."""
    session.execute(
        text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": str(limit_ms)}
    )
    try:
        return total_of(session, organization_id, reach, wanted)
    except OperationalError as error:
        if isinstance(error.orig, QueryCanceled):
            return None
        raise


def _parts(rows: list[tuple[Any, int, Decimal]]) -> list[Part]:
    sums: dict[Any, tuple[int, Decimal]] = {}
    for key, count, kg in rows:
        seen, total = sums.get(key, (0, Decimal()))
        sums[key] = (seen + count, exact.add(total, kg))
    return [Part(key, count, float(kg)) for key, (count, kg) in sums.items()]


def count_emissions(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> int:
    """Count figures."""
    return sum(row.figures for row in _groups(session, organization_id, reach, wanted))


def _groups(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> list[_Group]:
    """Return the sums by what a summary shows; a group may come twice."""
    return [
        group
        for rows, found in _sources(session, organization_id, reach, wanted)
        for group in _summed(session, rows, found)
    ]


def _sources(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> list[tuple[Any, list[Any]]]:
    """Return what holds everything that the filter lets through, with the conditions on each:
    rollups, and the figures of what these do not know."""
    shared = (organization_id, reach, wanted)
    if wanted.q or wanted.name:
        language = language_of(session, organization_id)
        dated = wanted.date_from is not None or wanted.date_to is not None
        rows: Any = FIGURES if dated else TEXTS
        texts = text_conditions(query_in(language, wanted.q or ""), wanted, rows)
        found = [*shared_conditions(*shared, rows), *texts]
        if dated:
            found += [rows.deleted_at.is_(None), *date_conditions(wanted, rows)]
        return [(rows, found)]
    sources = [(TOTALS, [*shared_conditions(*shared, TOTALS), *_months(wanted)])]
    for days in cut_off(wanted):
        found = [
            EMISSION.deleted_at.is_(None),
            *shared_conditions(*shared, EMISSION),
            EMISSION.activity_on.between(*days),
        ]
        sources.append((EMISSION, found))
    return sources


def files_with_figures(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> list[UUID]:
    """Return the files that have a figure among what the filter lets through."""
    found: set[UUID] = set()
    for rows, those in _sources(session, organization_id, reach, wanted):
        some = [*those, rows.figures > 0] if _is_rollup(rows) else those
        found |= {row[0] for row in session.execute(select(rows.file_id).where(*some).distinct())}
    return sorted(found)


def undated(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> Totals:
    """Return the sums of the figures that state neither day nor year, under the other filters."""
    rest = replace(wanted, date_from=None, date_to=None)
    if rest.q or rest.name:  # the rollup by texts knows no dates
        query = query_in(language_of(session, organization_id), rest.q or "")
        rows: Any = FIGURES
        found = [rows.deleted_at.is_(None), rows.activity_on.is_(None)]
        found += text_conditions(query, rest, rows)
    else:
        rows, found = TOTALS, [TOTALS.month.is_(None)]
    found += [
        rows.activity_year.is_(None),
        *shared_conditions(organization_id, reach, rest, rows),
    ]
    return _totals(_summed(session, rows, found))


def _is_rollup(rows: Any) -> bool:
    return rows is TOTALS or rows is TEXTS


def _summed(session: Session, rows: Any, found: list[Any]) -> list[_Group]:
    """Add up the groups of a rollup, or sum figures."""
    return (_add_up if _is_rollup(rows) else _sum)(session, rows, found)


def _add_up(session: Session, rows: Any, found: list[Any]) -> list[_Group]:
    """Add up the groups of a rollup."""
    sums = [func.sum(kg) for kg in (rows.figures, rows.kg, rows.upstream_kg, rows.outside_kg)]
    return _grouped(session, rows, sums, [*found, rows.figures > 0])


def _sum(session: Session, rows: Any, found: list[Any]) -> list[_Group]:
    """Sum figures one by one."""
    sums = [
        func.count(),
        exact_sum(rows.calculated_emission),
        exact_sum(rows.upstream_emission),
        exact_sum(rows.outside_of_scopes_emission),
    ]
    return _grouped(session, rows, sums, found)


def _grouped(session: Session, rows: Any, sums: list[Any], found: list[Any]) -> list[_Group]:
    scope = case((rows.biogenic, None), else_=rows.scope)
    keys = (rows.biogenic, scope, rows.activity_type)
    query = select(*keys, *sums).where(*found).group_by(*keys)
    return [_group(row) for row in session.execute(query)]


def _group(row: Any) -> _Group:
    biogenic, scope, kind, figures, kg, upstream, outside = row
    return _Group(biogenic, scope, kind, int(figures), kg, upstream, outside)


def _months(wanted: EmissionFilter) -> list[Any]:
    """Return the conditions of a period on whole months, and on rows that only say their year."""
    month, year = TOTALS.month, TOTALS.activity_year
    found: list[Any] = []
    if wanted.date_from is not None:
        on = month >= wanted.date_from  # a month that has begun before is not whole
        found.append(or_(on, and_(month.is_(None), year >= first_whole_year(wanted.date_from))))
    if wanted.date_to is not None:
        on = month <= last_whole_month(wanted.date_to)
        found.append(or_(on, and_(month.is_(None), year <= last_whole_year(wanted.date_to))))
    return found


def last_whole_month(date_to: dt.date) -> dt.date:
    """Return the first day of the last month that lies within a period to its last day."""
    first = date_to.replace(day=1)
    if date_to.day == monthrange(date_to.year, date_to.month)[1] or first == dt.date.min:
        return first
    return (first - dt.timedelta(days=1)).replace(day=1)


def cut_off(wanted: EmissionFilter) -> list[tuple[dt.date, dt.date]]:
    """Return the days of a period that are no whole months: none, one or two stretches."""
    first, last = wanted.date_from, wanted.date_to
    found: list[tuple[dt.date, dt.date]] = []
    if first is not None and first.day > 1:
        end = first.replace(day=monthrange(first.year, first.month)[1])
        if last is not None and last <= end:
            return [(first, last)] if first <= last else []
        found.append((first, end))
    if last is not None and last.day < monthrange(last.year, last.month)[1]:
        begin = last.replace(day=1)
        if first is None or first <= last:
            found.append((begin, last))
    return found
