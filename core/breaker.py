"""A circuit breaker: a provider that fails again and again is left alone for a while. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

FAILURES = 5
WINDOW = dt.timedelta(seconds=60)
OPEN_FOR = dt.timedelta(seconds=60)
PROBE_FOR = dt.timedelta(minutes=11)  # longer than a call may take: one probe at a time


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of a provider. Closed while `opened_at` is None."""

    failures: int = 0
    first_failure_at: dt.datetime | None = None
    opened_at: dt.datetime | None = None
    probing_since: dt.datetime | None = None


def allow(state: Breaker, now: dt.datetime) -> tuple[Breaker, bool]:
    """Tell whether a call may be made; after the pause one probe may, and only one."""
    if state.opened_at is None:
        return state, True
    if now - state.opened_at < OPEN_FOR:
        return state, False
    if state.probing_since is not None and now - state.probing_since < PROBE_FOR:
        return state, False
    return replace(state, probing_since=now), True


def succeeded() -> Breaker:
    """Close."""
    return Breaker()


def failed(state: Breaker, now: dt.datetime, *, for_good: bool = False) -> Breaker:
    """Count a failure; a fifth within the window, a failed probe or one `for_good` opens."""
    stale = state.first_failure_at is None or now - state.first_failure_at > WINDOW
    failures = 1 if stale else state.failures + 1
    first = now if stale else state.first_failure_at
    if for_good or state.opened_at is not None or failures >= FAILURES:
        return Breaker(failures, first, opened_at=now)
    return Breaker(failures, first)
