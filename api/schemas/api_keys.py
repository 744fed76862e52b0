"""Keys of machines."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from api.schemas.common import Answer, Body, Pagination, storable
from api.schemas.members import Permissions
from core.permissions import Role

KeyName = Annotated[
    str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True),
    AfterValidator(storable),
]  # fmt: skip


class NewApiKey(Body):
    """A key to make. It never may more than its creator may at the time of a request."""

    name: KeyName = Field(description="What it is for")
    role: Literal[Role.VIEWER, Role.USER, Role.MANAGER]
    permissions: Permissions | None = None
    expires_in_days: Annotated[int, Field(ge=1, le=366)] = 90


class ApiKeyItem(Answer):
    """A key, without its secret."""

    id: UUID
    name: str
    role: Role
    permissions: dict[str, Any]
    created_by: UUID = Field(description="What the key does is done on behalf of this member")
    created_at: dt.datetime
    expires_at: dt.datetime
    last_used_at: dt.datetime | None = Field(description="To the minute")


class ApiKeyList(Answer):
    """A page of keys."""

    api_keys: list[ApiKeyItem]
    pagination: Pagination


class ApiKeyMade(Answer):
    """A new key with its secret, which is shown once."""

    api_key: ApiKeyItem
    secret: str = Field(description="Send it as `Authorization: Bearer tng_…`")


class ApiKeyRevoked(Answer):
    """A key that works no more."""

    revoked: bool
    key_id: UUID
