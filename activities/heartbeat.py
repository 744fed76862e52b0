"""Heartbeats for activities whose work is one long call."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from temporalio import activity


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
            activity.heartbeat(*details())

    thread = threading.Thread(target=context.run, args=(beat,), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
