"""How often an activity was really tried: waiting its turn counts as an attempt for Temporal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio import activity

from activities.failures import is_away


@contextmanager
def counted_try() -> Iterator[int]:
    """Yield which try this is, from 1, and keep it with the activity's heartbeats.

    Whatever beats within must tell it again. A try whose dependency was away does not count, nor
    one whose worker was stopped: neither is a fault of the file. Nor does one whose process dies
    within a moment of this.
    """
    number = this_try()
    activity.heartbeat(number)
    try:
        yield number
    except Exception as error:
        if is_away(error) or activity.is_worker_shutdown():
            activity.heartbeat(number - 1)
        raise


def this_try() -> int:
    """Return which try of an activity that counts them this is, from 1."""
    before = activity.info().heartbeat_details
    return (before[0] if before and isinstance(before[0], int) else 0) + 1
