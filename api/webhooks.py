"""Webhooks of an organization: made, changed, rotated, tested; every change is audited."""

from __future__ import annotations

import base64
import datetime as dt
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from api.deps import Member
from api.errors import ApiError, Fault
from api.schemas.webhooks import WebhookPatch, WebhookRequest
from api.services import Services
from core.contracts_webhooks import DeliveryRef
from core.egress import EgressPolicy
from core.errors import InvalidInput, Unavailable
from core.webhooks import (
    MAX_ENDPOINTS,
    OVERLAP,
    SECRET_PURPOSE,
    TEST_EVENT,
    DeliveryStatus,
    DisabledBy,
    place_of,
)
from db.engine import TenantSession, tenant_session
from db.ids import uuid7
from db.models import Webhook
from db.queries import audit, webhook_events
from db.queries import webhooks as queries
from runtime.vault import make_vault

log = logging.getLogger("tonnage.api")

SECRET_BYTES = 32  # the specification asks for 24 to 64


@contextmanager
def session_of(services: Services, who: Member) -> Iterator[TenantSession]:
    """Open a session for somebody who may see the whole organization: events tell of all of it."""
    if who.reach.projects is not None:
        raise ApiError("permission_denied")
    with tenant_session(services.app_engine, who.organization_id) as session:
        yield session


def shown(url: str) -> str:
    """Return of a URL what the audit trail may hold for ever and show to managers.

    Path and query often are the receiver's secret. The digest tells that they changed.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/… (sha256 {sha256(url.encode()).hexdigest()[:16]})"


def load(session: TenantSession, who: Member, webhook_id: UUID, *, lock: bool = False) -> Webhook:
    """Return an endpoint. Raises 404."""
    found = queries.get_webhook(session, who.organization_id, webhook_id, lock=lock)
    if found is None:
        raise ApiError("not_found")
    return found


def create(services: Services, who: Member, body: WebhookRequest) -> tuple[Webhook, str]:
    """Add an endpoint; return it with its secret. Raises 409 when there are too many, 422."""
    require_url(services, body.url)
    organization_id, webhook_id = who.organization_id, uuid7()
    with session_of(services, who) as session:
        queries.lock_endpoints(session, organization_id)
        if queries.count(session, organization_id) >= MAX_ENDPOINTS:
            raise ApiError("too_many_webhooks")
        queries.add_webhook(
            session, organization_id, webhook_id, created_by=who.principal.user_id, url=body.url,
            events=body.events, description=body.description,
        )  # fmt: skip
        secret = add_secret(services, session, organization_id, webhook_id)
        after = body.model_dump(mode="json") | {"url": shown(body.url)}
        note(session, who, webhook_id, "created", after=after)
        session.commit()
        return load(session, who, webhook_id), secret


def change(services: Services, who: Member, webhook_id: UUID, body: WebhookPatch) -> Webhook:
    """Change what the body names and return the endpoint."""
    wanted: dict[str, Any] = body.model_dump(mode="json", include=body.model_fields_set)
    if "url" in wanted:
        require_url(services, body.url)
    with session_of(services, who) as session:
        found = load(session, who, webhook_id, lock=True)
        before = {name: getattr(found, name) for name in wanted}
        changed = {name: value for name, value in wanted.items() if value != before[name]}
        if changed:
            values = dict(changed)
            if (enabled := values.pop("enabled", None)) is not None:
                values |= (
                    queries.enabled_values()
                    if enabled
                    else queries.disabled_values(DisabledBy.PERSON)
                )
            queries.change_webhook(session, who.organization_id, webhook_id, values)
            old = {name: before[name] for name in changed}
            if "url" in changed:
                old["url"], changed["url"] = shown(old["url"]), shown(changed["url"])
            note(session, who, webhook_id, "changed", before=old, after=changed)
            session.commit()
            session.expire_all()
            found = load(session, who, webhook_id)
        return found


def delete(services: Services, who: Member, webhook_id: UUID) -> None:
    """Delete an endpoint; what is on its way to it is given up."""
    with session_of(services, who) as session:
        found = load(session, who, webhook_id, lock=True)
        queries.delete_webhook(session, who.organization_id, webhook_id)
        note(session, who, webhook_id, "deleted", before={"url": shown(found.url)})
        session.commit()


def rotate(services: Services, who: Member, webhook_id: UUID) -> tuple[str, dt.datetime]:
    """Give an endpoint a new secret; return it, and until when the one before signs too."""
    with session_of(services, who) as session:
        load(session, who, webhook_id, lock=True)
        secret = add_secret(services, session, who.organization_id, webhook_id)
        note(session, who, webhook_id, "secret_rotated")
        session.commit()
    return secret, dt.datetime.now(dt.UTC) + OVERLAP


async def test(services: Services, who: Member, webhook_id: UUID) -> DeliveryRef:
    """Send an endpoint a test event, even one that is switched off."""
    ref = await run_in_threadpool(_add_test, services, who, webhook_id)
    await start(services, ref)
    return ref


def _add_test(services: Services, who: Member, webhook_id: UUID) -> DeliveryRef:
    with session_of(services, who) as session:
        load(session, who, webhook_id)
        data = {"webhook_id": webhook_id}
        [ref] = webhook_events.add_event(
            session, who.organization_id, TEST_EVENT, data, [webhook_id]
        )
        note(session, who, webhook_id, "tested", after={"event_id": str(ref.event_id)})
        session.commit()
    return ref


async def resend(
    services: Services, who: Member, webhook_id: UUID, delivery_id: UUID
) -> DeliveryRef:
    """Send a delivery anew, with as many attempts as a new one. Raises 409 while it is pending."""
    ref = await run_in_threadpool(_send_anew, services, who, webhook_id, delivery_id)
    await start(services, ref)
    return ref


def _send_anew(services: Services, who: Member, webhook_id: UUID, delivery_id: UUID) -> DeliveryRef:
    organization_id = who.organization_id
    with session_of(services, who) as session:
        load(session, who, webhook_id)
        found = webhook_events.send_anew(session, organization_id, webhook_id, delivery_id)
        if found is None:
            raise ApiError("not_found")
        if found.status == DeliveryStatus.PENDING:
            raise ApiError("delivery_pending")
        note(session, who, webhook_id, "resent", after={"delivery_id": str(delivery_id)})
        session.commit()
    return DeliveryRef(
        organization_id=organization_id, event_id=found.event_id, webhook_id=webhook_id
    )


async def start(services: Services, ref: DeliveryRef) -> None:
    """Start a delivery; while Temporal is away it waits for the sweep."""
    if services.pipeline is None:
        return
    try:
        await services.pipeline.start_delivery(ref)
    except Unavailable:
        log.warning("delivery %s waits for the sweep: Temporal is away", ref.event_id)


def require_url(services: Services, url: str) -> None:
    """Refuse a URL that can never be called. Raises 422."""
    policy = EgressPolicy(allow_private=services.settings.egress_allow_private)
    try:
        policy.require_url(url)
    except InvalidInput as error:
        fault = Fault("#/url", "url_not_allowed", error.message)
        raise ApiError("validation_failed", faults=[fault]) from error


def add_secret(
    services: Services, session: TenantSession, organization_id: UUID, webhook_id: UUID
) -> str:
    """Make a secret, keep it sealed, and return it: nobody can read it again."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    place = place_of(organization_id, webhook_id)
    sealed = make_vault(services.settings).encrypt(SECRET_PURPOSE, secret.encode(), place)
    queries.add_secret(session, organization_id, webhook_id, sealed)
    return secret


def note(
    session: TenantSession, who: Member, webhook_id: UUID, what: str, **values: dict[str, Any]
) -> None:
    """Add a change to the audit trail."""
    audit.record(
        session, who.organization_id, who.actor, action=f"webhook.{what}", object_type="webhook",
        object_id=webhook_id, **values,
    )  # fmt: skip
