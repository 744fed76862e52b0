"""/v1/organizations/{id}/projects: folders of files, and what memberships are limited to."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from api import projects
from api.deps import Member, PagingDep, ServicesDep, requires_here
from api.errors import ApiError
from api.etags import IfMatch, etag
from api.openapi import WITH_BODY, documented
from api.pagination import Binding, next_cursor
from api.schemas.common import Text, pagination
from api.schemas.projects import (
    NewProject,
    ProjectAnswer,
    ProjectDeleted,
    ProjectList,
    ProjectPatch,
)
from core.permissions import Operation
from db.engine import tenant_session
from db.queries import projects as queries

router = APIRouter(prefix="/v1/organizations/{organization_id}/projects", tags=["organizations"])

MANAGE = Operation.MANAGE_PROJECTS
ReaderHere = Annotated[Member, Depends(requires_here(Operation.READ))]
ManagerHere = Annotated[Member, Depends(requires_here(MANAGE))]


@router.get("", **documented("cursor_invalid", operation=Operation.READ))
def list_projects(
    who: ReaderHere,
    services: ServicesDep,
    paging: PagingDep,
    request: Request,
    response: Response,
    q: Annotated[Text | None, Query(description="Part of the name")] = None,
) -> ProjectList:
    """List the projects that the membership sees, by name."""
    wanted = queries.ProjectFilter(q)
    binding = Binding("projects", who.organization_id, (who.reach.key(), wanted))
    asked = paging.request(services.cursors, queries.BY_NAME, binding)
    with tenant_session(services.app_engine, who.organization_id) as session:
        scope = (session, who.organization_id, who.reach, wanted)
        page = queries.list_page(*scope, asked)
        total = queries.count(*scope) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return ProjectList(
        projects=[ProjectAnswer.model_validate(row) for row in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )


@router.get("/{project_id}", **documented(operation=Operation.READ))
def get_project(
    project_id: UUID, who: ReaderHere, services: ServicesDep, response: Response
) -> ProjectAnswer:
    """Return a project; the ETag is for If-Match."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        found = queries.find(session, who.organization_id, project_id, who.reach)
    if found is None:
        raise ApiError("not_found")
    response.headers["ETag"] = etag(found.updated_at)
    return ProjectAnswer.model_validate(found)


@router.post(
    "", status_code=201,
    **documented("duplicate_project", "too_many_projects", *WITH_BODY, operation=MANAGE),
)  # fmt: skip
def create_project(
    body: NewProject, who: ManagerHere, services: ServicesDep, response: Response
) -> ProjectAnswer:
    """Make a project."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        made = projects.create(session, who, body)
    response.headers["ETag"] = etag(made.updated_at)
    response.headers["Location"] = f"/v1/organizations/{who.organization_id}/projects/{made.id}"
    return ProjectAnswer.model_validate(made)


@router.patch(
    "/{project_id}",
    **documented("duplicate_project", "precondition_failed", *WITH_BODY, operation=MANAGE),
)
def change_project(
    project_id: UUID,
    body: ProjectPatch,
    who: ManagerHere,
    services: ServicesDep,
    response: Response,
    if_match: IfMatch = None,
) -> ProjectAnswer:
    """Rename or describe a project."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        found = projects.change(session, who, project_id, body, if_match)
    response.headers["ETag"] = etag(found.updated_at)
    return ProjectAnswer.model_validate(found)


@router.delete("/{project_id}", **documented("project_in_use", operation=MANAGE))
def delete_project(project_id: UUID, who: ManagerHere, services: ServicesDep) -> ProjectDeleted:
    """Delete a project that has no files; its name is free again."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        projects.delete(session, who, project_id)
    return ProjectDeleted(deleted=True, project_id=project_id)
