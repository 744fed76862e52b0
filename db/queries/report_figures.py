"""The figures of a report: sums by group and one row a figure, streamed.

Everything here belongs into one REPEATABLE READ transaction, so that groups, details and totals
tell of the same moment. Filters are those of the list: db.queries.emissions.conditions.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    String,
    Text,
    Uuid,
    and_,
    any_,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy import text as sql_text
from sqlmodel import Session

from core.permissions import Reach
from core.reporting import DETAIL_COLUMNS, NO_SCOPE, OUTSIDE_SCOPES, Cell, Group, Note, Totals
from db.models import Emission, EmissionFactor, File, Project
from db.queries.emissions import EmissionFilter, conditions, exact_sum

E: Any = Emission
F: Any = EmissionFactor
FILE: Any = File
PROJECT: Any = Project

FETCHED_ROWS = 2000  # of the server-side cursor, held in memory at once

COUNTED = or_(E.biogenic.is_(None), E.biogenic.is_(False))
CELLS: dict[str, Any] = {
    "name": E.activity_name,
    "activity_type": E.activity_type,
    "description": E.activity_description,
    "date": E.activity_on,
    "year": E.activity_year,
    # a row that only says its year belongs to no month
    "month": func.coalesce(func.to_char(E.activity_on, "YYYY-MM"), cast(E.activity_year, Text)),
    "region": E.region,
    "quantity": E.volume,
    "unit": E.unit,
    "scope": case(
        (E.biogenic, literal(OUTSIDE_SCOPES, String)),
        (E.scope.is_(None), literal(NO_SCOPE, String)),
        else_=cast(E.scope, Text),
    ),
    "scope3_category": E.scope3_category,
    "category": E.category,
    "kg_co2e": case((COUNTED, E.calculated_emission)),
    "biogenic_kg_co2": case((E.biogenic, E.calculated_emission)),
    "confidence": E.confidence_score,
    "method": E.calculation_method,
    "formula": E.calculation["formula"].astext,
    "factor_name": F.name,
    "factor_kg_co2e_per_unit": F.value_per_unit,
    "factor_unit": F.unit,
    "factor_region": F.region,
    "factor_source": F.source,
    "factor_source_year": F.source_year,
    "factor_release": F.release,
    "factor_source_id": F.source_id,
    "gwp_set": F.gwp_set,
    "project": PROJECT.name,
    "project_id": cast(E.project_id, Text),
    "file_name": FILE.filename,
    "file_id": cast(E.file_id, Text),
    "sheet": E.sheet,
    "row": E.row_number,
    "column": E.column_number,
    "emission_id": cast(E.id, Text),
}


def joined(columns: Sequence[Any], organization_id: UUID) -> Any:
    """Return a SELECT of figures with their file, project and factor."""
    return (
        select(*columns)
        .select_from(E)
        .join(FILE, and_(FILE.organization_id == organization_id, FILE.id == E.file_id))
        .outerjoin(
            PROJECT, and_(PROJECT.organization_id == organization_id, PROJECT.id == E.project_id)
        )
        .outerjoin(F, F.id == E.emission_factor_id)
    )


def sum_all(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    wanted: EmissionFilter,
    listed: Sequence[UUID] = (),
) -> tuple[Totals, Totals]:
    """Return the sums of everything the filter lets through, and of those by the decisions
    `listed`, where credits count as amounts.

    One pass for both: to look up the figures of each decision takes longer than all of them.
    """
    those = among(E.decision_id, listed) if listed else false()
    of = (CELLS["kg_co2e"], CELLS["biogenic_kg_co2"])
    row = session.execute(
        select(
            func.count(),
            *(exact_sum(kg) for kg in of),
            func.count().filter(those),
            *(exact_sum(case((those, func.abs(kg)))) for kg in of),
        ).where(*conditions(organization_id, reach, wanted))
    ).one()
    both = [
        Totals(count, Decimal(kg), Decimal(biogenic)) for count, kg, biogenic in (row[:3], row[3:])
    ]
    return both[0], both[1]


def among(column: Any, ids: Sequence[UUID]) -> Any:
    """Return that a column is one of many ids; one value to bind, which PostgreSQL hashes."""
    return column == any_(literal(list(ids), ARRAY(Uuid())))


def sum_groups(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    wanted: EmissionFilter,
    columns: Sequence[str],
) -> Generator[Group, None, None]:
    """Yield the sums by the named columns, in their order; what has no value comes last."""
    if not columns:
        return
    keys = [CELLS[name] for name in columns]
    query = (
        joined(
            [
                *(key.label(f"key_{name}") for key, name in zip(keys, columns, strict=True)),
                func.count(),
                exact_sum(CELLS["kg_co2e"]),
                exact_sum(CELLS["biogenic_kg_co2"]),
            ],
            organization_id,
        )
        .where(*conditions(organization_id, reach, wanted))
        .group_by(*(ordinal(n) for n in range(len(columns))))
        .order_by(*(ordinal(n) for n in range(len(columns))))
        .execution_options(yield_per=FETCHED_ROWS)
    )
    width = len(columns)
    with session.execute(query) as rows:
        for row in rows:
            totals = Totals(row[width], Decimal(row[width + 1]), Decimal(row[width + 2]))
            yield Group(tuple(row[:width]), totals)


def ordinal(index: int) -> Any:
    """Return the position of a selected column, for GROUP BY and ORDER BY.

    An expression with bound values would not count as the same one when it is repeated.
    """
    return sql_text(str(index + 1))


def figures(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> Generator[tuple[Cell, ...], None, None]:
    """Yield one row a figure, cells as DETAIL_COLUMNS, in the order of files, sheets and rows."""
    query = (
        joined([CELLS[c.name].label(c.name) for c in DETAIL_COLUMNS], organization_id)
        .where(*conditions(organization_id, reach, wanted))
        .order_by(E.file_id, E.sheet, E.row_number, E.column_number, E.id)
        .execution_options(yield_per=FETCHED_ROWS)
    )
    with session.execute(query) as rows:
        for row in rows:
            yield tuple(row)


def factor_sources(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> list[Note]:
    """Return by which releases, and under which GWP set, the figures were calculated."""
    release = case(
        (F.id.is_(None), literal("no factor named", String)),
        (F.release.is_(None), literal("the organization's own factors", String)),
        else_=F.release,
    )
    rows = session.execute(
        joined([release, F.source, F.gwp_set, func.count()], organization_id)
        .where(*conditions(organization_id, reach, wanted))
        .group_by(ordinal(0), ordinal(1), ordinal(2))
        .order_by(func.count().desc(), ordinal(0), ordinal(1))
    )
    return [
        Note(
            "Factors",
            f"{name}; {source or 'source not named'}; GWP {gwp or 'as the source says'}; "
            f"figures: {count}",
        )
        for name, source, gwp, count in rows
    ]
