"""Who was asked into an organization."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel

from db.models.columns import json_column, key_column, time_column


class Invitation(SQLModel, table=True):
    """A membership that waits for the person's consent; only the hash of its token is kept."""

    __tablename__ = "invitations"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    email: str
    first_name: str | None = None
    last_name: str | None = None
    role: str
    permissions: dict[str, Any] | None = json_column(nullable=False)
    token_sha256: bytes
    invited_by: UUID
    created_at: dt.datetime | None = time_column(nullable=False)
    updated_at: dt.datetime | None = time_column(nullable=False)
    expires_at: dt.datetime = time_column(nullable=False)
