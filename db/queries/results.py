"""Decisions, reviews and emissions of one file, in bulk. Every function may run twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlmodel import Session

from core.calculation import Calculation
from core.records import (
    ActivityQuery,
    ActivityRow,
    Basis,
    Candidate,
    Decision,
    Dimension,
    Fallback,
    Method,
    Outcome,
    Reason,
)
from core.upstream import sum_of
from db.ids import uuid7
from db.queries.copying import copy_to_temporary
from db.queries.revisions import Replacement, keep_figures


@dataclass(frozen=True, slots=True)
class DecidedActivity:
    """A decision with what it was about and how many rows depend on it."""

    query: ActivityQuery
    decision: Decision
    row_count: int
    volume_total: float  # in query.unit
    kg_at_risk: float | None  # None when nothing can be estimated


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision as the calculation needs it."""

    id: UUID
    decision: Decision


@dataclass(frozen=True, slots=True)
class EmissionRow:
    """One calculated row, ready to be stored. `calculation` is JSON-able."""

    decision_id: UUID
    row: ActivityRow
    emission_factor_id: UUID
    emission_kg: float
    confidence: float
    scope: int | None
    scope3_category: int | None
    category: str
    biogenic: bool
    method: str
    calculation: dict[str, Any]
    upstream_kg: float | None = None  # beside the figure, in no total; None: there are none
    outside_of_scopes_kg: float | None = None

    @classmethod
    def of(
        cls,
        decision_id: UUID,
        confidence: float,
        factor_id: UUID,
        row: ActivityRow,
        figure: Calculation,
    ) -> EmissionRow:
        """Return the row of a figure, ready to be stored."""
        return cls(
            decision_id=decision_id, row=row, emission_factor_id=factor_id,
            emission_kg=figure.emission_kg, confidence=confidence, scope=figure.scope,
            scope3_category=figure.scope3_category, category=figure.category,
            biogenic=figure.biogenic, method=figure.calculation_method,
            calculation=figure.to_json(),
            upstream_kg=sum_of(figure.linked, upstream=True),
            outside_of_scopes_kg=sum_of(figure.linked, upstream=False),
        )  # fmt: skip


def upsert_decisions(
    session: Session, organization_id: UUID, file_id: UUID, decided: Sequence[DecidedActivity]
) -> None:
    """Store decisions on their natural key (file, activity) and list what needs a person."""
    columns = (
        ("id", "uuid"),
        ("review_id", "uuid"),
        ("activity_key", "text"),
        ("activity", "jsonb"),
        ("row_count", "integer"),
        ("volume_total", "double precision"),
        ("outcome", "text"),
        ("method", "text"),
        ("emission_factor_id", "uuid"),
        ("confidence", "double precision"),
        ("candidates", "jsonb"),
        ("reasons", "jsonb"),
        ("fallbacks", "jsonb"),
        ("remembered_id", "uuid"),
        ("question_hash", "text"),
        ("kg_at_risk", "double precision"),
        ("reason_code", "text"),
        ("reason", "text"),
    )
    copy_to_temporary(session, "decided", columns, (decision_row(d) for d in decided))
    where = {"organization_id": organization_id, "file_id": file_id}
    session.execute(
        text(
            "INSERT INTO decisions (organization_id, id, file_id, activity_key, activity,"
            " row_count, volume_total, outcome, method, emission_factor_id, confidence,"
            " candidates, reasons, fallbacks, remembered_decision_id,"
            " question_hash)"
            " SELECT :organization_id, id, :file_id, activity_key, activity, row_count,"
            " volume_total, outcome, method, emission_factor_id, confidence, candidates, reasons,"
            " fallbacks, remembered_id, question_hash FROM pg_temp.decided"
            " ON CONFLICT (organization_id, file_id, activity_key) DO UPDATE SET"
            " activity = excluded.activity, row_count = excluded.row_count,"
            " volume_total = excluded.volume_total, outcome = excluded.outcome,"
            " method = excluded.method, emission_factor_id = excluded.emission_factor_id,"
            " confidence = excluded.confidence, candidates = excluded.candidates,"
            " reasons = excluded.reasons, fallbacks = excluded.fallbacks,"
            " remembered_decision_id = excluded.remembered_decision_id,"
            " question_hash = excluded.question_hash"
        ),
        where,
    )
    session.execute(
        text(
            "INSERT INTO reviews (organization_id, id, file_id, decision_id, reason_code, reason,"
            " row_count, kg_at_risk)"
            " SELECT :organization_id, t.review_id, :file_id, d.id, t.reason_code, t.reason,"
            " t.row_count, t.kg_at_risk FROM pg_temp.decided t JOIN decisions d"
            " ON d.organization_id = :organization_id AND d.file_id = :file_id"
            " AND d.activity_key = t.activity_key WHERE t.outcome <> 'matched'"
            " ON CONFLICT (organization_id, decision_id) DO UPDATE SET"
            " reason_code = excluded.reason_code, reason = excluded.reason,"
            " row_count = excluded.row_count, kg_at_risk = excluded.kg_at_risk"
        ),
        where,
    )


def decision_row(decided: DecidedActivity) -> tuple[Any, ...]:
    """Return one row of the temporary table `decided`."""
    query, decision = decided.query, decided.decision
    reason = decision.reasons[0] if decision.reasons else Reason("low_confidence", "")
    return (
        uuid7(),
        uuid7(),
        query.key,
        Jsonb(asdict(query)),
        decided.row_count,
        decided.volume_total,
        decision.outcome.value,
        decision.method.value,
        decision.factor_id,
        decision.confidence,
        Jsonb([{**asdict(c), "factor_id": str(c.factor_id)} for c in decision.candidates]),
        Jsonb([asdict(r) for r in decision.reasons]),
        Jsonb([asdict(f) for f in decision.fallbacks]),
        decision.remembered_id,
        decision.question_hash,
        decided.kg_at_risk,
        reason.code,
        reason.sentence,
    )


def decisions_of(
    session: Session, organization_id: UUID, file_id: UUID, keys: Iterable[str]
) -> dict[str, StoredDecision]:
    """Return the stored decisions of a file's activities by key."""
    rows = session.execute(
        text(
            "SELECT id, activity_key, outcome, method, emission_factor_id, confidence, candidates,"
            " reasons, fallbacks FROM decisions WHERE organization_id = :organization_id"
            " AND file_id = :file_id AND activity_key = ANY(:keys)"
        ),
        {"organization_id": organization_id, "file_id": file_id, "keys": sorted(set(keys))},
    )
    return {row.activity_key: StoredDecision(row.id, decision_of(row)) for row in rows}


def decision_of(row: Any) -> Decision:
    """Return the decision of a row of `decisions`."""
    return Decision(
        activity_key=row.activity_key,
        outcome=Outcome(row.outcome),
        method=Method(row.method),
        factor_id=row.emission_factor_id,
        confidence=row.confidence,
        candidates=tuple(
            Candidate(**{**c, "factor_id": UUID(c["factor_id"])}) for c in row.candidates
        ),
        reasons=tuple(Reason(**r) for r in row.reasons),
        fallbacks=tuple(Fallback(**f) for f in row.fallbacks),
    )


def query_of(activity: Mapping[str, Any]) -> ActivityQuery:
    """Return the activity that was stored with a decision."""
    basis = activity["basis"]
    return ActivityQuery(
        **{
            **activity,
            "dimension": Dimension(activity["dimension"]),
            "basis": Basis(basis) if basis else None,
        }
    )


EMISSION_COLUMNS = (
    ("id", "uuid"),
    ("decision_id", "uuid"),
    ("sheet", "text"),
    ("row_number", "integer"),
    ("column_number", "integer"),
    ("activity_name", "text"),
    ("activity_type", "text"),
    ("activity_description", "text"),
    ("unit", "text"),
    ("volume", "double precision"),
    ("region", "text"),
    ("activity_on", "date"),
    ("activity_year", "integer"),
    ("emission_factor_id", "uuid"),
    ("calculated_emission", "double precision"),
    ("confidence_score", "double precision"),
    ("scope", "smallint"),
    ("scope3_category", "smallint"),
    ("category", "text"),
    ("biogenic", "boolean"),
    ("calculation_method", "text"),
    ("calculation", "jsonb"),
    ("upstream_emission", "double precision"),
    ("outside_of_scopes_emission", "double precision"),
)


def insert_emissions(
    session: Session,
    organization_id: UUID,
    file_id: UUID,
    *,
    project_id: UUID | None,
    search_language: str,
    rows: Iterable[EmissionRow],
    why: Replacement | None = None,
) -> int:
    """Store calculated rows on their natural key (file, sheet, row, column); return how many.

    With `why` the figures that they replace are kept as revisions.
    """
    names = ", ".join(name for name, _ in EMISSION_COLUMNS)
    keys = ("id", "sheet", "row_number", "column_number")
    changes = ", ".join(f"{n} = excluded.{n}" for n, _ in EMISSION_COLUMNS if n not in keys)
    copy_to_temporary(session, "calculated", EMISSION_COLUMNS, (emission_row(r) for r in rows))
    if why is not None:
        replaced = (
            "(SELECT x.id FROM emissions x JOIN pg_temp.calculated c USING (sheet, row_number,"
            " column_number) WHERE x.organization_id = :organization_id AND x.file_id = :file_id)"
        )
        keep_figures(session, organization_id, why, replaced, {"file_id": file_id})
    stored = session.execute(
        text(
            f"WITH stored AS (INSERT INTO emissions (organization_id, file_id, project_id,"
            f" search_language, {names}) SELECT :organization_id, :file_id, :project_id,"
            f" CAST(:search_language AS regconfig), {names} FROM pg_temp.calculated"
            f" ON CONFLICT (organization_id, file_id, sheet, row_number, column_number)"
            f" DO UPDATE SET {changes} RETURNING 1) SELECT count(*) FROM stored"
        ),
        {
            "organization_id": organization_id,
            "file_id": file_id,
            "project_id": project_id,
            "search_language": search_language,
        },
    )
    return int(stored.scalar_one())


def emission_row(emission: EmissionRow) -> tuple[Any, ...]:
    """Return one row of EMISSION_COLUMNS."""
    row = emission.row
    on: dt.date | None = row.activity_on
    return (
        uuid7(),
        emission.decision_id,
        row.sheet,
        row.row_number,
        row.column_number,
        row.activity_name,
        row.activity_type,
        row.activity_description,
        row.unit,
        row.volume,
        row.region,
        on,
        row.year,
        emission.emission_factor_id,
        emission.emission_kg,
        emission.confidence,
        emission.scope,
        emission.scope3_category,
        emission.category,
        emission.biogenic,
        emission.method,
        Jsonb(emission.calculation),
        emission.upstream_kg,
        emission.outside_of_scopes_kg,
    )


def replace_decision(
    session: Session, organization_id: UUID, decision_id: UUID, decision: Decision
) -> None:
    """Put a person's decision, or a recalculation's, in the place of an earlier one."""
    session.execute(
        text(
            "UPDATE decisions SET outcome = :outcome, method = :method,"
            " emission_factor_id = :factor_id, confidence = :confidence, candidates = :candidates,"
            " reasons = :reasons, fallbacks = :fallbacks, remembered_decision_id = :remembered_id,"
            " question_hash = :question_hash WHERE organization_id = :organization_id AND id = :id"
        ),
        {
            "organization_id": organization_id,
            "id": decision_id,
            "outcome": decision.outcome.value,
            "method": decision.method.value,
            "factor_id": decision.factor_id,
            "confidence": decision.confidence,
            "candidates": Jsonb(
                [{**asdict(c), "factor_id": str(c.factor_id)} for c in decision.candidates]
            ),
            "reasons": Jsonb([asdict(r) for r in decision.reasons]),
            "fallbacks": Jsonb([asdict(f) for f in decision.fallbacks]),
            "remembered_id": decision.remembered_id,
            "question_hash": decision.question_hash,
        },
    )


def withdraw_emissions(
    session: Session, organization_id: UUID, decision_id: UUID, why: Replacement
) -> int:
    """Take the figures of a decision out of every list and sum; they stay as revisions. Return
    how many there were: what a person deleted before is out already."""
    chosen = (
        "(SELECT x.id FROM emissions x WHERE x.organization_id = :organization_id"
        " AND x.decision_id = :decision_id)"
    )
    keep_figures(session, organization_id, why, chosen, {"decision_id": decision_id})
    withdrawn = session.execute(
        text(
            "WITH withdrawn AS (UPDATE emissions SET deleted_at = now()"
            " WHERE organization_id = :organization_id AND decision_id = :decision_id"
            " AND deleted_at IS NULL RETURNING 1) SELECT count(*) FROM withdrawn"
        ),
        {"organization_id": organization_id, "decision_id": decision_id},
    )
    return int(withdrawn.scalar_one())
