"""What a report shows at a glance, within the same snapshot as its figures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    DateTime,
    String,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy import text as sql_text
from sqlmodel import Session

from core.overview import BANDS, KEYS, Contributor, Release, Sums
from core.permissions import Reach
from core.reporting import NO_SCOPE, OUTSIDE_SCOPES, Cell, Totals
from db.models import (
    Decision,
    Emission,
    EmissionFactor,
    FactorRelease,
    File,
    Organization,
)
from db.queries.emissions import EmissionFilter, conditions, exact_sum
from db.queries.report_figures import CELLS, FETCHED_ROWS, PROJECT, joined, ordinal

E: Any = Emission
F: Any = EmissionFactor
FILE: Any = File
DECISION: Any = Decision
RELEASE: Any = FactorRelease
ORGANIZATION: Any = Organization

OWN_FACTORS = "own factors"
NO_FACTOR = "no factor named"
CONTRIBUTORS = 15

SLICE_MEMORY = "32MB"  # of PostgreSQL's for the sums of a report, in each process that adds up

BAND = case(
    *((E.confidence_score >= floor, literal(str(floor), String)) for floor, _ in BANDS),
    else_=None,
)
SOURCE = case(
    (F.id.is_(None), literal(NO_FACTOR, String)),
    (F.release.is_(None), literal(OWN_FACTORS, String)),
    else_=F.release,
)
# Published factors for electricity are grid averages: location-based in the words of the GHG
# Protocol's Scope 2 Guidance. An own one is a supplier's, a contract's or another grid's: nobody
# has said which.
CONTRACT = case(
    (and_(F.activity_kind == "electricity", F.organization_id.is_not(None)), literal("yes", String))
)


def sums(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    wanted: EmissionFilter,
    *tables: tuple[str, ...],
) -> list[Sums]:
    """Add the figures up by each of the tables' keys, in one pass over them.

    Figures are first summed as finely as any table tells them apart, by what they store: ids
    instead of names. That takes no cursor, so that PostgreSQL may use all its processes, and
    leaves a tenth or less to be named and added up again.
    """
    session.execute(sql_text(f"SET LOCAL work_mem = '{SLICE_MEMORY}'"))
    named = _named(_sliced(organization_id, reach, wanted), organization_id)
    sets = [names for names in dict.fromkeys(tables) if names]
    keys = [key for key in KEYS if any(key in names for names in sets)]
    columns = [named.c[key] for key in keys]
    rows = session.execute(
        select(
            func.grouping(*columns),
            *(func.sum(named.c[name]) for name in ("figures", "kg", "biogenic")),
            *columns,
        ).group_by(func.grouping_sets(*(tuple_(*(named.c[n] for n in names)) for names in sets)))
    )
    found = {names: Sums(names) for names in tables}
    # GROUPING sets a bit for each column that a row is not summed by, the last one's the lowest
    of = {
        sum(1 << n for n, key in enumerate(reversed(keys)) if key not in names): names
        for names in sets
    }
    for mask, count, kg, biogenic, *cells in rows:
        names = of[mask]
        key = tuple(cells[keys.index(name)] for name in names)
        found[names].found[key] = Totals(int(count), Decimal(kg), Decimal(biogenic))
    return [found[names] for names in tables]


def _sliced(organization_id: UUID, reach: Reach, wanted: EmissionFilter) -> Any:
    """Return the sums by everything that a key is made of."""
    keys = [
        E.scope, E.biogenic, E.scope3_category, E.category, E.activity_type, E.region,
        E.project_id, E.file_id, E.emission_factor_id, DECISION.method, BAND.label("band"),
        func.date_trunc("month", cast(E.activity_on, DateTime)).label("month"),
        case((E.activity_on.is_(None), E.activity_year)).label("year"),
    ]  # fmt: skip
    return (
        select(
            *keys,
            func.count().label("figures"),
            exact_sum(CELLS["kg_co2e"]).label("kg"),
            exact_sum(CELLS["biogenic_kg_co2"]).label("biogenic_kg"),
        )
        .select_from(E)
        .outerjoin(
            DECISION,
            and_(DECISION.organization_id == organization_id, DECISION.id == E.decision_id),
        )
        .where(*conditions(organization_id, reach, wanted))
        .group_by(*(ordinal(n) for n in range(len(keys))))
        .cte("sliced", nesting=True)
        .prefix_with("MATERIALIZED")
    )


def _named(sliced: Any, organization_id: UUID) -> Any:
    """Return the slices with the values of KEYS."""
    of = sliced.c
    month = func.coalesce(func.to_char(of.month, "YYYY-MM"), cast(of.year, Text))
    values = {
        "scope": case(
            (of.biogenic, literal(OUTSIDE_SCOPES, String)),
            (of.scope.is_(None), literal(NO_SCOPE, String)),
            else_=cast(of.scope, Text),
        ),
        "scope3_category": cast(of.scope3_category, Text),
        "category": of.category,
        "activity_type": of.activity_type,
        "month": month,
        "region": of.region,
        "project": PROJECT.name,
        "project_id": cast(of.project_id, Text),
        "file_name": FILE.filename,
        "file_id": cast(of.file_id, Text),
        "method": of.method,
        "release": SOURCE,
        "gwp_set": F.gwp_set,
        "band": of.band,
        "contract": CONTRACT,
    }
    return (
        select(
            *(values[name].label(name) for name in KEYS),
            of.figures.label("figures"),
            of.kg.label("kg"),
            of.biogenic_kg.label("biogenic"),
        )
        .select_from(sliced)
        .join(FILE, and_(FILE.organization_id == organization_id, FILE.id == of.file_id))
        .outerjoin(
            PROJECT, and_(PROJECT.organization_id == organization_id, PROJECT.id == of.project_id)
        )
        .outerjoin(F, F.id == of.emission_factor_id)
        .subquery("named")
    )


def contributors(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> list[Contributor]:
    """Return the activities whose figures add up to most, by name, scope and category."""
    rows = session.execute(
        select(
            E.activity_name,
            CELLS["scope"],
            func.coalesce(E.category, literal("", String)),
            func.count(),
            exact_sum(CELLS["kg_co2e"]),
            exact_sum(CELLS["biogenic_kg_co2"]),
        )
        .where(*conditions(organization_id, reach, wanted))
        .group_by(ordinal(0), ordinal(1), ordinal(2))
        .order_by(
            func.abs(func.coalesce(func.sum(CELLS["kg_co2e"]), 0)).desc(), ordinal(0), ordinal(1)
        )
        .limit(CONTRIBUTORS)
    )
    return [
        Contributor(name, scope, category, Totals(count, Decimal(kg), Decimal(biogenic)))
        for name, scope, category, count, kg, biogenic in rows
    ]


def period(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> tuple[dt.date | None, dt.date | None]:
    """Return the first and the last day that figures tell of; a year counts as its whole."""
    first = func.coalesce(E.activity_on, func.make_date(E.activity_year, 1, 1))
    last = func.coalesce(E.activity_on, func.make_date(E.activity_year, 12, 31))
    row = session.execute(
        select(func.min(first), func.max(last)).where(*conditions(organization_id, reach, wanted))
    ).one()
    return row[0], row[1]


def release_facts(session: Session) -> dict[str, Release]:
    """Return publisher, title and licence of every release, by name."""
    nothing = Totals(0, Decimal(), Decimal())
    rows = session.execute(
        select(RELEASE.name, RELEASE.title, RELEASE.publisher, RELEASE.licence, RELEASE.gwp_set)
    )
    return {r.name: Release(r.name, r.title, r.publisher, r.licence, r.gwp_set or "", nothing)
            for r in rows}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """The organization's settings that a report tells of, as of now."""

    review_below: float
    hold_below: float
    base_year: int | None


def rules(session: Session, organization_id: UUID) -> Rules:
    """Return the organization's thresholds and its base year."""
    row = session.execute(
        select(ORGANIZATION.review_below, ORGANIZATION.hold_below, ORGANIZATION.base_year).where(
            ORGANIZATION.id == organization_id
        )
    ).one()
    return Rules(row[0], row[1], row[2])


def first_of(year: int) -> dt.date:
    """Return the first day of a year."""
    return dt.date(year, 1, 1)


def last_of(year: int) -> dt.date:
    """Return the last day of a year."""
    return dt.date(year, 12, 31)


def used_factors(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> Generator[tuple[Cell, ...], None, None]:
    """Yield each factor that figures were calculated with, cells as FACTOR_COLUMNS."""
    names = (
        F.name, F.category, F.value_per_unit, F.unit, F.region, F.source, F.source_year, SOURCE,
        F.source_id, F.gwp_set, F.licence,
    )  # fmt: skip
    query = (
        joined([cast(F.id, Text), *names, func.count(), exact_sum(E.calculated_emission)],
               organization_id)
        .where(*conditions(organization_id, reach, wanted), F.id.is_not(None))
        .group_by(F.id)
        .order_by(func.count().desc(), F.id)
        .execution_options(yield_per=FETCHED_ROWS)
    )  # fmt: skip
    with session.execute(query) as rows:
        for row in rows:
            yield tuple(row)
