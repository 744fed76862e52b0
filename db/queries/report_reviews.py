"""What waits for a person in a report's files, and which of its figures are listed for review."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import String, Text, and_, case, cast, func, literal, or_, select
from sqlmodel import Session

from core.permissions import Reach
from core.reporting import MOST_ISSUES, Cell
from db.models import Decision, Emission, EmissionFactor, File, Review
from db.queries.emissions import EmissionFilter, conditions, exact_sum
from db.queries.report_figures import CELLS, FETCHED_ROWS, among
from db.queries.report_files import FLAGGED, OPEN

E: Any = Emission
F: Any = EmissionFactor
FILE: Any = File
REVIEW: Any = Review
DECISION: Any = Decision

WAITS = "waits for a person, in no figure"
LISTED = "in the figures, listed for review"


def reviews(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    wanted: EmissionFilter,
    files: list[Any],
    listed: Sequence[UUID],
) -> Generator[tuple[Cell, ...], None, None]:
    """Yield the open reviews, cells as REVIEW_COLUMNS: first what waits, the largest first.

    Of what is listed those that have figures in the report. `files` are conditions on the files:
    db.queries.report_files.contributing; `listed` the decisions of these that are listed.
    """
    own = _figures_of(organization_id, reach, wanted, listed)
    estimate = case((FLAGGED, None), else_=REVIEW.kg_at_risk)
    query = (
        select(
            FILE.filename,
            DECISION.activity["name"].astext,
            case((FLAGGED, literal(LISTED, String)), else_=literal(WAITS, String)),
            REVIEW.row_count,
            func.coalesce(own.c.figures, 0),
            own.c.kg,
            estimate,
            DECISION.confidence,
            F.name,
            REVIEW.reason,
            cast(REVIEW.id, Text),
        )
        .select_from(REVIEW)
        .join(
            DECISION,
            and_(DECISION.organization_id == organization_id, DECISION.id == REVIEW.decision_id),
        )
        .join(FILE, and_(FILE.organization_id == organization_id, FILE.id == REVIEW.file_id))
        .outerjoin(own, own.c.decision_id == REVIEW.decision_id)
        .outerjoin(F, F.id == DECISION.emission_factor_id)
        .where(
            REVIEW.organization_id == organization_id,
            *OPEN,
            or_(~FLAGGED, own.c.figures > 0),
            *files,
        )
        .order_by(
            FLAGGED,
            func.abs(func.coalesce(own.c.kg, REVIEW.kg_at_risk)).desc().nulls_first(),
            REVIEW.id,
        )
        .limit(MOST_ISSUES)
        .execution_options(yield_per=FETCHED_ROWS)
    )
    with session.execute(query) as rows:
        for row in rows:
            yield tuple(row)


def _figures_of(
    organization_id: UUID, reach: Reach, wanted: EmissionFilter, listed: Sequence[UUID]
) -> Any:
    """Return number and sum of the report's figures of each decision that is listed."""
    return (
        select(
            E.decision_id, func.count().label("figures"), exact_sum(CELLS["kg_co2e"]).label("kg")
        )
        .where(*conditions(organization_id, reach, wanted), among(E.decision_id, listed))
        .group_by(E.decision_id)
        .subquery("own")
    )
