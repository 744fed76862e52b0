"""/v1/organizations/{id}/webhooks: who is told of events, and what became of each."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from api import limits, webhooks
from api.deps import Member, PagingDep, ServicesDep, requires_here
from api.openapi import WITH_BODY, documented
from api.pagination import Binding, next_cursor
from api.present_webhooks import delivery_item
from api.schemas.common import Text, pagination
from api.schemas.webhooks import (
    DeliveryList,
    DeliveryStarted,
    SecretRotated,
    WebhookCreated,
    WebhookDeleted,
    WebhookItem,
    WebhookList,
    WebhookPatch,
    WebhookRequest,
)
from core.permissions import Operation
from core.webhooks import DeliveryStatus
from db.queries import webhook_events as events
from db.queries import webhooks as queries

PATH = "/v1/organizations/{organization_id}/webhooks"
router = APIRouter(prefix=PATH, tags=["webhooks"])

ManagerHere = Annotated[Member, Depends(requires_here(Operation.MANAGE_WEBHOOKS))]
_manages = documented(operation=Operation.MANAGE_WEBHOOKS)
_changes = documented(*WITH_BODY, operation=Operation.MANAGE_WEBHOOKS)
_creates = documented("too_many_webhooks", *WITH_BODY, operation=Operation.MANAGE_WEBHOOKS)
_lists = documented("cursor_invalid", operation=Operation.MANAGE_WEBHOOKS)
_resends = documented("delivery_pending", operation=Operation.MANAGE_WEBHOOKS)


def delivery_filter(
    status: Annotated[DeliveryStatus | None, Query(description="How far the delivery is")] = None,
    event: Annotated[Text | None, Query(description="For example `file.completed`")] = None,
) -> events.DeliveryFilter:
    """Read the filter of the log."""
    return events.DeliveryFilter(status, event)


def tester(request: Request, who: ManagerHere, services: ServicesDep) -> Member:
    """Take a permit for a test event. Raises 429."""
    limits.charge(request, services.limiter, "webhook_tests", who.organization_id)
    return who


TesterHere = Annotated[Member, Depends(tester)]


@router.post("", status_code=201, **_creates)
def create_webhook(
    body: WebhookRequest, who: ManagerHere, services: ServicesDep, response: Response
) -> WebhookCreated:
    """Add an endpoint, at most ten; the secret is shown only in this answer."""
    made, secret = webhooks.create(services, who, body)
    response.headers["Location"] = f"/v1/organizations/{who.organization_id}/webhooks/{made.id}"
    response.headers["Cache-Control"] = "no-store"
    return WebhookCreated(**made.model_dump(), secret=secret)


@router.get("", **_lists)
def list_webhooks(
    who: ManagerHere,
    services: ServicesDep,
    paging: PagingDep,
    request: Request,
    response: Response,
) -> WebhookList:
    """List the endpoints, the oldest first."""
    binding = Binding("webhooks", who.organization_id, None)
    asked = paging.request(services.cursors, queries.BY_AGE, binding)
    with webhooks.session_of(services, who) as session:
        page = queries.list_webhooks(session, who.organization_id, asked)
        total = queries.count(session, who.organization_id) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return WebhookList(
        webhooks=[WebhookItem.model_validate(row) for row in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )


@router.get("/{webhook_id}", **_manages)
def get_webhook(webhook_id: UUID, who: ManagerHere, services: ServicesDep) -> WebhookItem:
    """Return an endpoint."""
    with webhooks.session_of(services, who) as session:
        return WebhookItem.model_validate(webhooks.load(session, who, webhook_id))


@router.patch("/{webhook_id}", **_changes)
def change_webhook(
    webhook_id: UUID, body: WebhookPatch, who: ManagerHere, services: ServicesDep
) -> WebhookItem:
    """Change URL, events or description; switch an endpoint off, or on again."""
    return WebhookItem.model_validate(webhooks.change(services, who, webhook_id, body))


@router.delete("/{webhook_id}", **_manages)
def delete_webhook(webhook_id: UUID, who: ManagerHere, services: ServicesDep) -> WebhookDeleted:
    """Delete an endpoint; what is on its way to it is given up."""
    webhooks.delete(services, who, webhook_id)
    return WebhookDeleted(deleted=True, webhook_id=webhook_id)


@router.post("/{webhook_id}/rotate-secret", **_manages)
def rotate_webhook_secret(
    webhook_id: UUID, who: ManagerHere, services: ServicesDep, response: Response
) -> SecretRotated:
    """Make a new secret, shown only now; for a day both it and the one before sign."""
    secret, until = webhooks.rotate(services, who, webhook_id)
    response.headers["Cache-Control"] = "no-store"
    return SecretRotated(webhook_id=webhook_id, secret=secret, previous_secret_signs_until=until)


@router.post("/{webhook_id}/test", status_code=202, **_manages)
async def test_webhook(webhook_id: UUID, who: TesterHere, services: ServicesDep) -> DeliveryStarted:
    """Send the event `webhook.test`, also to an endpoint that is switched off.

    An organization may send ten a minute.
    """
    ref = await webhooks.test(services, who, webhook_id)
    return DeliveryStarted(**ref.model_dump(), status=DeliveryStatus.PENDING)


@router.get("/{webhook_id}/deliveries", **_lists)
def list_webhook_deliveries(
    webhook_id: UUID,
    who: ManagerHere,
    services: ServicesDep,
    wanted: Annotated[events.DeliveryFilter, Depends(delivery_filter)],
    paging: PagingDep,
    request: Request,
    response: Response,
) -> DeliveryList:
    """List what was sent to an endpoint, newest first, with every attempt."""
    binding = Binding("deliveries", who.organization_id, (webhook_id, wanted))
    asked = paging.request(services.cursors, events.BY_AGE, binding)
    with webhooks.session_of(services, who) as session:
        webhooks.load(session, who, webhook_id)
        scope = (session, who.organization_id, webhook_id, wanted)
        page = events.list_deliveries(*scope, asked)
        total = events.count_deliveries(*scope) if paging.wants_total else None
        tried = events.attempts_of(session, who.organization_id, [row.id for row in page.rows])
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return DeliveryList(
        deliveries=[delivery_item(row, tried[row.id]) for row in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )


@router.post("/{webhook_id}/deliveries/{delivery_id}/resend", status_code=202, **_resends)
async def resend_webhook_delivery(
    webhook_id: UUID, delivery_id: UUID, who: ManagerHere, services: ServicesDep
) -> DeliveryStarted:
    """Send a delivery that has ended anew: the same event, with the same `webhook-id`."""
    ref = await webhooks.resend(services, who, webhook_id, delivery_id)
    return DeliveryStarted(**ref.model_dump(), status=DeliveryStatus.PENDING)
