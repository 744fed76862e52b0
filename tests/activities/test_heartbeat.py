"""Signs of life from a side thread."""

from __future__ import annotations

import threading
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.heartbeat import beating


def test_a_heartbeat_that_is_not_taken_is_followed_by_the_next() -> None:
    environment, taken, tried = ActivityEnvironment(), threading.Event(), []

    def heard(*details: Any) -> None:
        tried.append(details)
        if len(tried) == 1:
            raise TimeoutError  # the event loop was stalled
        taken.set()

    def work() -> bool:
        with beating(0.01, details=lambda: (7,)):
            return taken.wait(60)

    environment.on_heartbeat = heard
    assert environment.run(work)
    assert tried[:2] == [(7,), (7,)]
