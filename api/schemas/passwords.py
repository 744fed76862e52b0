"""Setting passwords, and the list of logins."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from api.schemas.common import Answer, Body, Pagination, storable

Secret = Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(storable)]

OneTimeToken = Annotated[
    str, StringConstraints(min_length=20, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")
]


class PasswordChange(Body):
    """A new password, and the right to set it: the old one, or a one-time token."""

    new_password: Secret = Field(description="At least 15 characters; no rules of composition")
    old_password: Secret | None = Field(default=None, description="With an access token")
    token: OneTimeToken | None = Field(
        default=None, description="Of an invitation or a reset; without an access token"
    )

    @model_validator(mode="after")
    def one_right(self) -> PasswordChange:
        """Require exactly one of old password and token."""
        if (self.old_password is None) == (self.token is None):
            raise ValueError("name either old_password or token")
        return self


class Join(Body):
    """Consent to an invitation."""

    token: OneTimeToken = Field(description="Of the invitation")


class SessionItem(Answer):
    """A login that is alive."""

    id: UUID
    current: bool = Field(description="The one this request came with")
    created_at: dt.datetime
    last_used_at: dt.datetime = Field(description="When its tokens were last renewed")
    expires_at: dt.datetime = Field(description="Unless it is renewed before")


class SessionList(Answer):
    """A page of logins."""

    sessions: list[SessionItem]
    pagination: Pagination
