"""Projects: made, renamed and deleted with their audit events."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func

from api import etags
from api.deps import Member
from api.errors import ApiError
from api.schemas.projects import NewProject, ProjectPatch
from db.engine import TenantSession
from db.models import Project
from db.queries import audit
from db.queries import projects as queries
from db.queries.projects import ProjectFilter

MOST_PROJECTS = 1000


def create(session: TenantSession, who: Member, body: NewProject) -> Project:
    """Make a project. Raises 409."""
    if queries.count(session, who.organization_id, who.reach, ProjectFilter()) >= MOST_PROJECTS:
        raise ApiError("too_many_projects")
    values = body.model_dump()
    project_id = queries.add(session, who.organization_id, values)
    if project_id is None:
        raise ApiError("duplicate_project")
    _record(session, who, "project.created", project_id, after=values)
    made = _found(session, who, project_id)
    session.commit()
    return made


def change(
    session: TenantSession, who: Member, project_id: UUID, body: ProjectPatch,
    expected: str | None,
) -> Project:  # fmt: skip
    """Rename or describe a project. Raises 404, 409, 412."""
    found = _found(session, who, project_id, lock=True)
    etags.require(expected, found.updated_at)
    wanted = {name: getattr(body, name) for name in body.model_fields_set}
    before = {name: getattr(found, name) for name in wanted}
    changed = {name: value for name, value in wanted.items() if value != before[name]}
    if changed:
        if not queries.change(session, who.organization_id, project_id, changed):
            raise ApiError("duplicate_project")
        before = {name: before[name] for name in changed}
        _record(session, who, "project.changed", project_id, before=before, after=changed)
        found = _found(session, who, project_id)
        session.commit()
    return found


def delete(session: TenantSession, who: Member, project_id: UUID) -> None:
    """Delete a project that has no files. Raises 404, 409."""
    found = _found(session, who, project_id, lock=True)
    if queries.has_files(session, who.organization_id, project_id):
        raise ApiError("project_in_use")
    queries.change(session, who.organization_id, project_id, {"deleted_at": func.now()})
    _record(session, who, "project.deleted", project_id, before={"name": found.name})
    session.commit()


def _found(session: TenantSession, who: Member, project_id: UUID, *, lock: bool = False) -> Project:
    found = queries.find(session, who.organization_id, project_id, who.reach, lock=lock)
    if found is None:
        raise ApiError("not_found")
    return found


def _record(
    session: TenantSession, who: Member, action: str, project_id: UUID, **told: Any
) -> None:
    audit.record(
        session, who.organization_id, who.actor, action=action, object_type="project",
        object_id=project_id, **told,
    )  # fmt: skip
