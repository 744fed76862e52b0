"""How often an activity was really tried: waiting its turn counts as an attempt for Temporal."""

from __future__ import annotations

from temporalio import activity


def begin_try() -> int:
    """Return which try this is, from 1, and keep it with the activity's heartbeats.

    Whatever beats afterwards in the same activity must tell it again, as `beat` does. A process
    that dies within a moment of this is not counted.
    """
    before = activity.info().heartbeat_details
    number = (before[0] if before and isinstance(before[0], int) else 0) + 1
    activity.heartbeat(number)
    return number
