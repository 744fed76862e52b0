"""Projects of an organization, within the reach of whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from core.permissions import Reach
from db.ids import uuid7
from db.models import File, Project
from db.queries import paging

PROJECT: Any = Project
FILE: Any = File

BY_NAME = paging.Sort("name", PROJECT.name, paging.Kind.TEXT)


@dataclass(frozen=True, slots=True)
class ProjectFilter:
    """Which projects are wanted; `q` is part of the name."""

    q: str | None = None


def _wanted(
    organization_id: UUID, reach: Reach, wanted: ProjectFilter
) -> list[ColumnElement[bool]]:
    conditions = [PROJECT.organization_id == organization_id, PROJECT.deleted_at.is_(None)]
    if reach.projects is not None:
        conditions.append(PROJECT.id.in_(reach.projects))
    if wanted.q:
        conditions.append(PROJECT.name.icontains(wanted.q, autoescape=True))
    return conditions


def list_page(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    wanted: ProjectFilter,
    request: paging.PageRequest,
) -> paging.Page[Project]:
    """Return a page of the living projects within reach, by name."""
    rows = session.scalars(
        select(PROJECT)
        .where(*_wanted(organization_id, reach, wanted), *paging.after(request, PROJECT.id))
        .order_by(*paging.order_by(request.sort, PROJECT.id))
        .limit(request.limit + 1)
    ).all()
    return paging.cut(rows, request, "name")


def count(session: Session, organization_id: UUID, reach: Reach, wanted: ProjectFilter) -> int:
    """Count the living projects within reach."""
    query = select(func.count()).select_from(PROJECT)
    return session.scalar(query.where(*_wanted(organization_id, reach, wanted))) or 0


def find(
    session: Session,
    organization_id: UUID,
    project_id: UUID,
    reach: Reach,
    *,
    lock: bool = False,
) -> Project | None:
    """Return a living project within reach; `lock` keeps uploads from joining it meanwhile."""
    query = select(PROJECT).where(
        *_wanted(organization_id, reach, ProjectFilter()), PROJECT.id == project_id
    )
    query = query.execution_options(populate_existing=True)
    found: Project | None = session.scalars(
        query.with_for_update() if lock else query
    ).one_or_none()
    return found


def add(session: Session, organization_id: UUID, values: Mapping[str, Any]) -> UUID | None:
    """Add a project; return its id, or None when a living one has the name."""
    project_id = uuid7()
    try:
        with session.begin_nested():
            session.execute(
                insert(PROJECT).values(id=project_id, organization_id=organization_id, **values)
            )
    except IntegrityError:
        return None
    return project_id


def change(
    session: Session, organization_id: UUID, project_id: UUID, values: Mapping[str, Any]
) -> bool:
    """Set columns of a project; tell whether the name was free."""
    try:
        with session.begin_nested():
            session.execute(
                update(PROJECT)
                .where(PROJECT.organization_id == organization_id, PROJECT.id == project_id)
                .values(**values)
            )
    except IntegrityError:
        return False
    return True


def has_files(session: Session, organization_id: UUID, project_id: UUID) -> bool:
    """Tell whether living files belong to a project."""
    query = select(FILE.id).where(
        FILE.organization_id == organization_id,
        FILE.project_id == project_id,
        FILE.deleted_at.is_(None),
    )
    return session.scalar(query.limit(1)) is not None
