"""The outbox of events, and what becomes of each for each endpoint."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import any_, func, insert, literal, select, text, update
from sqlmodel import Session

from core.contracts_webhooks import DeliveryRef
from core.webhooks import TEST_EVENT, Answer, DeliveryStatus, payload_of
from db.ids import uuid7
from db.models import Webhook, WebhookAttempt, WebhookDelivery, WebhookEvent, WebhookSecret
from db.queries import paging

WEBHOOK: Any = Webhook
EVENT: Any = WebhookEvent
DELIVERY: Any = WebhookDelivery
ATTEMPT: Any = WebhookAttempt
SECRET: Any = WebhookSecret
BY_AGE = paging.Sort("created_at", DELIVERY.created_at, paging.Kind.TIME, descending=True)


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries of an endpoint are wanted."""

    status: DeliveryStatus | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery with its endpoint and what is sent, held until commit."""

    delivery: WebhookDelivery
    webhook: Webhook
    payload: str
    sealed: Sequence[bytes]  # the newest first

    @property
    def wanted(self) -> bool:
        """Tell whether the endpoint is still to get it; a test goes to a disabled one too."""
        enabled = self.webhook.enabled or self.delivery.event_type == TEST_EVENT
        return self.webhook.deleted_at is None and enabled


def emit(
    session: Session, organization_id: UUID, kind: str, data: Mapping[str, Any]
) -> Sequence[DeliveryRef]:
    """Add an event for every endpoint that asked for it, in the transaction of what happened.

    Returns what can be started once that is committed; nothing is written when nobody listens.
    """
    webhook_ids = session.scalars(
        select(WEBHOOK.id).where(
            WEBHOOK.organization_id == organization_id,
            WEBHOOK.enabled,
            WEBHOOK.deleted_at.is_(None),
            literal(str(kind)) == any_(WEBHOOK.events),
        )
    ).all()
    return add_event(session, organization_id, kind, data, webhook_ids) if webhook_ids else ()


def add_event(
    session: Session,
    organization_id: UUID,
    kind: str,
    data: Mapping[str, Any],
    webhook_ids: Sequence[UUID],
) -> Sequence[DeliveryRef]:
    """Add an event with one delivery for each of these endpoints."""
    event_id = uuid7()
    payload = payload_of(
        kind, dt.datetime.now(dt.UTC), {"organization_id": organization_id, **data}
    )
    session.execute(
        insert(EVENT).values(
            organization_id=organization_id, id=event_id, type=str(kind), payload=payload
        )
    )
    session.execute(
        insert(DELIVERY),
        [
            {
                "organization_id": organization_id, "id": uuid7(), "webhook_id": webhook_id,
                "event_id": event_id, "event_type": str(kind),
            }
            for webhook_id in webhook_ids
        ],
    )  # fmt: skip
    return [
        DeliveryRef(organization_id=organization_id, event_id=event_id, webhook_id=webhook_id)
        for webhook_id in webhook_ids
    ]


def get_delivery(session: Session, ref: DeliveryRef) -> DeliveryRow | None:
    """Return a delivery with what is needed to send it; None when it was erased."""
    organization_id = ref.organization_id
    found = session.execute(
        select(DELIVERY, WEBHOOK, EVENT.payload)
        .join(
            WEBHOOK,
            (WEBHOOK.organization_id == organization_id) & (WEBHOOK.id == DELIVERY.webhook_id),
        )
        .join(EVENT, (EVENT.organization_id == organization_id) & (EVENT.id == DELIVERY.event_id))
        .where(
            DELIVERY.organization_id == organization_id,
            DELIVERY.event_id == ref.event_id,
            DELIVERY.webhook_id == ref.webhook_id,
        )
        # the endpoint too: its failures are counted
        .with_for_update(of=[DELIVERY, WEBHOOK])
    ).one_or_none()
    if found is None:
        return None
    sealed = session.scalars(
        select(SECRET.sealed)
        .where(
            SECRET.organization_id == organization_id,
            SECRET.webhook_id == ref.webhook_id,
            SECRET.expires_at.is_(None) | (SECRET.expires_at > func.now()),
        )
        .order_by(SECRET.created_at.desc(), SECRET.id.desc())
    ).all()
    return DeliveryRow(found[0], found[1], found[2], sealed)


def add_attempt(
    session: Session, organization_id: UUID, delivery: WebhookDelivery, answer: Answer
) -> int:
    """Log one attempt; return how many there were since the event was last sent anew."""
    number = delivery.attempts + 1
    session.execute(
        insert(ATTEMPT).values(
            organization_id=organization_id, delivery_id=delivery.id, number=number,
            status_code=answer.status, duration_ms=answer.duration_ms, problem=answer.problem,
        )
    )  # fmt: skip
    _change(session, organization_id, delivery.id, attempts=number, last_status_code=answer.status)
    return number - delivery.attempts_before


def postpone(session: Session, organization_id: UUID, delivery_id: UUID, delay_s: float) -> None:
    """Note when the next attempt is due."""
    due_at = func.now() + dt.timedelta(seconds=delay_s)
    _change(session, organization_id, delivery_id, due_at=due_at)


def end(session: Session, organization_id: UUID, delivery_id: UUID, status: DeliveryStatus) -> None:
    """Note what became of a delivery."""
    _change(session, organization_id, delivery_id, status=status.value, ended_at=func.now())


def _change(session: Session, organization_id: UUID, delivery_id: UUID, **values: Any) -> None:
    session.execute(
        update(DELIVERY)
        .where(DELIVERY.organization_id == organization_id, DELIVERY.id == delivery_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def send_anew(
    session: Session, organization_id: UUID, webhook_id: UUID, delivery_id: UUID
) -> WebhookDelivery | None:
    """Make a delivery that has ended pending again; None when there is none of this endpoint.

    One that is pending already is returned as it is.
    """
    found: WebhookDelivery | None = session.scalars(
        select(DELIVERY)
        .where(
            DELIVERY.organization_id == organization_id,
            DELIVERY.webhook_id == webhook_id,
            DELIVERY.id == delivery_id,
        )
        .with_for_update()
    ).one_or_none()
    if found is not None and found.status != DeliveryStatus.PENDING:
        _change(
            session, organization_id, delivery_id, status=DeliveryStatus.PENDING.value,
            attempts_before=found.attempts, due_at=func.now(), ended_at=None,
        )  # fmt: skip
    return found


def list_deliveries(
    session: Session,
    organization_id: UUID,
    webhook_id: UUID,
    wanted: DeliveryFilter,
    asked: paging.PageRequest,
) -> paging.Page[WebhookDelivery]:
    """Return a page of an endpoint's deliveries."""
    query = (
        select(DELIVERY)
        .where(*_matching(organization_id, webhook_id, wanted))
        .where(*paging.after(asked, DELIVERY.id))
        .order_by(*paging.order_by(asked.sort, DELIVERY.id))
        .limit(asked.limit + 1)
    )
    return paging.cut(session.scalars(query).all(), asked, DELIVERY.created_at)


def count_deliveries(
    session: Session, organization_id: UUID, webhook_id: UUID, wanted: DeliveryFilter
) -> int:
    """Return how many deliveries match."""
    query = select(func.count()).select_from(DELIVERY)
    query = query.where(*_matching(organization_id, webhook_id, wanted))
    return int(session.execute(query).scalar_one())


def _matching(organization_id: UUID, webhook_id: UUID, wanted: DeliveryFilter) -> list[Any]:
    conditions = [DELIVERY.organization_id == organization_id, DELIVERY.webhook_id == webhook_id]
    if wanted.status is not None:
        conditions.append(DELIVERY.status == wanted.status.value)
    if wanted.event is not None:
        conditions.append(DELIVERY.event_type == wanted.event)
    return conditions


def attempts_of(
    session: Session, organization_id: UUID, delivery_ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[WebhookAttempt]]:
    """Return the attempts of each of these deliveries, the oldest first."""
    found: dict[UUID, list[WebhookAttempt]] = {delivery_id: [] for delivery_id in delivery_ids}
    rows = session.scalars(
        select(ATTEMPT)
        .where(ATTEMPT.organization_id == organization_id, ATTEMPT.delivery_id.in_(delivery_ids))
        .order_by(ATTEMPT.number)
    )
    for row in rows:
        found[row.delivery_id].append(row)
    return found


def overdue(session: Session, older_than_s: int, limit: int = 500) -> Sequence[DeliveryRef]:
    """Return the deliveries that nobody works on; as platform."""
    rows = session.execute(
        text(
            "SELECT organization_id, event_id, webhook_id FROM webhook_deliveries"
            " WHERE status = 'pending' AND due_at < now() - make_interval(secs => :age)"
            " ORDER BY due_at LIMIT :limit"
        ),
        {"age": older_than_s, "limit": limit},
    ).mappings()
    return [DeliveryRef(**row) for row in rows]
