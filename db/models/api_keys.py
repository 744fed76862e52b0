"""Keys of machines."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel

from db.models.columns import json_column, key_column, time_column


class ApiKey(SQLModel, table=True):
    """Lets a machine in, within what its creator may do; only the hash of its secret is kept."""

    __tablename__ = "api_keys"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    name: str
    role: str
    permissions: dict[str, Any] | None = json_column(nullable=False)
    secret_sha256: bytes
    created_by: UUID
    created_at: dt.datetime | None = time_column(nullable=False)
    expires_at: dt.datetime = time_column(nullable=False)
    last_used_at: dt.datetime | None = time_column()
    revoked_at: dt.datetime | None = time_column()
    revoked_by: UUID | None = None
