"""Where another region, year or the like than was asked for had to do, and how much rests on it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Session

from core.overview import Fallback
from core.permissions import Reach
from core.reporting import Totals
from db.models import Decision, Emission
from db.queries.emissions import EmissionFilter, conditions, exact_sum
from db.queries.report_figures import CELLS, ordinal

E: Any = Emission
DECISION: Any = Decision


def fallbacks(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> list[Fallback]:
    """Return what the figures rest on, the most first; a figure may be in several of them."""
    fallback = func.jsonb_array_elements(DECISION.fallbacks, type_=JSONB).column_valued("fallback")
    kinds = (fallback["kind"].astext, fallback["requested"].astext, fallback["used"].astext)
    summed = (
        select(
            E.decision_id,
            func.count().label("figures"),
            exact_sum(CELLS["kg_co2e"]).label("kg"),
            exact_sum(CELLS["biogenic_kg_co2"]).label("biogenic"),
        )
        .where(
            *conditions(organization_id, reach, wanted),
            E.decision_id.in_(
                select(DECISION.id).where(
                    DECISION.organization_id == organization_id,
                    func.jsonb_array_length(DECISION.fallbacks) > 0,
                )
            ),
        )
        .group_by(E.decision_id)
        .subquery("summed")
    )
    rows = session.execute(
        select(
            *kinds,
            func.sum(summed.c.figures),
            func.sum(summed.c.kg).label("total"),
            func.sum(summed.c.biogenic),
        )
        .select_from(DECISION)
        .join(
            summed,
            and_(DECISION.organization_id == organization_id, DECISION.id == summed.c.decision_id),
        )
        .join(fallback.scalar_alias, true())
        .group_by(ordinal(0), ordinal(1), ordinal(2))
        .order_by(func.abs(func.sum(summed.c.kg)).desc(), ordinal(0), ordinal(1), ordinal(2))
    )
    return [
        Fallback(kind, asked, used, Totals(int(figures), Decimal(kg), Decimal(biogenic)))
        for kind, asked, used, figures, kg, biogenic in rows
    ]
