"""Organizations of a user."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from pydantic import Field

from api.schemas.common import Answer, Pagination
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
