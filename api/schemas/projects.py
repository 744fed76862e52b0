"""Projects of an organization."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from api.schemas.common import Answer, Body, Pagination, Patch, storable

ProjectTitle = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True),
    AfterValidator(storable),
]  # fmt: skip
Description = Annotated[
    str, StringConstraints(min_length=1, max_length=2000), AfterValidator(storable)
]


class NewProject(Body):
    """A project to make; its name is its own within the organization."""

    name: ProjectTitle
    description: Description | None = None


class ProjectPatch(Patch):
    """What may be changed; a field that is left out stays as it is."""

    name: ProjectTitle = Field(default="", description="Not null")
    description: Description | None = None


class ProjectAnswer(Answer):
    """A project."""

    id: UUID
    name: str
    description: str | None
    created_at: dt.datetime
    updated_at: dt.datetime


class ProjectList(Answer):
    """A page of projects."""

    projects: list[ProjectAnswer]
    pagination: Pagination


class ProjectDeleted(Answer):
    """A project that is gone."""

    deleted: bool
    project_id: UUID
