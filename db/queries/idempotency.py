"""Idempotency keys: reserved before the work, fenced in its transaction, answered after it.

A key is held by one attempt at a time. An attempt that died leaves a reservation; it may be taken
over once it is old, unless its effect was committed: then nobody repeats it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

KEPT_HOURS = 24
# Far above what any POST takes after its body has arrived; fencing makes a wrong guess harmless.
RESERVED_S = 60
PURGED_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Claim:
    """A key as one attempt claims it."""

    organization_id: UUID
    caller_id: UUID
    key: str
    attempt: UUID
    fingerprint: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of a key that another attempt holds or held."""

    fingerprint: str
    request_id: str
    effect: bool
    answered: bool
    expired: bool  # the reservation is old
    status: int | None
    headers: dict[str, str] | None
    body: bytes | None


RESERVE = text(f"""
INSERT INTO idempotency_keys AS held
    (organization_id, caller_id, key, attempt, fingerprint, request_id)
VALUES (:organization_id, :caller_id, :key, :attempt, :fingerprint, :request_id)
ON CONFLICT (organization_id, caller_id, key) DO UPDATE
SET attempt = excluded.attempt, fingerprint = excluded.fingerprint,
    request_id = excluded.request_id, reserved_at = clock_timestamp(),
    created_at = clock_timestamp(), effect_at = NULL, answered_at = NULL, status = NULL,
    headers = NULL, body = NULL
WHERE held.created_at < clock_timestamp() - interval '{KEPT_HOURS} hours'
   OR held.answered_at IS NULL AND held.effect_at IS NULL AND (
        held.reserved_at = '-infinity'
        OR held.fingerprint = excluded.fingerprint
           AND held.reserved_at < clock_timestamp() - interval '{RESERVED_S} seconds')
RETURNING attempt
""")
HELD = text(f"""
SELECT fingerprint, request_id,
       effect_at IS NOT NULL AS effect, answered_at IS NOT NULL AS answered,
       reserved_at < clock_timestamp() - interval '{RESERVED_S} seconds' AS expired,
       status, headers, body
FROM idempotency_keys
WHERE organization_id = :organization_id AND caller_id = :caller_id AND key = :key
""")
MINE = """
WHERE organization_id = :organization_id AND caller_id = :caller_id AND key = :key
  AND attempt = :attempt
"""
MARK_EFFECT = text(
    "UPDATE idempotency_keys SET effect_at = coalesce(effect_at, clock_timestamp())" + MINE
)
ANSWER = text(
    "UPDATE idempotency_keys SET answered_at = clock_timestamp(), status = :status,"
    " headers = CAST(:headers AS jsonb), body = :body" + MINE
)
RELEASE = text(
    "UPDATE idempotency_keys SET reserved_at = '-infinity'"
    + MINE
    + " AND effect_at IS NULL AND answered_at IS NULL"
)
PURGE = text(f"""
DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM idempotency_keys
    WHERE created_at < clock_timestamp() - interval '{KEPT_HOURS} hours' LIMIT :most))
""")


def _mine(claim: Claim) -> dict[str, Any]:
    return {
        "organization_id": claim.organization_id, "caller_id": claim.caller_id,
        "key": claim.key, "attempt": claim.attempt,
    }  # fmt: skip


def reserve(session: Session, organization_id: UUID, claim: Claim) -> Held | None:
    """Hold the key for this attempt (None), or return who holds it."""
    values = _mine(claim) | {
        "organization_id": organization_id,
        "fingerprint": claim.fingerprint,
        "request_id": claim.request_id,
    }
    if session.execute(RESERVE, values).first() is not None:
        return None
    row = session.execute(HELD, values).one()
    return Held(**row._mapping)


def mark_effect(session: Session, organization_id: UUID, claim: Claim) -> bool:
    """Note, in the transaction of an effect, that it happened. False: the key is not ours now."""
    values = _mine(claim) | {"organization_id": organization_id}
    done: Any = session.execute(MARK_EFFECT, values)
    return bool(done.rowcount == 1)


def answer(
    session: Session,
    organization_id: UUID,
    claim: Claim,
    status: int | None,
    headers: str,
    body: bytes,
) -> None:
    """Keep the answer; `headers` is a JSON object of text. No status: it may not be repeated."""
    values = _mine(claim) | {"organization_id": organization_id}
    session.execute(ANSWER, values | {"status": status, "headers": headers, "body": body})


def release(session: Session, organization_id: UUID, claim: Claim) -> None:
    """Give the key back after a failure, unless an effect was committed."""
    session.execute(RELEASE, _mine(claim) | {"organization_id": organization_id})


def purge(session: Session) -> int:
    """Delete answers of all organizations that are older than a day; platform only."""
    done: Any = session.execute(PURGE, {"most": PURGED_AT_ONCE})
    return int(done.rowcount)
