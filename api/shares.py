"""How much of one process a tenant may hold at once, whatever the rate limits allow.

Rate limits count requests a minute. What they cannot count is how long each holds a connection, a
stream or a temporary file: thirty searches of three seconds are few, and all that a process has.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from api.errors import ApiError


@dataclass(slots=True)
class Shares:
    """So many at once of each holder. What is more is refused: 503 `busy`."""

    each: int
    held: Counter[Hashable] = field(default_factory=Counter)

    @contextmanager
    def hold(self, holder: Hashable) -> Iterator[None]:
        """Hold one of the holder's places."""
        if self.held[holder] >= self.each:
            raise ApiError("busy")
        self.held[holder] += 1
        try:
            yield
        finally:
            self.held[holder] -= 1
            if not self.held[holder]:
                del self.held[holder]


@dataclass(slots=True)
class _Queue:
    places: asyncio.Semaphore
    users: int = 0  # waiting or served


@dataclass(slots=True)
class Turns:
    """So many at once of each holder; what is more waits its turn for a while, then 503 `busy`.

    Whoever waits holds neither a thread nor a connection. Of one event loop.
    """

    each: int
    patience_s: float
    queues: dict[Hashable, _Queue] = field(default_factory=dict)

    @asynccontextmanager
    async def take(self, holder: Hashable) -> AsyncIterator[None]:
        """Wait for one of the holder's places and hold it."""
        queue = self.queues.setdefault(holder, _Queue(asyncio.Semaphore(self.each)))
        queue.users += 1
        try:
            try:
                async with asyncio.timeout(self.patience_s):
                    await queue.places.acquire()
            except TimeoutError:
                raise ApiError("busy") from None
            try:
                yield
            finally:
                queue.places.release()
        finally:
            queue.users -= 1
            if not queue.users:
                del self.queues[holder]
