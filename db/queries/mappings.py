"""Remembered mappings: how an organization's tables are read, by their headings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import func, select, text
from sqlmodel import Session

from core.parsing.remembered import RememberedMapping
from db.ids import uuid7
from db.models import ColumnMapping, User
from db.queries import paging
from db.queries.revisions import full_name

MAPPING: Any = ColumnMapping
USER: Any = User

BY_AGE = paging.Sort("confirmed_at", MAPPING.confirmed_at, paging.Kind.TIME, descending=True)
MOST_RECALLED = 1_000  # newest first; an organization has a few dozen kinds of tables


@dataclass(frozen=True, slots=True)
class MappingFilter:
    """Which mappings are wanted; `current` leaves out revoked and replaced ones."""

    current: bool = True


@dataclass(frozen=True, slots=True)
class MappingRow:
    """A remembered mapping with who confirmed it and how often it was used."""

    id: UUID
    confirmed_at: dt.datetime
    mapping: ColumnMapping
    confirmed_by_name: str | None
    used: int  # uploads that were read by it
    last_used_at: dt.datetime | None


def recall(session: Session, organization_id: UUID) -> dict[str, RememberedMapping]:
    """Return what counts at present, by signature of the headings."""
    rows = session.execute(
        text(
            "SELECT id, signature, mapping, filename, confirmed_at FROM column_mappings"
            " WHERE organization_id = :organization_id"
            " AND revoked_at IS NULL AND replaced_at IS NULL"
            " ORDER BY confirmed_at DESC, id DESC LIMIT :limit"
        ),
        {"organization_id": organization_id, "limit": MOST_RECALLED},
    ).all()
    return {
        row.signature: RememberedMapping(
            id=row.id, mapping=row.mapping, filename=row.filename,
            confirmed_on=row.confirmed_at.astimezone(dt.UTC).date(),
        )
        for row in rows
    }  # fmt: skip


def remember(
    session: Session,
    organization_id: UUID,
    file_id: UUID,
    *,
    signature: str,
    headings: list[str],
    mapping: dict[str, str],
) -> UUID | None:
    """Remember what a completed file was read by; None when the very same counts already."""
    # One at a time for the same headings: the unique index would otherwise refuse the second.
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"mapping/{organization_id}/{signature}"},
    )
    where = {"organization_id": organization_id, "signature": signature}
    current = (
        " WHERE organization_id = :organization_id AND signature = :signature"
        " AND revoked_at IS NULL AND replaced_at IS NULL"
    )
    present = session.execute(text("SELECT mapping FROM column_mappings" + current), where).scalar()
    if present == mapping:
        return None
    session.execute(text("UPDATE column_mappings SET replaced_at = now()" + current), where)
    mapping_id = uuid7()
    session.execute(
        text(
            "INSERT INTO column_mappings (organization_id, id, signature, headings, mapping,"
            " file_id, filename, confirmed_by)"
            " SELECT :organization_id, :id, :signature, :headings, :mapping, id, filename, user_id"
            " FROM files WHERE organization_id = :organization_id AND id = :file_id"
        ),
        {
            **where,
            "id": mapping_id,
            "headings": Jsonb(headings),
            "mapping": Jsonb(mapping),
            "file_id": file_id,
        },
    )
    return mapping_id


def note_use(
    session: Session, organization_id: UUID, file_id: UUID, mapping_ids: list[UUID]
) -> None:
    """Record by which mappings a file was read."""
    session.execute(
        text(
            "UPDATE files SET column_mapping_ids = CAST(:ids AS uuid[])"
            " WHERE organization_id = :organization_id AND id = :file_id"
        ),
        {"organization_id": organization_id, "file_id": file_id, "ids": mapping_ids},
    )


def revoke(session: Session, organization_id: UUID, mapping_id: UUID, user_id: UUID) -> bool:
    """Let a mapping count no more; False when there is no such current one."""
    changed = session.execute(
        text(
            "UPDATE column_mappings SET revoked_at = now(), revoked_by = :user_id"
            " WHERE organization_id = :organization_id AND id = :id"
            " AND revoked_at IS NULL AND replaced_at IS NULL RETURNING 1"
        ),
        {"organization_id": organization_id, "id": mapping_id, "user_id": user_id},
    )
    return changed.scalar() is not None


def _conditions(organization_id: UUID, wanted: MappingFilter) -> list[Any]:
    found = [MAPPING.organization_id == organization_id]
    if wanted.current:
        found += [MAPPING.revoked_at.is_(None), MAPPING.replaced_at.is_(None)]
    return found


def list_mappings(
    session: Session, organization_id: UUID, wanted: MappingFilter, request: paging.PageRequest
) -> paging.Page[MappingRow]:
    """Return a page of remembered mappings, newest first."""
    rows = session.execute(
        select(MAPPING, USER.first_name, USER.last_name)
        .outerjoin(USER, USER.id == MAPPING.confirmed_by)
        .where(*_conditions(organization_id, wanted), *paging.after(request, MAPPING.id))
        .order_by(*paging.order_by(request.sort, MAPPING.id))
        .limit(request.limit + 1)
    ).all()
    uses = _uses(session, organization_id, [row[0].id for row in rows])
    found = [
        MappingRow(
            row[0].id, row[0].confirmed_at, row[0], full_name(row[1], row[2]),
            *uses.get(row[0].id, (0, None)),
        )
        for row in rows
    ]  # fmt: skip
    return paging.cut(found, request, "confirmed_at")


def _uses(
    session: Session, organization_id: UUID, mapping_ids: Sequence[UUID]
) -> dict[UUID, tuple[int, dt.datetime]]:
    """Return how many uploads each mapping read, and the time of the last; in one pass over them.

    Row-level security keeps the arrays' index out of reach: asked mapping by mapping, each would
    read all uploads.
    """
    rows = session.execute(
        text(
            "SELECT used.id, count(DISTINCT f.id) AS uploads, max(f.created_at) AS last_at"
            " FROM files f CROSS JOIN unnest(f.column_mapping_ids) AS used (id)"
            " WHERE f.organization_id = :organization_id AND used.id = ANY(:ids) GROUP BY used.id"
        ),
        {"organization_id": organization_id, "ids": list(mapping_ids)},
    )
    return {row.id: (row.uploads, row.last_at) for row in rows}


def count_mappings(session: Session, organization_id: UUID, wanted: MappingFilter) -> int:
    """Count remembered mappings."""
    found = _conditions(organization_id, wanted)
    return session.scalar(select(func.count()).select_from(MAPPING).where(*found)) or 0
