"""The figures of a recalculation: read in slices, previewed row by row. May run twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from core.recalculation import Proposal, ReasonCode, row_of
from core.records import ActivityRow
from db.queries.copying import copy_to_temporary
from db.queries.recalculating import DECIDED, MINE, whole_decision


@dataclass(frozen=True, slots=True)
class Slice:
    """A run of one file's figures, first and last id included."""

    file_id: UUID
    first_id: UUID
    last_id: UUID


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as it stands, with the row behind it."""

    emission_id: UUID
    decision_id: UUID
    updated_at: dt.datetime
    kg: float
    factor_id: UUID | None
    scope: int | None
    biogenic: bool
    row: ActivityRow
    expected_kg: float | None = None  # what the preview said; None while there is none


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """What would become of one figure."""

    figure: Figure
    new_kg: float
    new_factor_id: UUID | None
    new_scope: int | None
    new_biogenic: bool
    changed: bool
    reason: ReasonCode


def slices(
    session: Session, organization_id: UUID, recalculation_id: UUID, batch: int
) -> list[Slice]:
    """Return the slices of a batch."""
    rows = session.execute(
        text(
            f"SELECT file_id, first_id, last_id FROM recalculation_slices WHERE {MINE}"
            " AND batch = :batch ORDER BY file_id"
        ),
        {"organization_id": organization_id, "id": recalculation_id, "batch": batch},
    )
    return [Slice(*row) for row in rows]


FIGURE_QUERY = """
SELECT e.id, e.decision_id, e.updated_at, e.calculated_emission, e.emission_factor_id, e.scope,
    e.biogenic, e.activity_name, e.activity_type, e.activity_description,
    e.calculation->'inputs' AS inputs, d.activity_key, {expected} AS expected_kg
FROM emissions e JOIN decisions d ON d.organization_id = :organization_id AND d.id = e.decision_id
{join} WHERE e.organization_id = :organization_id AND e.file_id = :file_id
    AND e.deleted_at IS NULL {where}"""


def figures(
    session: Session, organization_id: UUID, recalculation_id: UUID, piece: Slice
) -> Iterator[Figure]:
    """Yield the figures of a slice."""
    query = FIGURE_QUERY.format(
        expected="NULL",
        join="JOIN recalculation_decisions p ON p.organization_id = :organization_id"
        " AND p.recalculation_id = :id AND p.decision_id = e.decision_id",
        where="AND e.id >= :first AND e.id <= :last",
    )
    rows = session.execute(
        text(query),
        {"organization_id": organization_id, "id": recalculation_id, "file_id": piece.file_id,
         "first": piece.first_id, "last": piece.last_id},
    )  # fmt: skip
    return (figure_of(row) for row in rows)


def figure_of(row: Any) -> Figure:
    """Return the figure of a row of FIGURE_QUERY."""
    return Figure(
        emission_id=row.id,
        decision_id=row.decision_id,
        updated_at=row.updated_at,
        kg=row.calculated_emission,
        factor_id=row.emission_factor_id,
        scope=row.scope,
        biogenic=row.biogenic,
        row=row_of(
            row.inputs,
            activity_key=row.activity_key,
            name=row.activity_name,
            type=row.activity_type,
            description=row.activity_description,
        ),
        expected_kg=row.expected_kg,
    )


def proposals(
    session: Session, organization_id: UUID, recalculation_id: UUID, decisions: Iterable[UUID]
) -> dict[UUID, Proposal]:
    """Return what was proposed on activities, by decision id."""
    rows = session.execute(
        text(
            f"SELECT p.decision_id, p.kept, d.activity_key, p.{DECIDED.format(d='p')}"
            " FROM recalculation_decisions p JOIN decisions d"
            " ON d.organization_id = :organization_id AND d.id = p.decision_id"
            " WHERE p.organization_id = :organization_id AND p.recalculation_id = :id"
            " AND p.decision_id = ANY(:decisions) AND p.decided_at IS NOT NULL"
        ),
        {
            "organization_id": organization_id,
            "id": recalculation_id,
            "decisions": sorted(set(decisions)),
        },
    )
    return {
        row.decision_id: Proposal(whole_decision(row), ReasonCode(row.kept) if row.kept else None)
        for row in rows
    }


def save_rows(
    session: Session,
    organization_id: UUID,
    recalculation_id: UUID,
    batch: int,
    file_id: UUID,
    rows: Iterable[PreviewRow],
) -> int:
    """Store the preview of one slice and note that it is done; return how many would change."""
    columns = (
        ("emission_id", "uuid"), ("decision_id", "uuid"), ("old_updated_at", "timestamptz"),
        ("old_kg", "double precision"), ("new_kg", "double precision"),
        ("old_factor_id", "uuid"), ("new_factor_id", "uuid"), ("old_scope", "smallint"),
        ("new_scope", "smallint"), ("old_biogenic", "boolean"), ("new_biogenic", "boolean"),
        ("changed", "boolean"), ("reason_code", "text"),
    )  # fmt: skip
    names = ", ".join(name for name, _ in columns)
    changes = ", ".join(f"{name} = excluded.{name}" for name, _ in columns[1:])
    copy_to_temporary(session, "previewed", columns, (_preview_values(row) for row in rows))
    where = {"organization_id": organization_id, "id": recalculation_id, "file_id": file_id}
    session.execute(
        text(
            "INSERT INTO recalculation_rows (organization_id, recalculation_id, file_id,"
            f" {names}) SELECT :organization_id, :id, :file_id, {names} FROM pg_temp.previewed"
            " ON CONFLICT (organization_id, recalculation_id, file_id, emission_id)"
            f" DO UPDATE SET {changes}"
        ),
        where,
    )
    session.execute(
        text(
            f"UPDATE recalculation_slices SET done_at = now() WHERE {MINE}"
            " AND batch = :batch AND file_id = :file_id"
        ),
        {**where, "batch": batch},
    )
    changed = session.execute(text("SELECT count(*) FROM pg_temp.previewed WHERE changed"))
    return int(changed.scalar_one())


def _preview_values(row: PreviewRow) -> tuple[Any, ...]:
    old = row.figure
    return (
        old.emission_id, old.decision_id, old.updated_at, old.kg, row.new_kg, old.factor_id,
        row.new_factor_id, old.scope, row.new_scope, old.biogenic, row.new_biogenic,
        row.changed, row.reason.value,
    )  # fmt: skip
