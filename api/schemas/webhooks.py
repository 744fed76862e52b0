"""Webhooks of an organization."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from api.schemas.common import Answer, Body, Pagination, Patch, storable
from core.webhooks import DeliveryStatus, DisabledBy, EventType, NoAnswer


def distinct(events: tuple[EventType, ...]) -> tuple[EventType, ...]:
    """Name every event once, in the order of the list."""
    return tuple(event for event in EventType if event in events)


Events = Annotated[
    tuple[EventType, ...], Field(min_length=1, max_length=len(EventType)), AfterValidator(distinct)
]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(storable)]
Words = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True),
    AfterValidator(storable),
]  # fmt: skip


class WebhookRequest(Body):
    """A new endpoint."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://hooks.alpha.example/t", "events": ["file.completed"]}]
        }
    )

    url: Url = Field(description="https, port 443 or 8443, of the public internet")
    events: Events
    description: Words | None = None


class WebhookPatch(Patch):
    """What may be changed; a field that is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False}]})

    url: Url = Field(default="", description="Not null")
    events: Events = ()
    description: Words | None = None
    enabled: bool = Field(default=True, description="True begins anew, with no failures counted")


class WebhookItem(Answer):
    """An endpoint. Its secret is shown once, when it is made."""

    id: UUID
    url: str
    events: list[EventType]
    description: str | None
    enabled: bool
    disabled_by: DisabledBy | None = Field(
        description="`person`; `gone`: it answered 410; `failures`: ten events in a row failed"
    )
    disabled_at: dt.datetime | None
    consecutive_failures: int = Field(description="Events in a row that could not be delivered")
    created_by: UUID
    created_at: dt.datetime
    updated_at: dt.datetime


class WebhookCreated(WebhookItem):
    """A new endpoint with its secret, which is shown only now."""

    secret: str = Field(description="`whsec_` and base64; verifies the signatures")


class WebhookList(Answer):
    """A page of endpoints, the oldest first."""

    webhooks: list[WebhookItem]
    pagination: Pagination


class WebhookDeleted(Answer):
    """An endpoint is gone."""

    deleted: bool
    webhook_id: UUID


class SecretRotated(Answer):
    """A new secret, which is shown only now."""

    webhook_id: UUID
    secret: str
    previous_secret_signs_until: dt.datetime = Field(description="Until then both sign")


class AttemptItem(Answer):
    """One try; no status when there was no answer."""

    number: int
    status_code: int | None
    problem: NoAnswer | None = Field(
        description="Why there was no answer; `address_unusable`: the name has none, or one that "
        "may not be called"
    )
    duration_ms: int
    attempted_at: dt.datetime


class DeliveryItem(Answer):
    """One event for one endpoint."""

    id: UUID
    event_id: UUID = Field(description="The `webhook-id` of every attempt")
    event: str
    status: DeliveryStatus
    attempts: list[AttemptItem]
    next_attempt_at: dt.datetime | None
    created_at: dt.datetime
    ended_at: dt.datetime | None


class DeliveryList(Answer):
    """A page of deliveries, newest first."""

    deliveries: list[DeliveryItem]
    pagination: Pagination


class DeliveryStarted(Answer):
    """An event is on its way."""

    event_id: UUID
    webhook_id: UUID
    status: DeliveryStatus
