"""Committing a recalculation, file by file. Every function may run twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from db.queries.recalculating import DECIDED, MINE
from db.queries.recalculation_figures import FIGURE_QUERY, Figure, figure_of


def changed_figures(
    session: Session,
    organization_id: UUID,
    recalculation_id: UUID,
    file_id: UUID,
    after: UUID | None,
    limit: int,
) -> list[Figure]:
    """Return the next figures of a file that the preview changes, by id."""
    query = FIGURE_QUERY.format(
        expected="r.new_kg",
        join="JOIN recalculation_rows r ON r.organization_id = :organization_id"
        " AND r.recalculation_id = :id AND r.file_id = :file_id AND r.emission_id = e.id",
        where="AND r.changed AND (CAST(:after AS uuid) IS NULL OR e.id > :after)"
        " ORDER BY e.id LIMIT :limit",
    )
    rows = session.execute(
        text(query),
        {"organization_id": organization_id, "id": recalculation_id, "file_id": file_id,
         "after": after, "limit": limit},
    )  # fmt: skip
    return [figure_of(row) for row in rows]


def mark_commit_started(session: Session, organization_id: UUID, recalculation_id: UUID) -> None:
    """Note that a worker has begun to commit."""
    session.execute(
        text(
            "UPDATE recalculations SET commit_started_at = coalesce(commit_started_at, now())"
            " WHERE organization_id = :organization_id AND id = :id"
        ),
        {"organization_id": organization_id, "id": recalculation_id},
    )


def pending_files(
    session: Session, organization_id: UUID, recalculation_id: UUID, limit: int
) -> Sequence[UUID]:
    """Return files that are neither committed nor left out."""
    rows = session.execute(
        text(
            f"SELECT file_id FROM recalculation_files WHERE {MINE} AND state = 'pending'"
            " ORDER BY file_id LIMIT :limit"
        ),
        {"organization_id": organization_id, "id": recalculation_id, "limit": limit},
    )
    return rows.scalars().all()


def is_pending(
    session: Session, organization_id: UUID, recalculation_id: UUID, file_id: UUID
) -> bool:
    """Tell whether a file is still to be committed, and hold it until the transaction ends."""
    found = session.execute(
        text(
            f"SELECT state FROM recalculation_files WHERE {MINE} AND file_id = :file_id FOR UPDATE"
        ),
        {"organization_id": organization_id, "id": recalculation_id, "file_id": file_id},
    ).scalar_one_or_none()
    return found == "pending"


_STALE = """
SELECT EXISTS (
    SELECT FROM recalculation_files r LEFT JOIN files f ON f.organization_id = :organization_id
        AND f.id = r.file_id AND f.deleted_at IS NULL AND f.status = 'completed'
    WHERE r.organization_id = :organization_id AND r.recalculation_id = :id {of_file}
        AND f.id IS NULL
) OR EXISTS (
    SELECT FROM recalculation_decisions r LEFT JOIN decisions d
        ON d.organization_id = :organization_id AND d.id = r.decision_id
    WHERE r.organization_id = :organization_id AND r.recalculation_id = :id {of_file}
        AND d.updated_at IS DISTINCT FROM r.old_updated_at
) OR EXISTS (
    SELECT FROM recalculation_decisions r JOIN reviews v
        ON v.organization_id = :organization_id AND v.decision_id = r.decision_id
    WHERE r.organization_id = :organization_id AND r.recalculation_id = :id {of_file}
        AND v.deleted_at IS NULL AND v.status <> 'open' AND v.applied_at IS NULL
) OR EXISTS (
    SELECT FROM recalculation_rows r LEFT JOIN emissions e
        ON e.organization_id = :organization_id AND e.id = r.emission_id AND e.deleted_at IS NULL
    WHERE r.organization_id = :organization_id AND r.recalculation_id = :id {of_file}
        AND e.updated_at IS DISTINCT FROM r.old_updated_at
)"""


def is_stale(
    session: Session, organization_id: UUID, recalculation_id: UUID, file_id: UUID | None = None
) -> bool:
    """Tell whether a file, an activity or a figure changed since the preview read it."""
    found = session.execute(
        text(_STALE.format(of_file="" if file_id is None else "AND r.file_id = :file_id")),
        {"organization_id": organization_id, "id": recalculation_id}
        | ({} if file_id is None else {"file_id": file_id}),
    )
    return bool(found.scalar_one())


def settle_file(
    session: Session,
    organization_id: UUID,
    recalculation_id: UUID,
    file_id: UUID,
    state: str,
    rows_changed: int = 0,
) -> None:
    """Note that a file is committed, or why it is left out."""
    session.execute(
        text(
            "UPDATE recalculation_files SET state = :state, rows_changed = :rows_changed,"
            f" settled_at = now() WHERE {MINE} AND file_id = :file_id AND state = 'pending'"
        ),
        {"organization_id": organization_id, "id": recalculation_id, "file_id": file_id,
         "state": state, "rows_changed": rows_changed},
    )  # fmt: skip


def change_decisions(
    session: Session, organization_id: UUID, recalculation_id: UUID, file_id: UUID
) -> int:
    """Put the proposals in the place of the decisions whose figures change, reviews with them.

    As in the pipeline: what is flagged is listed for review, what is sure is not. Returns how many
    reviews are open now that were not.
    """
    where = {"organization_id": organization_id, "id": recalculation_id, "file_id": file_id}
    names = [name.strip().removeprefix("{d}.") for name in DECIDED.split(",")]
    changes = ", ".join(f"{name} = p.{name}" for name in names)
    chosen = (
        " p.organization_id = :organization_id AND p.recalculation_id = :id"
        " AND p.file_id = :file_id AND p.kept IS NULL AND NOT p.held"
        " AND EXISTS (SELECT FROM recalculation_rows r WHERE r.organization_id = :organization_id"
        " AND r.recalculation_id = :id AND r.file_id = :file_id"
        " AND r.decision_id = p.decision_id AND r.changed)"
    )
    session.execute(
        text(
            f"UPDATE decisions d SET {changes} FROM recalculation_decisions p WHERE {chosen}"
            " AND d.organization_id = :organization_id AND d.id = p.decision_id"
        ),
        where,
    )
    session.execute(
        text(
            "UPDATE reviews v SET deleted_at = now() FROM recalculation_decisions p"
            f" WHERE {chosen} AND p.outcome = 'matched' AND v.organization_id = :organization_id"
            " AND v.decision_id = p.decision_id AND v.status = 'open' AND v.deleted_at IS NULL"
        ),
        where,
    )
    opened = session.execute(
        text(
            "WITH standing AS MATERIALIZED (SELECT decision_id FROM reviews"
            " WHERE organization_id = :organization_id AND file_id = :file_id"
            " AND status = 'open' AND deleted_at IS NULL), asked AS ("
            "INSERT INTO reviews (organization_id, id, file_id, decision_id, reason_code, reason,"
            " row_count, kg_at_risk) SELECT :organization_id, gen_random_uuid(), p.file_id,"
            " p.decision_id, coalesce(p.reasons->0->>'code', 'low_confidence'),"
            " coalesce(p.reasons->0->>'sentence', ''), p.row_count, p.kg"
            f" FROM recalculation_decisions p WHERE {chosen} AND p.outcome = 'flagged'"
            " ON CONFLICT (organization_id, decision_id) DO UPDATE SET"
            " reason_code = excluded.reason_code, reason = excluded.reason,"
            " kg_at_risk = excluded.kg_at_risk, status = 'open', deleted_at = NULL"
            " WHERE reviews.status = 'open' OR reviews.applied_at IS NOT NULL"
            " RETURNING decision_id) SELECT count(*) FROM asked"
            " WHERE decision_id NOT IN (SELECT decision_id FROM standing)"
        ),
        where,
    )
    return int(opened.scalar_one())


def file_totals(
    session: Session, organization_id: UUID, recalculation_id: UUID, file_id: UUID
) -> dict[str, Any]:
    """Return rows changed and kg before and after, of one file; biogenic CO2 is in neither."""
    row = session.execute(
        text(
            "SELECT count(*) FILTER (WHERE changed) AS changed,"
            " coalesce(sum(old_kg::text::numeric) FILTER (WHERE NOT old_biogenic), 0) AS old_kg,"
            " coalesce(sum(new_kg::text::numeric) FILTER (WHERE NOT new_biogenic), 0) AS new_kg"
            f" FROM recalculation_rows WHERE {MINE} AND file_id = :file_id"
        ),
        {"organization_id": organization_id, "id": recalculation_id, "file_id": file_id},
    ).one()
    return {
        "rows_changed": row.changed,
        "old_kg_co2e": float(row.old_kg),
        "new_kg_co2e": float(row.new_kg),
    }


def rows_in_review(session: Session, organization_id: UUID, file_id: UUID) -> int:
    """Return how many rows of a file have no figure because they wait for a person."""
    found = session.execute(
        text(
            "SELECT rows_in_review FROM files WHERE organization_id = :organization_id"
            " AND id = :file_id"
        ),
        {"organization_id": organization_id, "file_id": file_id},
    )
    return int(found.scalar_one())


def next_event(session: Session, organization_id: UUID, file_id: UUID) -> int:
    """Return the number of a file's next recalculation: its history keeps one line for each."""
    found = session.execute(
        text(
            "SELECT count(*) + 1 FROM file_events WHERE organization_id = :organization_id"
            " AND file_id = :file_id AND stage = 'recalculate'"
        ),
        {"organization_id": organization_id, "file_id": file_id},
    )
    return int(found.scalar_one())


def outcome_of(session: Session, organization_id: UUID, recalculation_id: UUID) -> dict[str, int]:
    """Count files committed and left out, and figures changed."""
    row = session.execute(
        text(
            "SELECT count(*) FILTER (WHERE state = 'committed') AS files,"
            " count(*) FILTER (WHERE state = 'left_out') AS left_out,"
            " coalesce(sum(rows_changed), 0) AS rows"
            f" FROM recalculation_files WHERE {MINE}"
        ),
        {"organization_id": organization_id, "id": recalculation_id},
    ).one()
    return {"files": row.files, "left_out": row.left_out, "rows": row.rows}
