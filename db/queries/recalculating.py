"""What a recalculation's workers read and write. Every function may run twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlmodel import Session

from core.errors import NotFound
from core.recalculation import Group, Proposal, ReasonCode, Status, Waiting
from core.records import ActivityQuery, Decision
from db.queries.copying import copy_to_temporary
from db.queries.factors import OWN
from db.queries.results import decision_of, query_of

MINE = "organization_id = :organization_id AND recalculation_id = :id"


@dataclass(frozen=True, slots=True)
class Task:
    """A recalculation as its workers need it."""

    id: UUID
    status: Status
    releases: tuple[str, ...]
    reason: str | None
    commit_requested_by: UUID | None
    filter: dict[str, Any]
    projects: list[str] | None
    planned: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How much there is to do; `batches` are of figures."""

    files: int
    activities: int
    rows: int
    batches: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A distinct activity with what is decided on it today."""

    decision_id: UUID
    file_id: UUID
    query: ActivityQuery
    decision: Decision
    row_count: int
    volume_total: float


def get(
    session: Session, organization_id: UUID, recalculation_id: UUID, *, lock: bool = False
) -> Task:
    """Return a recalculation, locked against a change of its status if asked. Raises NotFound."""
    row = session.execute(
        text(
            "SELECT id, status, releases, reason, commit_requested_by, filter, projects,"
            " planned_at IS NOT NULL AS planned FROM recalculations"
            " WHERE organization_id = :organization_id AND id = :id"
            + (" FOR UPDATE" if lock else "")
        ),
        {"organization_id": organization_id, "id": recalculation_id},
    ).one_or_none()
    if row is None:
        raise NotFound("the recalculation does not exist for this organization")
    found = row._asdict()
    return Task(
        **{**found, "status": Status(row.status), "releases": tuple(row.releases)},
    )


def make_plan(
    session: Session, organization_id: UUID, task: Task, batch_rows: int, most_batches: int
) -> None:
    """Fix the files, activities and batches of a recalculation; a second plan changes nothing.

    Batches hold `batch_rows` figures, and more when there would be more than `most_batches`.
    """
    wanted = task.filter
    where = {
        "organization_id": organization_id,
        "id": task.id,
        "file_ids": wanted.get("file_ids"),
        "project_id": wanted.get("project_id"),
        "year_from": wanted.get("year_from"),
        "year_to": wanted.get("year_to"),
        "projects": task.projects,
        "batch_rows": batch_rows,
        "most_batches": most_batches,
    }
    for statement in (_PLAN_FILES, _PLAN_DECISIONS, _PLAN_SLICES, _PLAN_COUNTS):
        session.execute(text(statement), where)


_PLAN_FILES = """
INSERT INTO recalculation_files (organization_id, recalculation_id, file_id)
SELECT :organization_id, :id, f.id FROM files f
WHERE f.organization_id = :organization_id AND f.status = 'completed' AND f.deleted_at IS NULL
  AND (CAST(:file_ids AS uuid[]) IS NULL OR f.id = ANY(CAST(:file_ids AS uuid[])))
  AND (CAST(:project_id AS uuid) IS NULL OR f.project_id = CAST(:project_id AS uuid))
  AND (CAST(:projects AS uuid[]) IS NULL OR f.project_id = ANY(CAST(:projects AS uuid[])))
ON CONFLICT DO NOTHING"""
# The year is part of what makes activities distinct, so whole activities are chosen by it.
_PLAN_DECISIONS = """
INSERT INTO recalculation_decisions (organization_id, recalculation_id, file_id, decision_id,
    number, old_updated_at, held, row_count)
SELECT :organization_id, :id, d.file_id, d.id,
    row_number() OVER (ORDER BY d.file_id, d.id) - 1, d.updated_at, d.outcome = 'held', d.row_count
FROM decisions d JOIN recalculation_files f ON f.organization_id = :organization_id
    AND f.recalculation_id = :id AND f.file_id = d.file_id
WHERE d.organization_id = :organization_id AND d.deleted_at IS NULL
  AND (CAST(:year_from AS int) IS NULL OR (d.activity->>'year')::int >= :year_from)
  AND (CAST(:year_to AS int) IS NULL OR (d.activity->>'year')::int <= :year_to)
ON CONFLICT DO NOTHING"""
_PLAN_SLICES = """
INSERT INTO recalculation_slices (organization_id, recalculation_id, batch, file_id, first_id,
    last_id, rows)
SELECT :organization_id, :id, batch, file_id, min(id::text)::uuid, max(id::text)::uuid, count(*)
FROM (SELECT e.file_id, e.id,
          (row_number() OVER (ORDER BY e.file_id, e.id) - 1) / greatest(:batch_rows,
              (count(*) OVER () + :most_batches - 1) / :most_batches) AS batch
      FROM emissions e JOIN recalculation_decisions d ON d.organization_id = :organization_id
          AND d.recalculation_id = :id AND d.decision_id = e.decision_id
      WHERE e.organization_id = :organization_id AND e.deleted_at IS NULL) numbered
GROUP BY batch, file_id
ON CONFLICT DO NOTHING"""
_RELEASE = f"coalesce(f.release, '{OWN}')"
_PLAN_COUNTS = f"""
UPDATE recalculations SET planned_at = now(), started_at = coalesce(started_at, now()),
    releases_before = (SELECT coalesce(array_agg(DISTINCT {_RELEASE} ORDER BY {_RELEASE}), '{{}}')
        FROM recalculation_decisions p
        JOIN decisions d ON d.organization_id = :organization_id AND d.id = p.decision_id
        JOIN emission_factors f ON f.id = d.emission_factor_id
        WHERE p.organization_id = :organization_id AND p.recalculation_id = :id AND NOT p.held),
    activities = (SELECT count(*) FROM recalculation_decisions WHERE {MINE}),
    rows = (SELECT coalesce(sum(rows), 0) FROM recalculation_slices WHERE {MINE})
WHERE organization_id = :organization_id AND id = :id"""


def plan_of(session: Session, organization_id: UUID, recalculation_id: UUID) -> Plan:
    """Return how much there is to do."""
    row = session.execute(
        text(
            f"SELECT (SELECT count(*) FROM recalculation_files WHERE {MINE}) AS files,"
            " r.activities, r.rows,"
            f" (SELECT coalesce(max(batch) + 1, 0) FROM recalculation_slices WHERE {MINE})"
            " AS batches FROM recalculations r"
            " WHERE r.organization_id = :organization_id AND r.id = :id"
        ),
        {"organization_id": organization_id, "id": recalculation_id},
    ).one()
    return Plan(row.files, row.activities or 0, row.rows or 0, row.batches)


# the columns of a decision, of the table {d} after the first dot
DECIDED = (
    "outcome, {d}.method, {d}.emission_factor_id, {d}.confidence, {d}.candidates, {d}.reasons,"
    " {d}.fallbacks, {d}.remembered_decision_id, {d}.question_hash"
)


def standing(
    session: Session, organization_id: UUID, recalculation_id: UUID, offset: int, size: int
) -> list[Standing]:
    """Return the activities [offset, offset + size) with their present decisions, in order."""
    rows = session.execute(
        text(
            "SELECT d.id, d.file_id, d.activity, d.activity_key, d.row_count, d.volume_total,"
            f" d.{DECIDED.format(d='d')} FROM recalculation_decisions r JOIN decisions d"
            " ON d.organization_id = :organization_id AND d.id = r.decision_id"
            " WHERE r.organization_id = :organization_id AND r.recalculation_id = :id"
            " AND r.number >= :first AND r.number < :end ORDER BY r.number"
        ),
        {
            "organization_id": organization_id,
            "id": recalculation_id,
            "first": offset,
            "end": offset + size,
        },
    )
    return [
        Standing(row.id, row.file_id, query_of(row.activity), whole_decision(row), row.row_count,
                 row.volume_total)
        for row in rows
    ]  # fmt: skip


def whole_decision(row: Any) -> Decision:
    """Return a stored decision with the remembered one or the model's answer that it follows."""
    return replace(
        decision_of(row),
        remembered_id=row.remembered_decision_id,
        question_hash=row.question_hash,
    )


def save_proposals(
    session: Session,
    organization_id: UUID,
    recalculation_id: UUID,
    proposals: Iterable[tuple[UUID, Proposal, float | None]],
) -> None:
    """Store what was proposed: (decision id, proposal, kg of the activity's total or None)."""
    columns = (
        ("decision_id", "uuid"), ("kept", "text"), ("kg", "double precision"),
        ("outcome", "text"), ("method", "text"), ("emission_factor_id", "uuid"),
        ("confidence", "double precision"), ("candidates", "jsonb"), ("reasons", "jsonb"),
        ("fallbacks", "jsonb"), ("remembered_decision_id", "uuid"), ("question_hash", "text"),
    )  # fmt: skip
    rows = (
        (decision_id, proposal.kept.value if proposal.kept else None, kg,
         *_decision_values(proposal.decision))
        for decision_id, proposal, kg in proposals
    )  # fmt: skip
    copy_to_temporary(session, "proposed", columns, rows)
    changes = ", ".join(f"{name} = t.{name}" for name, _ in columns[1:])
    session.execute(
        text(
            f"UPDATE recalculation_decisions d SET decided_at = now(), {changes}"
            " FROM pg_temp.proposed t WHERE d.organization_id = :organization_id"
            " AND d.recalculation_id = :id AND d.decision_id = t.decision_id"
        ),
        {"organization_id": organization_id, "id": recalculation_id},
    )


def _decision_values(decision: Decision) -> tuple[Any, ...]:
    return (
        decision.outcome.value,
        decision.method.value,
        decision.factor_id,
        decision.confidence,
        Jsonb([{**asdict(c), "factor_id": str(c.factor_id)} for c in decision.candidates]),
        Jsonb([asdict(r) for r in decision.reasons]),
        Jsonb([asdict(f) for f in decision.fallbacks]),
        decision.remembered_id,
        decision.question_hash,
    )


def unfinished(session: Session, organization_id: UUID, recalculation_id: UUID) -> int:
    """Count activities without a proposal and slices without a preview."""
    found = session.execute(
        text(
            f"SELECT (SELECT count(*) FROM recalculation_decisions WHERE {MINE}"
            " AND decided_at IS NULL)"
            f" + (SELECT count(*) FROM recalculation_slices WHERE {MINE} AND done_at IS NULL)"
        ),
        {"organization_id": organization_id, "id": recalculation_id},
    )
    return int(found.scalar_one())


def groups(session: Session, organization_id: UUID, recalculation_id: UUID) -> list[Group]:
    """Return the exact sums of a preview by scope and reason."""
    rows = session.execute(
        text(
            "SELECT old_scope, new_scope, old_biogenic, new_biogenic, reason_code, count(*) AS n,"
            " count(*) FILTER (WHERE changed) AS changed,"
            # by text: the only way that keeps all 17 digits of a float
            " sum(old_kg::text::numeric) AS old_kg, sum(new_kg::text::numeric) AS new_kg"
            f" FROM recalculation_rows WHERE {MINE} GROUP BY 1, 2, 3, 4, 5"
        ),
        {"organization_id": organization_id, "id": recalculation_id},
    )
    return [
        Group(r.old_scope, r.new_scope, r.old_biogenic, r.new_biogenic, ReasonCode(r.reason_code),
              r.n, r.changed, r.old_kg, r.new_kg)
        for r in rows
    ]  # fmt: skip


def waiting(session: Session, organization_id: UUID, recalculation_id: UUID) -> Waiting:
    """Count what waits for a person today, and for how much of it a factor was found."""
    row = session.execute(
        text(
            "SELECT count(*), coalesce(sum(row_count), 0),"
            " count(*) FILTER (WHERE kept IS NULL AND outcome <> 'held'),"
            " coalesce(sum(row_count) FILTER (WHERE kept IS NULL AND outcome <> 'held'), 0),"
            " coalesce(sum(kg) FILTER (WHERE kept IS NULL AND outcome <> 'held'), 0)"
            # what a person rejected waits for nobody
            f" FROM recalculation_decisions WHERE {MINE} AND held"
            " AND (kept IS NULL OR kept <> :by_people)"
        ),
        {
            "organization_id": organization_id,
            "id": recalculation_id,
            "by_people": ReasonCode.KEPT_BY_REVIEW.value,
        },
    ).one()
    return Waiting(*row)


def complete_preview(
    session: Session, organization_id: UUID, recalculation_id: UUID, totals: dict[str, Any]
) -> None:
    """Publish a preview."""
    session.execute(
        text(
            "UPDATE recalculations SET status = 'previewed', totals = :totals,"
            " previewed_at = now() WHERE organization_id = :organization_id AND id = :id"
            " AND status = 'previewing'"
        ),
        {"organization_id": organization_id, "id": recalculation_id, "totals": Jsonb(totals)},
    )


def end(
    session: Session,
    organization_id: UUID,
    recalculation_id: UUID,
    status: Status,
    *,
    code: str | None = None,
    message: str | None = None,
) -> None:
    """Write the final status of a recalculation."""
    session.execute(
        text(
            "UPDATE recalculations SET status = :status, error_code = :code,"
            " error_message = :message, ended_at = now()"
            " WHERE organization_id = :organization_id AND id = :id"
        ),
        {
            "organization_id": organization_id,
            "id": recalculation_id,
            "status": status.value,
            "code": code,
            "message": message,
        },
    )
