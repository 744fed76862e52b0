"""Webhooks: endpoints, their secrets, the outbox of events, deliveries and their attempts."""

import datetime as dt
from uuid import UUID

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from db.models.columns import key_column, time_column


class Webhook(SQLModel, table=True):
    """Where an organization wants to be told of events."""

    __tablename__ = "webhooks"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    created_by: UUID
    url: str
    events: list[str] = Field(sa_type=ARRAY(Text))
    description: str | None = None
    enabled: bool = True
    disabled_by: str | None = None
    disabled_at: dt.datetime | None = time_column()
    consecutive_failures: int = 0
    created_at: dt.datetime | None = time_column(nullable=False)
    updated_at: dt.datetime | None = time_column(nullable=False)
    deleted_at: dt.datetime | None = time_column()


class WebhookSecret(SQLModel, table=True):
    """A sealed secret; one without an end is the present one."""

    __tablename__ = "webhook_secrets"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    webhook_id: UUID
    sealed: bytes
    created_at: dt.datetime | None = time_column(nullable=False)
    expires_at: dt.datetime | None = time_column()


class WebhookEvent(SQLModel, table=True):
    """An event of the outbox, with its payload as it is sent."""

    __tablename__ = "webhook_events"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    type: str
    payload: str
    created_at: dt.datetime | None = time_column(nullable=False)


class WebhookDelivery(SQLModel, table=True):
    """One event for one endpoint, and how far it is."""

    __tablename__ = "webhook_deliveries"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    webhook_id: UUID
    event_id: UUID
    event_type: str
    status: str = "pending"
    attempts: int = 0
    attempts_before: int = 0
    last_status_code: int | None = None
    due_at: dt.datetime | None = time_column(nullable=False)
    ended_at: dt.datetime | None = time_column()
    created_at: dt.datetime | None = time_column(nullable=False)
    updated_at: dt.datetime | None = time_column(nullable=False)


class WebhookAttempt(SQLModel, table=True):
    """One try of a delivery."""

    __tablename__ = "webhook_attempts"

    organization_id: UUID = key_column()
    delivery_id: UUID = key_column()
    number: int = Field(primary_key=True)
    status_code: int | None = None
    problem: str | None = None
    duration_ms: int
    attempted_at: dt.datetime | None = time_column(nullable=False)
