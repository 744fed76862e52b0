"""Payloads of webhooks that cross Temporal: ids and counts, never a URL, a secret or a body."""

from __future__ import annotations

from uuid import UUID

from core.contracts import Payload

DELIVER_WEBHOOK = "DeliverWebhook"


class DeliveryRef(Payload):
    """Names one event for one endpoint; input of the DeliverWebhook workflow."""

    organization_id: UUID
    event_id: UUID
    webhook_id: UUID


class DeliveryResult(Payload):
    """What became of it; `status` as webhook_deliveries.status, or "deleted"."""

    status: str
    attempts: int = 0
    attempt: int = 1


class SweepDeliveriesInput(Payload):
    """How long a delivery must be overdue before the sweep starts it."""

    older_than_s: int = 60


class SweepDeliveriesResult(Payload):
    """How many deliveries the sweep started."""

    started: int


def delivery_workflow_id(ref: DeliveryRef) -> str:
    """Return the id of a delivery's workflow: the same for every start, so it never runs twice."""
    return f"webhook/{ref.event_id}/{ref.webhook_id}"
