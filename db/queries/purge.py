"""Hard deletion: what was deleted long enough ago, and what is older than its organization keeps.

As platform. Batches are small and skip what somebody holds: a purge never stands in the way of
the API or the pipeline, and what it skipped the next one takes. Audit events are never purged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from core.keys import quarantine_key, report_key, trash_key, upload_key, work_prefix
from core.reporting import ReportFormat

ENDED = "status IN ('completed', 'failed')"
# Age counts from when the work on it ended, so a file that took long to process lives as long as
# any other. NULL keeps for ever.
FILE_AGED = (
    f"{ENDED} AND coalesce(processing_completed_at, created_at)"
    " < now() - make_interval(days => :keep_days)"
)
REPORT_AGED = (
    f"{ENDED} AND coalesce(generation_completed_at, created_at)"
    " < now() - make_interval(days => :keep_days)"
)
RECALCULATION_AGED = (
    "status NOT IN ('previewing', 'committing') AND coalesce(ended_at, previewed_at, created_at)"
    " < now() - make_interval(days => :keep_days)"
)
GONE = "deleted_at < now() - make_interval(days => :purge_days)"
FILE_DUE = (
    "deleted_at IS NOT NULL"
    " AND coalesce(purge_at, deleted_at + make_interval(days => :purge_days)) <= now()"
)
# Children before parents. Every one is reached by an index that begins with these columns.
OF_FILE = ("emissions", "reviews", "row_issues", "decisions", "recalculation_rows", "file_events")


@dataclass(frozen=True, slots=True)
class Terms:
    """How long one organization's things are kept. `keep_days` None: until they are deleted."""

    organization_id: UUID
    keep_days: int | None
    purge_days: int

    def values(self) -> dict[str, Any]:
        """Return the parameters of the conditions above."""
        return {
            "organization_id": self.organization_id,
            "keep_days": self.keep_days,
            "purge_days": self.purge_days,
        }


def organizations_after(session: Session, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Return the next organizations by id, deleted ones included."""
    rows = session.execute(
        text(
            "SELECT id FROM organizations WHERE CAST(:after AS uuid) IS NULL OR id > :after"
            " ORDER BY id LIMIT :limit"
        ),
        {"after": after, "limit": limit},
    )
    return rows.scalars().all()


def terms_of(session: Session, organization_id: UUID, purge_days: int) -> Terms | None:
    """Return how long an organization's things are kept; None when there is no such one."""
    row = session.execute(
        text("SELECT data_retention_days FROM organizations WHERE id = :id"),
        {"id": organization_id},
    ).one_or_none()
    return None if row is None else Terms(organization_id, row.data_retention_days, purge_days)


FORECAST = f"""
SELECT
 (SELECT count(*) FROM files WHERE organization_id = :organization_id AND {FILE_DUE}) AS deleted_files,
 (SELECT count(*) FROM files WHERE organization_id = :organization_id AND deleted_at IS NULL
   AND {FILE_AGED}) AS expired_files,
 (SELECT count(*) FROM emissions e WHERE e.organization_id = :organization_id AND e.file_id IN
   (SELECT id FROM files WHERE organization_id = :organization_id
     AND (({FILE_DUE}) OR (deleted_at IS NULL AND {FILE_AGED})))) AS emissions,
 (SELECT count(*) FROM emissions e WHERE e.organization_id = :organization_id AND e.{GONE}
   AND e.file_id IN (SELECT id FROM files WHERE organization_id = :organization_id
     AND deleted_at IS NULL AND ({FILE_AGED}) IS NOT TRUE)) AS deleted_emissions,
 (SELECT count(*) FROM reports WHERE organization_id = :organization_id
   AND ({GONE} OR {REPORT_AGED})) AS reports,
 (SELECT count(*) FROM recalculations WHERE organization_id = :organization_id
   AND ({GONE} OR {RECALCULATION_AGED})) AS recalculations,
 (SELECT count(*) FROM model_calls WHERE organization_id = :organization_id
   AND created_at < now() - make_interval(days => :keep_days)) AS model_calls
"""  # noqa: E501


def forecast(session: Session, terms: Terms) -> dict[str, int]:
    """Count what a purge would remove now; nothing changes."""
    row = session.execute(text(FORECAST), terms.values()).one()
    return dict(row._mapping)


def expire_files(session: Session, terms: Terms, limit: int) -> list[UUID]:
    """Take files that are too old out of every list, due at once; return which.

    They vanish as a whole first: batches that go one after the other must not show half a file.
    """
    rows = session.execute(
        text(
            "UPDATE files SET deleted_at = now(), purge_at = now(), deletion_pending = false"
            " WHERE organization_id = :organization_id AND id IN (SELECT id FROM files"
            f"  WHERE organization_id = :organization_id AND deleted_at IS NULL AND {FILE_AGED}"
            "  ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING id"
        ),
        {**terms.values(), "limit": limit},
    )
    return list(rows.scalars())


def due_files(session: Session, terms: Terms, limit: int) -> Sequence[UUID]:
    """Return deleted files whose time has come."""
    rows = session.execute(
        text(
            f"SELECT id FROM files WHERE organization_id = :organization_id AND {FILE_DUE}"
            " ORDER BY deleted_at, id LIMIT :limit"
        ),
        {**terms.values(), "limit": limit},
    )
    return rows.scalars().all()


def purge_rows_of_file(
    session: Session, organization_id: UUID, file_id: UUID, table: str, limit: int
) -> int:
    """Remove up to `limit` rows of a deleted file from one of OF_FILE; return how many.

    Nothing goes while somebody holds the file.
    """
    assert table in OF_FILE
    # Removing figures holds their file (the sums' triggers do): skip it rather than wait for it.
    free = session.execute(
        text(
            "SELECT 1 FROM files WHERE organization_id = :organization_id AND id = :file_id"
            " AND deleted_at IS NOT NULL FOR SHARE SKIP LOCKED"
        ),
        {"organization_id": organization_id, "file_id": file_id},
    ).one_or_none()
    if free is None:
        return 0
    condition = "t.file_id = :file_id"
    if table == "recalculation_rows":  # its index begins with the recalculation
        condition += (
            " AND t.recalculation_id IN (SELECT r.recalculation_id FROM recalculation_files r"
            " WHERE r.organization_id = :organization_id AND r.file_id = :file_id)"
        )
    values = {"organization_id": organization_id, "file_id": file_id, "limit": limit}
    return delete_batch(session, table, condition, values)


def purge_file(session: Session, organization_id: UUID, file_id: UUID) -> bool:
    """Remove a deleted file whose rows are gone, and doom its objects in the same transaction;
    False when somebody holds it, or held it until now and figures are left."""
    where = {"organization_id": organization_id, "file_id": file_id}
    held = session.execute(
        text(
            "SELECT 1 FROM files f WHERE organization_id = :organization_id AND id = :file_id"
            " AND deleted_at IS NOT NULL AND NOT EXISTS (SELECT FROM emissions e"
            "  WHERE e.organization_id = :organization_id AND e.file_id = f.id)"
            " FOR UPDATE SKIP LOCKED"
        ),
        where,
    ).one_or_none()
    if held is None:
        return False
    scope = (organization_id, file_id)
    for key in (upload_key(*scope), trash_key(*scope), quarantine_key(*scope), work_prefix(*scope)):
        doom(session, organization_id, key)
    session.execute(
        text("DELETE FROM files WHERE organization_id = :organization_id AND id = :file_id"), where
    )
    return True


def purge_reports(session: Session, terms: Terms, limit: int) -> int:
    """Remove reports that were deleted or are too old, and doom their objects."""
    rows = session.execute(
        text(
            "DELETE FROM reports WHERE organization_id = :organization_id AND id IN (SELECT id"
            f" FROM reports WHERE organization_id = :organization_id AND ({GONE} OR {REPORT_AGED})"
            " LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING id"
        ),
        {**terms.values(), "limit": limit},
    )
    gone = list(rows.scalars())
    for report_id in gone:
        for file_format in ReportFormat:
            doom(
                session, terms.organization_id,
                report_key(terms.organization_id, report_id, file_format),
            )  # fmt: skip
    return len(gone)


def due_recalculations(session: Session, terms: Terms, limit: int) -> Sequence[UUID]:
    """Return recalculations that were deleted or are too old. Figures that they replaced stay
    with the figures."""
    rows = session.execute(
        text(
            "SELECT id FROM recalculations WHERE organization_id = :organization_id"
            f" AND ({GONE} OR {RECALCULATION_AGED}) ORDER BY id LIMIT :limit"
        ),
        {**terms.values(), "limit": limit},
    )
    return rows.scalars().all()


def purge_rows_of_recalculation(
    session: Session, organization_id: UUID, recalculation_id: UUID, table: str, limit: int
) -> int:
    """Remove up to `limit` rows of a recalculation from its rows or its decisions."""
    assert table in ("recalculation_rows", "recalculation_decisions")
    return delete_batch(
        session, table, "recalculation_id = :id",
        {"organization_id": organization_id, "id": recalculation_id, "limit": limit},
    )  # fmt: skip


def purge_recalculation(session: Session, organization_id: UUID, recalculation_id: UUID) -> int:
    """Remove a recalculation whose rows are gone."""
    return delete_batch(
        session, "recalculations", "id = :id",
        {"organization_id": organization_id, "id": recalculation_id, "limit": 1},
    )  # fmt: skip


def purge_deleted(session: Session, terms: Terms, table: str, limit: int) -> int:
    """Remove up to `limit` figures or reviews that were deleted by themselves long ago."""
    assert table in ("emissions", "reviews")
    return delete_batch(session, table, GONE, {**terms.values(), "limit": limit})


def purge_model_answers(session: Session, terms: Terms, limit: int) -> int:
    """Remove old answers of language models that no decision rests on, then calls without any."""
    aged = "created_at < now() - make_interval(days => :keep_days)"
    values = {**terms.values(), "limit": limit}
    answers = delete_batch(
        session, "model_answers",
        f"{aged} AND NOT EXISTS (SELECT FROM decisions d WHERE d.organization_id ="
        " :organization_id AND d.question_hash = t.question_hash)", values,
    )  # fmt: skip
    calls = delete_batch(
        session, "model_calls",
        f"{aged} AND NOT EXISTS (SELECT FROM model_answers a WHERE a.organization_id ="
        " :organization_id AND a.call_id = t.id)", values,
    )  # fmt: skip
    return answers + calls


KEYS: Mapping[str, tuple[str, ...]] = {
    "recalculation_rows": ("recalculation_id", "file_id", "emission_id"),
    "recalculation_decisions": ("recalculation_id", "decision_id"),
    "model_answers": ("question_hash",),
}


def delete_batch(session: Session, table: str, condition: str, values: Mapping[str, Any]) -> int:
    """Delete up to :limit rows `t` that meet a condition of ours and that nobody holds."""
    keys = KEYS.get(table, ("id",))
    same = " AND ".join(f"t.{key} = chosen.{key}" for key in keys)
    found = session.execute(
        text(
            f"WITH chosen AS MATERIALIZED (SELECT {', '.join(f't.{key}' for key in keys)}"
            f" FROM {table} t WHERE t.organization_id = :organization_id AND {condition}"
            " LIMIT :limit FOR UPDATE SKIP LOCKED),"
            f" gone AS (DELETE FROM {table} t USING chosen"
            f" WHERE t.organization_id = :organization_id AND {same} RETURNING 1)"
            " SELECT count(*) FROM gone"
        ),
        values,
    )
    return int(found.scalar_one())


def doom(session: Session, organization_id: UUID, key: str) -> None:
    """Note that an object, or all below a prefix, must go from the store."""
    session.execute(
        text("INSERT INTO doomed_objects (organization_id, key) VALUES (:organization_id, :key)"),
        {"organization_id": organization_id, "key": key},
    )


def doomed(session: Session, limit: int, but: Sequence[UUID] = ()) -> Sequence[Any]:
    """Return (organization_id, id, key) of objects that must go, but some; held until commit."""
    return session.execute(
        text(
            "SELECT organization_id, id, key FROM doomed_objects WHERE id <> ALL(:but)"
            " ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED"
        ),
        {"limit": limit, "but": list(but)},
    ).all()


def forget_doomed(session: Session, organization_id: UUID, ids: Sequence[UUID]) -> None:
    """Note that objects are gone."""
    session.execute(
        text(
            "DELETE FROM doomed_objects WHERE organization_id = :organization_id AND id = ANY(:ids)"
        ),
        {"organization_id": organization_id, "ids": list(ids)},
    )


def known(
    session: Session, organization_id: UUID, table: str, ids: Sequence[UUID]
) -> frozenset[UUID]:
    """Return which of these files or reports there are, deleted ones included."""
    assert table in ("files", "reports")
    rows = session.execute(
        text(f"SELECT id FROM {table} WHERE organization_id = :organization_id AND id = ANY(:ids)"),
        {"organization_id": organization_id, "ids": list(ids)},
    )
    return frozenset(rows.scalars())


def expected_uploads(
    session: Session, organization_id: UUID, after: UUID | None, limit: int
) -> Sequence[Any]:
    """Return (id, object_storage_path) of living files older than a day, by id."""
    return session.execute(
        text(
            "SELECT id, object_storage_path FROM files WHERE organization_id = :organization_id"
            " AND deleted_at IS NULL AND created_at < now() - interval '1 day'"
            " AND (CAST(:after AS uuid) IS NULL OR id > :after) ORDER BY id LIMIT :limit"
        ),
        {"organization_id": organization_id, "after": after, "limit": limit},
    ).all()
