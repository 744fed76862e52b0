"""Organizations of a user."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from api.schemas.common import Answer, Pagination, Patch, storable
from core.permissions import Role


class OrganizationItem(Answer):
    """An organization with the user's membership in it."""

    id: UUID
    name: str
    industry: str | None
    country: str | None = Field(description="ISO 3166-1 alpha-2")
    role: Role
    permissions: dict[str, Any] | None
    created_at: dt.datetime
    member_since: dt.datetime


class OrganizationList(Answer):
    """A page of organizations."""

    organizations: list[OrganizationItem]
    pagination: Pagination


class OrganizationAnswer(Answer):
    """An organization with its settings."""

    id: UUID
    name: str
    industry: str | None
    country: str | None = Field(description="ISO 3166-1 alpha-2")
    search_language: str = Field(description="Of full-text search, e.g. `english`, `german`")
    review_below: float = Field(description="Rows below this confidence are listed for review")
    hold_below: float = Field(description="Rows below this confidence get no figure")
    base_year: int | None = Field(description="Whose figures inventory reports show beside")
    factor_releases: list[str] = Field(description="Pinned: what the next match may use")
    ai_matching: bool = Field(description="Whether texts may go to a configured language model")
    data_retention_days: int | None
    created_at: dt.datetime
    updated_at: dt.datetime


Share = Annotated[float, Field(ge=0, le=1)]
Line = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True),
    AfterValidator(storable),
]  # fmt: skip


class OrganizationPatch(Patch):
    """What may be changed; a field that is left out stays as it is."""

    name: Line = Field(default="", description="Not null")
    industry: Line | None = None
    country: Line | None = Field(default=None, description="ISO 3166-1 alpha-2, or a name")
    search_language: Line = Field(default="", description="A text-search language of PostgreSQL")
    review_below: Share = Field(default=0.0, description="Listed for review below it")
    hold_below: Share = Field(default=0.0, description="No figure below it; not above review_below")
    base_year: Annotated[int, Field(ge=1990, le=2100)] | None = Field(
        default=None, description="What other years are compared with; null: none"
    )
    factor_releases: Annotated[tuple[Line, ...], Field(min_length=1, max_length=50)] = Field(
        default=(), description="Pinned from the next match on; not null"
    )
    ai_matching: bool = Field(default=True, description="Whether a language model may be asked")
    data_retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = Field(
        default=None, description="Days until uploads are purged; null: they are kept"
    )
