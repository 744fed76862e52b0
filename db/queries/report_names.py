"""What people call the files and projects that a report was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session

from core.permissions import Reach
from db.models import File, Project

FILE: Any = File
PROJECT: Any = Project


def names_of(
    session: Session, organization_id: UUID, reach: Reach, filter_name: str, ids: Sequence[UUID]
) -> dict[UUID, str]:
    """Return the names of files (for "file_id") or else of projects, also of deleted ones.

    Whoever asked may have named what they do not see: its name is not told either.
    """
    of_files = filter_name == "file_id"
    table, name = (FILE, FILE.filename) if of_files else (PROJECT, PROJECT.name)
    found = [table.organization_id == organization_id, table.id.in_(ids)]
    if reach.projects is not None:
        found.append((FILE.project_id if of_files else PROJECT.id).in_(reach.projects))
    rows = session.execute(select(table.id, name).where(*found))
    return {row[0]: row[1] for row in rows}
