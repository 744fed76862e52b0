"""What became of the rows of a file: figures, issues and reasons to wait, a range at a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from core.annotated import Figure, Issue, Note, Place
from core.records import Severity


@dataclass(frozen=True, slots=True)
class Range:
    """Rows of one sheet, both ends included."""

    sheet: str
    first: int
    last: int


def figures_of(
    session: Session, organization_id: UUID, file_id: UUID, rows: Range
) -> dict[Place, Figure]:
    """Return the figures in force."""
    found = session.execute(
        text(
            "SELECT e.row_number, e.column_number, e.calculated_emission, e.biogenic,"
            " f.name, f.release, f.source_id, r.reason_code, r.reason"
            " FROM emissions e LEFT JOIN emission_factors f ON f.id = e.emission_factor_id"
            " LEFT JOIN reviews r ON r.organization_id = e.organization_id"
            "  AND r.decision_id = e.decision_id AND r.status = 'open' AND r.deleted_at IS NULL"
            " WHERE e.organization_id = :organization_id AND e.file_id = :file_id"
            " AND e.sheet = :sheet AND e.row_number BETWEEN :first AND :last"
            " AND e.deleted_at IS NULL"
        ),
        _bound(organization_id, file_id, rows),
    )
    return {
        (rows.sheet, row.row_number, row.column_number): Figure(
            row.calculated_emission, row.biogenic, row.name or "", row.release or "",
            row.source_id or "", Note(row.reason_code, row.reason) if row.reason_code else None,
        )
        for row in found
    }  # fmt: skip


def issues_of(
    session: Session, organization_id: UUID, file_id: UUID, rows: Range
) -> dict[Place, Issue]:
    """Return what is wrong, one entry a row, rejections first."""
    found = session.execute(
        text(
            "SELECT row_number, column_number, bool_or(severity = :rejected) AS rejected,"
            " string_agg(code, '; ' ORDER BY severity, id) AS codes,"
            " string_agg(message, ' ' ORDER BY severity, id) AS messages"
            " FROM row_issues WHERE organization_id = :organization_id AND file_id = :file_id"
            " AND row_number BETWEEN :first AND :last AND sheet = :sheet"
            " GROUP BY row_number, column_number"
        ),
        {**_bound(organization_id, file_id, rows), "rejected": Severity.REJECTED.value},
    )
    return {
        (rows.sheet, row.row_number, row.column_number): Issue(
            row.codes, row.messages, row.rejected
        )
        for row in found
    }


def _bound(organization_id: UUID, file_id: UUID, rows: Range) -> dict[str, object]:
    return {
        "organization_id": organization_id, "file_id": file_id, "sheet": rows.sheet,
        "first": rows.first, "last": rows.last,
    }  # fmt: skip


def waiting(
    session: Session, organization_id: UUID, file_id: UUID, keys: Collection[str]
) -> dict[str, Note]:
    """Return why activities wait for a person, by activity_key."""
    found = session.execute(
        text(
            "SELECT d.activity_key, r.reason_code, r.reason FROM decisions d"
            " JOIN reviews r ON r.organization_id = d.organization_id AND r.decision_id = d.id"
            " WHERE d.organization_id = :organization_id AND d.file_id = :file_id"
            " AND d.activity_key = ANY(:keys)"
        ),
        {"organization_id": organization_id, "file_id": file_id, "keys": sorted(keys)},
    )
    return {row.activity_key: Note(row.reason_code, row.reason) for row in found}
