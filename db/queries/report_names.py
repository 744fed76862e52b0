"""What people call the files and projects that a report was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session

from db.models import File, Project

FILE: Any = File
PROJECT: Any = Project


def names_of(
    session: Session, organization_id: UUID, filter_name: str, ids: Sequence[UUID]
) -> dict[UUID, str]:
    """Return the names of files (for "file_id") or else of projects, also of deleted ones."""
    table, name = (FILE, FILE.filename) if filter_name == "file_id" else (PROJECT, PROJECT.name)
    rows = session.execute(
        select(table.id, name).where(table.organization_id == organization_id, table.id.in_(ids))
    )
    return {row[0]: row[1] for row in rows}
