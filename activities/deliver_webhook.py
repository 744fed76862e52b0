"""Deliver one event to one endpoint: one attempt a run, Temporal comes back for the next."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from core.contracts_webhooks import DeliveryRef, DeliveryResult
from core.webhooks import (
    DISABLE_AFTER,
    SECRET_PURPOSE,
    TEST_EVENT,
    Answer,
    DeliveryStatus,
    DisabledBy,
    Outgoing,
    SecretVault,
    WebhookSender,
    delay_after,
    place_of,
)
from db.engine import TenantSession, tenant_session
from db.queries import audit, webhooks
from db.queries import webhook_events as queries

PIPELINE = audit.Actor(user_id=None, kind="pipeline")
DELETED = "deleted"
NOT_DELIVERED = "NotDelivered"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attempt came to; `retry_in_s` is set while it is pending."""

    result: DeliveryResult
    retry_in_s: float | None = None


class DeliverWebhooks:
    """Sends and keeps the log; the only writer of a delivery's outcome.

    A worker that dies between answer and log sends again, with the same webhook-id: receivers
    are told to expect that.
    """

    def __init__(self, engine: Engine, vault: SecretVault, sender: WebhookSender) -> None:
        self.engine = engine
        self.vault = vault
        self.sender = sender

    @activity.defn(name="deliver_webhook")
    async def deliver_webhook(self, ref: DeliveryRef) -> DeliveryResult:
        """Try once. Raises NotDelivered with the delay of the next attempt, if there is one."""
        prepared = await asyncio.to_thread(self.prepare, ref)
        if isinstance(prepared, DeliveryResult):
            return prepared.model_copy(update={"attempt": activity.info().attempt})
        answer = await self.sender.send(prepared)
        verdict = await asyncio.to_thread(self.record, ref, answer)
        if verdict.retry_in_s is not None:
            raise ApplicationError(
                f"status {answer.status}" if answer.status else "no answer",
                type=NOT_DELIVERED,
                next_retry_delay=timedelta(seconds=verdict.retry_in_s),
            )
        return verdict.result.model_copy(update={"attempt": activity.info().attempt})

    def prepare(self, ref: DeliveryRef) -> Outgoing | DeliveryResult:
        """Return what to send, or how the delivery has ended."""
        with tenant_session(self.engine, ref.organization_id) as session:
            found = queries.get_delivery(session, ref)
            if found is None:
                return DeliveryResult(status=DELETED)
            delivery = found.delivery
            if delivery.status != DeliveryStatus.PENDING:
                return DeliveryResult(status=delivery.status, attempts=delivery.attempts)
            if not found.wanted:
                queries.end(session, ref.organization_id, delivery.id, DeliveryStatus.FAILED)
                session.commit()
                return DeliveryResult(status=DeliveryStatus.FAILED, attempts=delivery.attempts)
            # until this attempt must have ended nobody else need look after it
            queries.postpone(session, ref.organization_id, delivery.id, 0)
            session.commit()
        place = place_of(ref.organization_id, ref.webhook_id)
        secrets = [self.vault.decrypt(SECRET_PURPOSE, s, place).decode() for s in found.sealed]
        holder = str(ref.organization_id)
        return Outgoing(found.webhook.url, ref.event_id, found.payload, secrets, holder)

    def record(self, ref: DeliveryRef, answer: Answer) -> Verdict:
        """Log an attempt and decide what follows."""
        organization_id = ref.organization_id
        with tenant_session(self.engine, organization_id) as session:
            found = queries.get_delivery(session, ref)
            if found is None:
                return Verdict(DeliveryResult(status=DELETED))
            delivery = found.delivery
            if delivery.status != DeliveryStatus.PENDING:
                return Verdict(DeliveryResult(status=delivery.status, attempts=delivery.attempts))
            tried = queries.add_attempt(session, organization_id, delivery, answer)
            delay_s = delay_after(tried, random.random(), answer.retry_after_s)  # noqa: S311
            if answer.delivered:
                status = DeliveryStatus.DELIVERED
            elif answer.gone or delay_s is None:
                status = DeliveryStatus.FAILED
            else:
                queries.postpone(session, organization_id, delivery.id, delay_s)
                session.commit()
                pending = DeliveryResult(status=DeliveryStatus.PENDING, attempts=tried)
                return Verdict(pending, delay_s)
            queries.end(session, organization_id, delivery.id, status)
            count_end(session, found, status, gone=answer.gone)
            session.commit()
        return Verdict(DeliveryResult(status=status, attempts=tried))

    @activity.defn(name="fail_delivery")
    def fail_delivery(self, ref: DeliveryRef) -> DeliveryResult:
        """End a delivery that could not even be tried for days."""
        with tenant_session(self.engine, ref.organization_id) as session:
            found = queries.get_delivery(session, ref)
            if found is None:
                return DeliveryResult(status=DELETED, attempt=activity.info().attempt)
            status = DeliveryStatus(found.delivery.status)
            if status is DeliveryStatus.PENDING:
                status = DeliveryStatus.FAILED
                queries.end(session, ref.organization_id, found.delivery.id, status)
                session.commit()
        return DeliveryResult(
            status=status, attempts=found.delivery.attempts, attempt=activity.info().attempt
        )


def count_end(
    session: TenantSession, found: queries.DeliveryRow, status: DeliveryStatus, *, gone: bool
) -> None:
    """Count events in a row that failed, and switch off an endpoint that is of no use."""
    webhook = found.webhook
    organization_id, webhook_id = webhook.organization_id, webhook.id
    if status is DeliveryStatus.DELIVERED:
        if webhook.consecutive_failures and found.delivery.event_type != TEST_EVENT:
            none = {"consecutive_failures": 0}
            webhooks.change_webhook(session, organization_id, webhook_id, none)
        return
    if not webhook.enabled or (found.delivery.event_type == TEST_EVENT and not gone):
        return
    failures = webhook.consecutive_failures + 1
    values: dict[str, object] = {"consecutive_failures": failures}
    by = DisabledBy.GONE if gone else DisabledBy.FAILURES
    if gone or failures >= DISABLE_AFTER:
        values |= webhooks.disabled_values(by)
        audit.record(
            session, organization_id, PIPELINE, action="webhook.disabled", object_type="webhook",
            object_id=webhook_id, after={"disabled_by": by.value, "failures": failures},
        )  # fmt: skip
    webhooks.change_webhook(session, organization_id, webhook_id, values)
