"""How often somebody may guess a password. For the tonnage_auth role; no tenant is known yet."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text, update
from sqlmodel import Session

from db.models import LoginThrottle

THROTTLE: Any = LoginThrottle

FORGET_FAILURES_AFTER = dt.timedelta(hours=24)
# Longer than a quarter, so that whoever comes once in it is known.
PLACE_KNOWN_FOR = dt.timedelta(days=100)

# One statement each, so that a burst of parallel guesses is counted one by one and not all let
# through. An attempt is counted before the password is looked at, and given back when it was right.
COUNT_ATTEMPT = text("""
INSERT INTO login_throttles AS t (subject, failures, last_failed_at)
VALUES (:subject, 1, :now)
ON CONFLICT (subject) DO UPDATE SET
    failures = CASE WHEN t.last_failed_at < :now - :forget THEN 1 ELSE t.failures + 1 END,
    last_failed_at = :now,
    blocked_until = CASE
        WHEN t.last_failed_at < :now - :forget OR t.failures + 1 < :free THEN NULL
        ELSE :now + least(interval '15 minutes',
                          interval '1 second' * power(2, least(t.failures + 1 - :free, 12)))
    END
WHERE t.blocked_until IS NULL OR t.blocked_until <= :now
RETURNING proved_at
""")
# The same for a place that is known; nothing is made of one that is not.
COUNT_KNOWN = text("""
UPDATE login_throttles SET
    failures = CASE WHEN last_failed_at < :now - :forget THEN 1 ELSE failures + 1 END,
    last_failed_at = :now,
    blocked_until = CASE
        WHEN last_failed_at < :now - :forget OR failures + 1 < :free THEN NULL
        ELSE :now + least(interval '15 minutes',
                          interval '1 second' * power(2, least(failures + 1 - :free, 12)))
    END
WHERE subject = :subject AND proved_at > :now - :lasts
    AND (blocked_until IS NULL OR blocked_until <= :now)
RETURNING proved_at
""")
DRAW_ATTEMPT = text("""
INSERT INTO login_throttles AS t (subject, failures, last_failed_at, full_at)
VALUES (:subject, 1, :now, :now + :each)
ON CONFLICT (subject) DO UPDATE SET
    failures = t.failures + 1,
    last_failed_at = :now,
    full_at = greatest(t.full_at, :now) + :each
WHERE t.full_at IS NULL OR t.full_at + :each <= :now + :most
RETURNING failures
""")


@dataclass(frozen=True, slots=True)
class Count:
    """What a counter said of an attempt."""

    wait_s: float | None  # None: it may go on
    known: bool = False  # somebody proved the password here, not too long ago


def count_attempt(session: Session, subject: str, free: int, now: dt.datetime) -> Count:
    """Count an attempt at a place or from an address, unless it has to wait.

    From the `free`-th failure on the wait doubles from 1 s to 15 minutes; it never becomes a
    lock-out.
    """
    counted = session.execute(
        COUNT_ATTEMPT,
        {"subject": subject, "now": now, "forget": FORGET_FAILURES_AFTER, "free": free},
    ).one_or_none()
    if counted is not None:
        return Count(None, _is_known(counted.proved_at, now))
    row = session.execute(
        select(THROTTLE.blocked_until, THROTTLE.proved_at).where(THROTTLE.subject == subject)
    ).one()
    wait_s = 1.0 if row.blocked_until is None else (row.blocked_until - now).total_seconds()
    return Count(max(wait_s, 1.0), _is_known(row.proved_at, now))


def count_known_place(session: Session, subject: str, free: int, now: dt.datetime) -> Count:
    """Count an attempt at a place if the place is known; else leave no trace of it.

    For attempts that are refused anyhow: guessing on must not fill the table, nor make the owner
    wait at a place that is new to them.
    """
    values = {
        "subject": subject, "now": now, "forget": FORGET_FAILURES_AFTER, "free": free,
        "lasts": PLACE_KNOWN_FOR,
    }  # fmt: skip
    if session.execute(COUNT_KNOWN, values).one_or_none() is not None:
        return Count(None, known=True)
    row = session.execute(
        select(THROTTLE.blocked_until, THROTTLE.proved_at).where(THROTTLE.subject == subject)
    ).one_or_none()
    if row is None or not _is_known(row.proved_at, now):
        return Count(None)
    wait_s = 1.0 if row.blocked_until is None else (row.blocked_until - now).total_seconds()
    return Count(max(wait_s, 1.0), known=True)


def _is_known(proved_at: dt.datetime | None, now: dt.datetime) -> bool:
    return proved_at is not None and proved_at > now - PLACE_KNOWN_FOR


def draw_attempt(
    session: Session, subject: str, most: int, each: dt.timedelta, now: dt.datetime
) -> Count:
    """Take an attempt out of an account's bucket: it holds `most`, and gets one back `each`."""
    values = {"subject": subject, "now": now, "each": each, "most": most * each}
    if session.execute(DRAW_ATTEMPT, values).one_or_none() is not None:
        return Count(None)
    full_at = session.scalar(select(THROTTLE.full_at).where(THROTTLE.subject == subject))
    wait = (full_at or now) + each - most * each - now
    return Count(max(wait.total_seconds(), 1.0))


def prove_place(session: Session, subject: str, now: dt.datetime) -> None:
    """Forget the failures at a place, and know it: its owner has just proved the password."""
    session.execute(
        update(THROTTLE)
        .where(THROTTLE.subject == subject)
        .values(failures=0, blocked_until=None, proved_at=now)
    )


def give_back_attempt(session: Session, subject: str) -> None:
    """Take one attempt off an address that counted it: this one was no failure."""
    session.execute(
        update(THROTTLE)
        .where(THROTTLE.subject == subject, THROTTLE.failures > 0)
        .values(failures=THROTTLE.failures - 1, blocked_until=None)
    )


def pour_back_attempt(session: Session, subject: str, each: dt.timedelta) -> None:
    """Put an attempt back into the bucket that it came from: this one was no failure."""
    session.execute(
        update(THROTTLE)
        .where(THROTTLE.subject == subject, THROTTLE.failures > 0)
        .values(failures=THROTTLE.failures - 1, full_at=THROTTLE.full_at - each)
    )
