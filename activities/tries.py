"""How often an activity was really tried: waiting its turn counts as an attempt for Temporal.

Parsing and scanning keep the number of their tries with their heartbeats, and an outage is none.
Matching keeps how often it waited: a provider that is away is a try of it, after some of which our
own ranker decides.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.failures import is_away

# As workflows.options calls them, which stands above the activities; a test compares.
MATCHING = ("match_batch", "rematch_batch")
WAITS_ITS_TURN = "WaitsItsTurn"
_STEP_S, _LONGEST_S = 2, 60
_LONGEST_BATCH_S = 20  # a batch is soon done, and a free slot should not wait for the next


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
    return _kept() + 1


def waits() -> int:
    """Return how often a batch of matching went back into the queue before it was worked on."""
    return _kept()


def this_attempt() -> int:
    """Return which attempt of a batch of matching this is, from 1, waiting left out."""
    return max(1, activity.info().attempt - waits())


def put_back(why: str, longest_s: int = _LONGEST_BATCH_S) -> ApplicationError:
    """Note that a batch of matching waits once more, at most so long; return what sends it back."""
    waited = waits() + 1
    activity.heartbeat(waited)
    return waits_its_turn(min(waited, longest_s // _STEP_S), why)


def waits_its_turn(
    attempt: int, why: str = "waits its turn behind other files of the organization"
) -> ApplicationError:
    """Return what sends an activity back; the longer it has waited, the more wait with it."""
    delay_s = min(_LONGEST_S, _STEP_S * attempt) * random.uniform(0.5, 1.5)  # noqa: S311 — jitter
    return ApplicationError(
        why,
        type=WAITS_ITS_TURN,
        next_retry_delay=timedelta(seconds=delay_s),
        category=ApplicationErrorCategory.BENIGN,
    )


def _kept() -> int:
    before = activity.info().heartbeat_details
    return before[0] if before and isinstance(before[0], int) else 0
