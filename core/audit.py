"""The chain of the audit trail: what is hashed, byte by byte, and where a chain breaks.

The database makes the chain (db/migrations/versions/sql/audit_chain_up.sql); this is the same
rule once more, so that checking a chain takes no function of the database on trust.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

FORMAT = "tonnage-audit-1"
HEAD_FORMAT = "tonnage-audit-head-1"
GENESIS = bytes(32)  # what the first event of a chain has before it


@dataclass(frozen=True, slots=True)
class ChainedEvent:
    """An event as it is stored. `before` and `after` are JSON as text: no digit is lost."""

    organization_id: UUID
    id: UUID
    sequence: int | None
    previous_hash: bytes | None
    hash: bytes | None
    occurred_at: dt.datetime
    actor: str
    actor_user_id: UUID | None
    action: str
    object_type: str
    object_id: UUID
    before: str | None
    after: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """The last link of an organization's chain."""

    organization_id: UUID
    sequence: int
    hash: bytes


class Fault(StrEnum):
    """How a chain is broken."""

    CONTENT = "content"  # a row's content is not what was hashed
    LINK = "link"  # a row does not follow the one before it
    MISSING = "missing"  # rows of the middle or the beginning are gone
    UNCHAINED = "unchained"  # a row has no place in the chain
    HEAD = "head"  # the chain does not end where the head says
    KEPT_HEAD = "kept_head"  # the chain is not the one whose head was kept elsewhere


@dataclass(frozen=True, slots=True)
class Break:
    """The first thing that is wrong with a chain."""

    fault: Fault
    sequence: int | None
    event_id: UUID | None
    told: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What checking an organization's chain found: how many events, and the first break."""

    organization_id: UUID
    events: int
    broken: Break | None


def canonical_json(value: Any) -> str:
    """Write a JSON value in its one canonical form.

    Keys by code point, no blanks, text escaped as little as JSON allows and not normalized,
    numbers in plain decimals: no exponent, no trailing zeros, no negative zero.
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float | Decimal):
        return plain_decimal(value)
    if isinstance(value, Mapping):
        items = sorted(value.items())
        return "{" + ",".join(f"{canonical_json(k)}:{canonical_json(v)}" for k, v in items) + "}"
    return "[" + ",".join(map(canonical_json, value)) + "]"


def plain_decimal(value: int | float | Decimal) -> str:
    """Write a number without exponent and trailing zeros; a float by its shortest digits."""
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def moment(value: dt.datetime) -> str:
    """Write a time: UTC, six digits of a second, Z."""
    return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def hashed_text(event: ChainedEvent) -> str:
    """Return the text whose SHA-256 an event's hash is."""
    previous = event.previous_hash
    return canonical_json(
        {
            "format": FORMAT,
            "organization_id": str(event.organization_id),
            "sequence": event.sequence,
            "previous_hash": None if previous is None else previous.hex(),
            "id": str(event.id),
            "occurred_at": moment(event.occurred_at),
            "actor": event.actor,
            "actor_user_id": None if event.actor_user_id is None else str(event.actor_user_id),
            "action": event.action,
            "object_type": event.object_type,
            "object_id": str(event.object_id),
            "before": read_json(event.before),
            "after": read_json(event.after),
            "request_id": event.request_id,
        }
    )


def read_json(text: str | None) -> Any:
    """Read stored JSON with every digit of its numbers."""
    if text is None:
        return None
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def event_hash(event: ChainedEvent) -> bytes:
    """Return what an event's hash must be."""
    return hashlib.sha256(hashed_text(event).encode()).digest()


def verify(
    organization_id: UUID,
    events: Iterable[ChainedEvent],
    head: Head | None,
    kept: Sequence[Head] = (),
) -> Verdict:
    """Check a chain from its first event to its head; `events` come by sequence, those without
    one last. `kept` are earlier heads of it that were kept elsewhere. Holds one event at a time.
    """
    expected: dict[int, set[bytes]] = {}
    for one in kept:
        expected.setdefault(one.sequence, set()).add(one.hash)
    last = Head(organization_id, 0, GENESIS)
    count = 0
    for event in events:
        if (broken := _broken(event, last)) is not None:
            return Verdict(organization_id, count, broken)
        assert event.sequence is not None
        assert event.hash is not None
        if event.sequence in expected and expected.pop(event.sequence) != {event.hash}:
            told = "the hash is another than in the head that was kept: the chain was rewritten"
            at = Break(Fault.KEPT_HEAD, event.sequence, event.id, told)
            return Verdict(organization_id, count, at)
        last = Head(organization_id, event.sequence, event.hash)
        count += 1
    return Verdict(organization_id, count, _broken_end(last, head, expected))


def _broken(event: ChainedEvent, last: Head) -> Break | None:
    if event.sequence is None:
        told = "the row has no place in the chain: it was not inserted by way of the trigger"
        return Break(Fault.UNCHAINED, None, event.id, told)
    following = last.sequence + 1
    if event.sequence > following:
        gone = event.sequence - following
        told = f"{gone} row{'s are' if gone > 1 else ' is'} missing before {event.sequence}"
        return Break(Fault.MISSING, following, None, told)
    if event.sequence < following:
        return Break(Fault.LINK, event.sequence, event.id, "the number is there twice")
    if event.previous_hash != last.hash:
        told = f"previous_hash is not the hash of row {last.sequence}"
        return Break(Fault.LINK, event.sequence, event.id, told)
    if event.hash != event_hash(event):
        told = "the content is not what was recorded: its hash is not the stored one"
        return Break(Fault.CONTENT, event.sequence, event.id, told)
    return None


def _broken_end(last: Head, head: Head | None, kept: Iterable[int]) -> Break | None:
    end = Head(last.organization_id, 0, GENESIS) if head is None else head
    if end.sequence > last.sequence:
        told = f"the last row is {last.sequence}, the head says {end.sequence}: the end is missing"
        return Break(Fault.HEAD, last.sequence + 1, None, told)
    if (end.sequence, end.hash) != (last.sequence, last.hash):
        told = f"the head ({end.sequence}) is not the last row ({last.sequence})"
        return Break(Fault.HEAD, last.sequence, None, told)
    if later := [sequence for sequence in kept if sequence > last.sequence]:
        told = f"the head that was kept says {max(later)} rows, {last.sequence} are there"
        return Break(Fault.KEPT_HEAD, last.sequence + 1, None, told)
    return None


def sign_heads(heads: Iterable[Head], at: dt.datetime, key: bytes | None) -> dict[str, Any]:
    """Return heads as a document to be kept elsewhere, with an HMAC-SHA256 if there is a key."""
    document: dict[str, Any] = {
        "format": HEAD_FORMAT,
        "taken_at": moment(at),
        "heads": [
            {
                "organization_id": str(h.organization_id),
                "sequence": h.sequence,
                "hash": h.hash.hex(),
            }
            for h in heads
        ],
    }
    return document if key is None else document | {"signature": signature(document, key)}


def signature(document: Mapping[str, Any], key: bytes) -> str:
    """Return the HMAC-SHA256 of a document without its signature, in hex."""
    body = {name: value for name, value in document.items() if name != "signature"}
    return hmac.digest(key, canonical_json(body).encode(), "sha256").hex()


def read_heads(document: Any, keys: Sequence[bytes]) -> tuple[list[Head], bool]:
    """Return the heads of a document, and whether its signature was checked.

    Raises ValueError where it is no such document, or none of the keys made its signature.
    """
    if not isinstance(document, dict) or document.get("format") != HEAD_FORMAT:
        raise ValueError(f"is no {HEAD_FORMAT} document")
    signed = document.get("signature")
    checked = signed is not None and bool(keys)
    made = [signature(document, key).encode() for key in keys]
    if checked and not any(hmac.compare_digest(str(signed).encode(), one) for one in made):
        raise ValueError("has a signature that does not fit: changed, or another secret key")
    try:
        heads = [
            Head(UUID(h["organization_id"]), int(h["sequence"]), bytes.fromhex(h["hash"]))
            for h in document["heads"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError("names heads that cannot be read") from error
    return heads, checked
