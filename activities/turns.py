"""Turns: many reports of one organization leave room for those of the others."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID


class Turns:
    """Lets at most `most` reports of an organization be made at once by this process.

    Fairness keys order what waits on a queue; they do not count what runs. Below the number of
    slots, `most` keeps one for the others.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.running: Counter[UUID] = Counter()
        self.lock = threading.Lock()

    @contextmanager
    def taken(self, organization_id: UUID) -> Iterator[bool]:
        """Take a turn for as long as the body runs; False when the organization has its share."""
        with self.lock:
            mine = self.running[organization_id] < self.most
            if mine:
                self.running[organization_id] += 1
        try:
            yield mine
        finally:
            if mine:
                with self.lock:
                    self.running[organization_id] -= 1
                    self.running += Counter()  # forget who has none
