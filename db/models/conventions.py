"""What the conventions of the API remember: answers to repeat, and who asked how often."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import SmallInteger
from sqlmodel import Field, SQLModel

from db.models.columns import json_column, key_column, time_column


class IdempotencyKey(SQLModel, table=True):
    """A POST with an Idempotency-Key: in flight, or with its answer."""

    __tablename__ = "idempotency_keys"

    organization_id: UUID = key_column()
    caller_id: UUID = key_column()
    key: str = Field(primary_key=True)
    attempt: UUID
    fingerprint: str
    request_id: str
    reserved_at: dt.datetime | None = time_column(nullable=False)
    effect_at: dt.datetime | None = time_column()
    answered_at: dt.datetime | None = time_column()
    status: int | None = Field(default=None, sa_type=SmallInteger)
    headers: dict[str, Any] | None = json_column()
    body: bytes | None = None
    created_at: dt.datetime | None = time_column(nullable=False)


class RateLimit(SQLModel, table=True):
    """A token bucket: when it is full again."""

    __tablename__ = "rate_limits"

    policy: str = Field(primary_key=True)
    subject: UUID = Field(primary_key=True)
    full_at: dt.datetime | None = time_column(nullable=False)
