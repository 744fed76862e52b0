"""Heartbeats for activities whose work is one long call."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from temporalio import activity

log = logging.getLogger(__name__)


@contextmanager
def beating(interval_s: float = 4, details: Callable[[], Sequence[Any]] = tuple) -> Iterator[None]:
    """Heartbeat from a side thread while the body runs; `details` tells how far it is.

    Without heartbeats a killed worker is noticed only when start_to_close expires, and a
    cancellation never: it is delivered with the answer to a heartbeat and raised in the
    activity's own thread.
    """
    stop = threading.Event()
    # The activity is found through context variables, which threads do not inherit.
    context = contextvars.copy_context()

    def beat() -> None:
        while not stop.wait(interval_s):
            try:
                activity.heartbeat(*details())
            except Exception as error:
                # The event loop takes it within ten seconds, or not: a machine that stalled must
                # not make the rest of a healthy activity look dead.
                log.warning("a heartbeat was not taken: %s", type(error).__name__)

    thread = threading.Thread(target=context.run, args=(beat,), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
