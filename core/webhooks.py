"""Webhooks: which events there are, what is sent, and when it is tried again."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

MAX_ENDPOINTS = 10
MAX_PAYLOAD_BYTES = 20_000  # the specification's advice
SECRET_PURPOSE = "webhook"  # noqa: S105 - the name of a key, not a key
OVERLAP = dt.timedelta(hours=24)  # how long the secret before still signs
# An endpoint that was of no use for so many events in a row is switched off.
DISABLE_AFTER = 10

# Seconds between the eight attempts: a bad minute, a bad hour, a bad day.
DELAYS_S = (5, 300, 1800, 7200, 18_000, 28_800, 28_800)
MAX_ATTEMPTS = len(DELAYS_S) + 1
JITTER = 0.2  # so that what failed together does not come back together
MAX_RETRY_AFTER_S = 6 * 3600.0


class EventType(StrEnum):
    """What an endpoint may ask for."""

    FILE_COMPLETED = "file.completed"
    FILE_FAILED = "file.failed"
    REPORT_COMPLETED = "report.completed"
    REVIEW_NEEDED = "review.needed"


TEST_EVENT = "webhook.test"


class DeliveryStatus(StrEnum):
    """What became of an event for one endpoint."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DisabledBy(StrEnum):
    """Why an endpoint gets nothing."""

    PERSON = "person"
    GONE = "gone"  # it answered 410
    FAILURES = "failures"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one endpoint. Every secret signs, the newest first."""

    url: str
    event_id: UUID
    payload: str
    secrets: Sequence[str]
    holder: str = ""  # whose share of what all senders have in common it takes


class NoAnswer(StrEnum):
    """Why there was no answer. Whether a name leads nowhere or to where it may not, is not told:
    whoever writes the URL must not find out what our network knows."""

    ADDRESS_UNUSABLE = "address_unusable"
    CONNECTION_FAILED = "connection_failed"
    TLS_FAILED = "tls_failed"
    TIMEOUT = "timeout"
    ANSWER_INVALID = "answer_invalid"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said; no status when there was no answer, and then why."""

    status: int | None
    duration_ms: int
    retry_after_s: float | None = None
    problem: NoAnswer | None = None

    @property
    def delivered(self) -> bool:
        """Tell whether the endpoint took the message."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Tell whether the endpoint wants nothing any more."""
        return self.status == 410


class WebhookSender(Protocol):
    """Sends messages; whatever goes wrong outside is an answer, not an error."""

    async def send(self, message: Outgoing) -> Answer:
        """Sign and send a message, once."""


class SecretVault(Protocol):
    """Opens what was sealed at rest."""

    def encrypt(self, purpose: str, plaintext: bytes, associated: bytes) -> bytes:
        """Return `plaintext` sealed for one purpose and place."""

    def decrypt(self, purpose: str, sealed: bytes, associated: bytes) -> bytes:
        """Return what was sealed. Raises Misconfigured."""


def payload_of(kind: str, at: dt.datetime, data: Mapping[str, Any]) -> str:
    """Return the body of an event: ids, counts and status, never what a customer wrote."""
    body = json.dumps(
        {"type": kind, "timestamp": at.isoformat().replace("+00:00", "Z"), "data": data},
        separators=(",", ":"),
        default=str,
    )
    if len(body.encode()) >= MAX_PAYLOAD_BYTES:
        raise ValueError(f"a payload of {kind} is larger than {MAX_PAYLOAD_BYTES} bytes")
    return body


def place_of(organization_id: UUID, webhook_id: UUID) -> bytes:
    """Return what a sealed secret is bound to."""
    return f"{organization_id}/webhooks/{webhook_id}".encode()


def delay_after(attempt: int, chance: float, retry_after_s: float | None = None) -> float | None:
    """Return the seconds to wait after the attempt of this number (from 1); None: it was the last.

    `chance` is of [0, 1). An endpoint that asks for more time gets it, up to six hours.
    """
    if attempt >= MAX_ATTEMPTS:
        return None
    own = DELAYS_S[attempt - 1] * (1 - JITTER + 2 * JITTER * chance)
    return max(own, min(retry_after_s or 0.0, MAX_RETRY_AFTER_S))
