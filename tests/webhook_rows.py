"""Endpoints as an admin would have made them, and what the tables say of their deliveries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text
from sqlmodel import Session

from core.contracts_webhooks import DeliveryRef
from core.webhooks import SECRET_PURPOSE, Answer, EventType, Outgoing, place_of
from db.ids import uuid7
from db.queries import webhook_events, webhooks
from runtime.vault import Vault

VAULT = Vault([b"only for tests, thirty-two bytes"])
SECRET = "whsec_" + "Zmlyc3Qtc2VjcmV0LW9mLTMyLWJ5dGVzLS0tLS0tLS0="


@dataclass
class RecordingSender:
    """Answers what the test says; the last answer stays."""

    answers: list[Answer]
    sent: list[Outgoing] = field(default_factory=list)

    async def send(self, message: Outgoing) -> Answer:
        self.sent.append(message)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class RecordingStarter:
    """Notes what is started."""

    started: list[DeliveryRef] = field(default_factory=list)

    def start(self, refs: Sequence[DeliveryRef]) -> None:
        self.started += refs


@dataclass(frozen=True)
class Endpoints:
    """The webhooks of one organization."""

    engine: Engine  # platform
    organization_id: UUID
    user_id: UUID

    def add(self, *events: str, url: str = "https://hooks.example.org/", **values: Any) -> UUID:
        """Add an endpoint for these events, or for all."""
        webhook_id = uuid7()
        sealed = VAULT.encrypt(
            SECRET_PURPOSE, SECRET.encode(), place_of(self.organization_id, webhook_id)
        )
        with Session(self.engine) as session:
            webhooks.add_webhook(
                session, self.organization_id, webhook_id, created_by=self.user_id, url=url,
                events=events or tuple(EventType), description=None,
            )  # fmt: skip
            webhooks.add_secret(session, self.organization_id, webhook_id, sealed)
            if values:
                webhooks.change_webhook(session, self.organization_id, webhook_id, values)
            session.commit()
        return webhook_id

    def emit(self, kind: str = EventType.FILE_COMPLETED) -> Sequence[DeliveryRef]:
        """Add an event to the outbox."""
        with Session(self.engine) as session:
            refs = webhook_events.emit(session, self.organization_id, kind, {"file_id": uuid7()})
            session.commit()
        return refs

    def rows(self, query: str, **values: Any) -> Sequence[Any]:
        """Return what a query with :organization_id finds."""
        with Session(self.engine) as session:
            named = {"organization_id": self.organization_id, **values}
            return session.execute(text(query), named).all()

    def delivery(self, ref: DeliveryRef) -> Any:
        """Return the row of a delivery."""
        [row] = self.rows(
            "SELECT *, extract(epoch FROM due_at - now()) AS due_in_s FROM webhook_deliveries"
            " WHERE organization_id = :organization_id AND event_id = :event_id"
            " AND webhook_id = :webhook_id",
            **ref.model_dump(exclude={"organization_id"}),
        )
        return row

    def webhook(self, webhook_id: UUID) -> Any:
        """Return the row of an endpoint."""
        return self.rows("SELECT * FROM webhooks WHERE id = :id", id=webhook_id)[0]

    def payloads(self) -> list[dict[str, Any]]:
        """Return what is in the outbox, in order."""
        rows = self.rows(
            "SELECT payload FROM webhook_events WHERE organization_id = :organization_id"
            " ORDER BY created_at, id"
        )
        return [json.loads(row.payload) for row in rows]
