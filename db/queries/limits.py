"""Token buckets in one row each: the moment at which the bucket is full again (GCRA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether the permits were there, and how long the bucket takes to be full again."""

    granted: bool
    full_in_s: float


# Takes all permits or none. Without a row the bucket is full.
TAKE = text("""
WITH taken AS (
    INSERT INTO rate_limits AS held (policy, subject, full_at)
    VALUES (:policy, :subject, clock_timestamp() + make_interval(secs => :cost_s))
    ON CONFLICT (policy, subject) DO UPDATE
    SET full_at = greatest(held.full_at, clock_timestamp()) + make_interval(secs => :cost_s)
    WHERE greatest(held.full_at, clock_timestamp()) + make_interval(secs => :cost_s)
        <= clock_timestamp() + make_interval(secs => :window_s)
    RETURNING full_at
)
SELECT true AS granted, extract(epoch FROM full_at - clock_timestamp())::float AS full_in_s
FROM taken
UNION ALL
SELECT false, extract(epoch FROM full_at - clock_timestamp())::float
FROM rate_limits
WHERE policy = :policy AND subject = :subject AND NOT EXISTS (SELECT FROM taken)
""")
PURGE = text("DELETE FROM rate_limits WHERE full_at < clock_timestamp()")


def take(
    connection: Connection, subject: UUID, policy: str, *, cost_s: float, window_s: float
) -> Taken:
    """Take permits that refill in `cost_s` from a bucket that refills in `window_s`."""
    values = {"policy": policy, "subject": subject, "cost_s": cost_s, "window_s": window_s}
    row: Any = connection.execute(TAKE, values).first()
    if row is None:  # the row vanished between the two halves: it was full
        return Taken(False, 0.0)
    return Taken(row.granted, max(0.0, row.full_in_s))


def purge(connection: Connection) -> None:
    """Forget full buckets; platform only."""
    connection.execute(PURGE)
