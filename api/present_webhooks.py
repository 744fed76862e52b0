"""Rows of the delivery log as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence

from api.schemas.webhooks import AttemptItem, DeliveryItem
from core.webhooks import DeliveryStatus
from db.models import WebhookAttempt, WebhookDelivery


def delivery_item(row: WebhookDelivery, attempts: Sequence[WebhookAttempt]) -> DeliveryItem:
    """Return a delivery with its attempts; when the next is due only while there is one."""
    pending = row.status == DeliveryStatus.PENDING
    return DeliveryItem.model_validate(
        {
            **row.model_dump(include={"id", "event_id", "status", "created_at", "ended_at"}),
            "event": row.event_type,
            "attempts": [AttemptItem.model_validate(attempt) for attempt in attempts],
            "next_attempt_at": row.due_at if pending else None,
        }
    )
