"""Members of an organization."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from api.schemas.common import Answer, Body, Pagination, storable
from core.permissions import Role

MOST_PROJECTS = 500

PersonName = Annotated[
    str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True),
    AfterValidator(storable),
]  # fmt: skip


def _lower(given: Any) -> Any:
    return given.strip().lower() if isinstance(given, str) else given


# The address as HTML forms check it: ASCII, so that every part of the system agrees on its case.
Email = Annotated[
    str,
    BeforeValidator(_lower),
    StringConstraints(
        min_length=3,
        max_length=254,
        pattern=r"^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)+$",
    ),
]


class Permissions(Body):
    """What narrows a role. Empty: the whole organization."""

    projects: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=MOST_PROJECTS)] | None = (
        Field(default=None, description="Only these projects, of this organization")
    )

    def stored(self) -> dict[str, Any]:
        """Return what the membership keeps."""
        if self.projects is None:
            return {}
        return {"projects": [str(project) for project in dict.fromkeys(self.projects)]}


class Membership(Body):
    """The role of a member; permissions that are left out stay as they are."""

    role: Role
    permissions: Permissions | None = None


class NewMember(Body):
    """Somebody to invite. The names are for a new account; an existing one keeps its own."""

    email: Email
    role: Role
    permissions: Permissions | None = None
    first_name: PersonName | None = None
    last_name: PersonName | None = None


class MemberStatus(StrEnum):
    """Whether somebody is a member and can log in."""

    ACTIVE = "active"
    INVITED = "invited"
    DISABLED = "disabled"


class MemberItem(Answer):
    """A member with role and what narrows it."""

    user_id: UUID = Field(description="Of somebody who is `invited`: the invitation's id")
    email: str
    first_name: str | None
    last_name: str | None
    role: Role
    permissions: dict[str, Any]
    status: MemberStatus = Field(description="`invited`: has not accepted yet")
    member_since: dt.datetime = Field(description="Of somebody who is `invited`: since when")


class MemberList(Answer):
    """A page of members."""

    members: list[MemberItem]
    pagination: Pagination


class Invitation(Answer):
    """A one-time token for POST /v1/auth/password or join. Shown once: hand it to the person."""

    token: str
    expires_at: dt.datetime


class MemberAdded(Answer):
    """The invited person, and the token with which they accept."""

    member: MemberItem
    invitation: Invitation


class MemberRemoved(Answer):
    """A membership that ended."""

    removed: bool
    user_id: UUID
