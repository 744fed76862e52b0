"""Endpoints of webhooks and their secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text, update
from sqlmodel import Session

from core.webhooks import OVERLAP, DisabledBy
from db.ids import uuid7
from db.models import Webhook, WebhookSecret
from db.queries import paging

WEBHOOK: Any = Webhook
SECRET: Any = WebhookSecret
BY_AGE = paging.Sort("created_at", WEBHOOK.created_at, paging.Kind.TIME, descending=False)


def lock_endpoints(session: Session, organization_id: UUID) -> None:
    """Let one transaction at a time add an endpoint to an organization, until it ends."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('webhooks/' || :organization_id, 0))"),
        {"organization_id": str(organization_id)},
    )


def _living(organization_id: UUID) -> tuple[Any, ...]:
    """Return the conditions of the endpoints that are not deleted."""
    return WEBHOOK.organization_id == organization_id, WEBHOOK.deleted_at.is_(None)


def list_webhooks(
    session: Session, organization_id: UUID, asked: paging.PageRequest
) -> paging.Page[Webhook]:
    """Return a page of an organization's endpoints."""
    query = (
        select(WEBHOOK)
        .where(*_living(organization_id), *paging.after(asked, WEBHOOK.id))
        .order_by(*paging.order_by(asked.sort, WEBHOOK.id))
        .limit(asked.limit + 1)
    )
    return paging.cut(session.scalars(query).all(), asked, WEBHOOK.created_at)


def count(session: Session, organization_id: UUID) -> int:
    """Return how many endpoints an organization has."""
    query = select(func.count()).select_from(WEBHOOK)
    return session.scalar(query.where(*_living(organization_id))) or 0


def get_webhook(
    session: Session, organization_id: UUID, webhook_id: UUID, *, lock: bool = False
) -> Webhook | None:
    """Return an endpoint; None when there is none or it was deleted."""
    query = select(WEBHOOK).where(
        WEBHOOK.organization_id == organization_id,
        WEBHOOK.id == webhook_id,
        WEBHOOK.deleted_at.is_(None),
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found: Webhook | None = session.scalars(query).one_or_none()
    return found


def add_webhook(
    session: Session,
    organization_id: UUID,
    webhook_id: UUID,
    *,
    created_by: UUID,
    url: str,
    events: Sequence[str],
    description: str | None,
) -> None:
    """Add an endpoint."""
    session.execute(
        insert(WEBHOOK).values(
            organization_id=organization_id, id=webhook_id, created_by=created_by, url=url,
            events=list(events), description=description,
        )
    )  # fmt: skip


def change_webhook(
    session: Session, organization_id: UUID, webhook_id: UUID, values: Mapping[str, Any]
) -> None:
    """Set columns of an endpoint."""
    session.execute(
        update(WEBHOOK)
        .where(WEBHOOK.organization_id == organization_id, WEBHOOK.id == webhook_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def enabled_values() -> dict[str, Any]:
    """Return what enables an endpoint: it begins anew."""
    return {"enabled": True, "disabled_by": None, "disabled_at": None, "consecutive_failures": 0}


def disabled_values(by: DisabledBy) -> dict[str, Any]:
    """Return what disables an endpoint."""
    return {"enabled": False, "disabled_by": by.value, "disabled_at": func.now()}


def delete_webhook(session: Session, organization_id: UUID, webhook_id: UUID) -> None:
    """Delete an endpoint; its log stays, its secrets end."""
    change_webhook(session, organization_id, webhook_id, {"deleted_at": func.now()})
    _end_secrets(session, organization_id, webhook_id, func.now())


def add_secret(session: Session, organization_id: UUID, webhook_id: UUID, sealed: bytes) -> None:
    """Add the present secret of an endpoint; the one before signs for another day, older ones end.

    The caller holds the endpoint's row.
    """
    ending, present = SECRET.expires_at > func.now(), SECRET.expires_at.is_(None)
    _end_secrets(session, organization_id, webhook_id, func.now(), ending)
    _end_secrets(session, organization_id, webhook_id, func.now() + OVERLAP, present)
    session.execute(
        insert(SECRET).values(
            organization_id=organization_id, id=uuid7(), webhook_id=webhook_id, sealed=sealed
        )
    )


def _end_secrets(
    session: Session, organization_id: UUID, webhook_id: UUID, at: Any, *which: Any
) -> None:
    """End those of an endpoint's secrets that meet every condition."""
    session.execute(
        update(SECRET)
        .where(SECRET.organization_id == organization_id, SECRET.webhook_id == webhook_id, *which)
        .values(expires_at=at)
        .execution_options(synchronize_session=False)
    )
