"""Logins and people."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from api.schemas.common import Answer, Body, storable
from core.permissions import Role


class Login(Body):
    """E-mail and password."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"email": "demo@tonnage.example", "password": "correct horse battery"}]
        }
    )

    email: Annotated[str, StringConstraints(min_length=3, max_length=320), AfterValidator(storable)]
    password: Annotated[
        str, StringConstraints(min_length=1, max_length=1024), AfterValidator(storable)
    ] = Field(description="The account's password")


class Refresh(Body):
    """A refresh token."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"refresh_token": "q3V0eWp1c3QtYW4tZXhhbXBsZS1yZWZyZXNoLXRva2Vu"}]
        }
    )

    refresh_token: Annotated[
        str, StringConstraints(min_length=20, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")
    ] = Field(description="The newest of the session; it works once")


class OrganizationRole(Answer):
    """An organization and the user's role in it."""

    id: UUID
    name: str = Field(description="Its name")
    role: Role


class UserProfile(Answer):
    """A person with the organizations they belong to."""

    id: UUID
    email: str
    first_name: str | None
    last_name: str | None
    organizations: list[OrganizationRole] = Field(description="Those the person belongs to")


class Tokens(Answer):
    """What a session works with."""

    access_token: str = Field(description="Sent as `Authorization: Bearer …`")
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int = Field(description="Seconds the access token lives")
    refresh_token: str = Field(description="Works once; the answer holds the next one")
    refresh_expires_in: int = Field(description="Seconds the refresh token lives")
    user: UserProfile = Field(description="Who logged in, and where they belong")


class ProjectName(Answer):
    """A project."""

    id: UUID
    name: str


class OrganizationAccess(OrganizationRole):
    """What the user may see and do in one organization."""

    permissions: dict[str, Any]
    projects: list[ProjectName] = Field(description="The projects this membership sees")
    features: dict[str, bool] = Field(description="What this membership may do")


class CurrentUser(Answer):
    """The user as of now."""

    id: UUID
    email: str
    first_name: str | None
    last_name: str | None
    organizations: list[OrganizationAccess]
