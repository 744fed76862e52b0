"""Ten AI calls in flight over the whole deployment, whatever the number of worker processes.

Temporal has no server-side concurrency limit, and a worker's own limit is per process. A slot here
is a PostgreSQL session advisory lock: taken before a task is polled for, so waiting costs no
timeout, and freed by PostgreSQL itself when the process dies. Measured against the alternatives in
docs/operations.md: three workers stay at ten calls, also after kill -9.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from temporalio.worker import (
    CustomSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
)

log = logging.getLogger(__name__)

# First half of the two-part lock key: "tonn" in ASCII. The second half is the slot's number.
LOCK_CLASS = 0x746F6E6E
POLL_INTERVAL_S = 0.25


class SlotHold:
    """One slot: a dedicated session that holds its lock."""

    def __init__(self, connection: psycopg.Connection[Any], number: int) -> None:
        self.connection = connection
        self.number = number

    def free(self) -> None:
        """Close the session, which unlocks; needs no answer from the server."""
        self.connection.close()


class HeldPermit(SlotPermit):
    """A permit that carries its lock."""

    def __init__(self, hold: SlotHold) -> None:
        super().__init__()
        self.hold = hold


class DeploymentSlots(CustomSlotSupplier):
    """Hands out at most `slots` permits over all processes that use the same database.

    The database must be reached directly, not through PgBouncer in transaction mode: a session
    lock lives on its server connection.
    """

    def __init__(self, database_url: str, slots: int, *, connect_timeout_s: int = 5) -> None:
        self.connect: Callable[[], psycopg.Connection[Any]] = lambda: psycopg.connect(
            database_url,
            autocommit=True,
            connect_timeout=connect_timeout_s,
            application_name="tonnage-slot",
            # The server notices a vanished machine within half a minute and frees its slots.
            options="-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 "
            "-c tcp_keepalives_count=3",
        )
        self.slots = slots
        self.threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="slots")
        self.spare: list[psycopg.Connection[Any]] = []  # sessions that hold no lock
        self.held: set[SlotHold] = set()

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:  # noqa: ARG002
        """Wait until one of the slots is free, and take it."""
        loop = asyncio.get_running_loop()
        while True:
            attempt = loop.run_in_executor(self.threads, self.try_take)
            try:
                hold = await asyncio.shield(attempt)
            except asyncio.CancelledError:
                # The thread may still succeed; its slot must not be lost with our interest in it.
                attempt.add_done_callback(self.free_unwanted)
                raise
            except psycopg.Error as error:
                log.warning("no slot: the database is away (%s)", type(error).__name__)
                hold = None
            if hold is not None:
                return HeldPermit(hold)
            await asyncio.sleep(POLL_INTERVAL_S * random.uniform(0.5, 1.5))  # noqa: S311 — jitter

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:  # noqa: ARG002
        """Refuse eager tasks: they would pass by the queue's order."""
        return None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """Do nothing: the lock was taken when the slot was reserved."""

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        """Give the slot back."""
        if isinstance(ctx.permit, HeldPermit):
            self.threads.submit(self.free, ctx.permit.hold)

    def try_take(self) -> SlotHold | None:
        """Return a slot if one is free now; raise psycopg.Error when the database is away."""
        connection = self.spare.pop() if self.spare else self.connect()
        try:
            numbers = list(range(self.slots))
            random.shuffle(numbers)
            for number in numbers:
                row = connection.execute(
                    "SELECT pg_try_advisory_lock(%s, %s)", (LOCK_CLASS, number)
                ).fetchone()
                if row and row[0]:
                    hold = SlotHold(connection, number)
                    self.held.add(hold)
                    return hold
        except BaseException:
            connection.close()
            raise
        self.spare.append(connection)
        return None

    def free(self, hold: SlotHold) -> None:
        """Give one slot back."""
        self.held.discard(hold)
        hold.free()

    def close(self) -> None:
        """Close every session. Call it once the worker has stopped: a permit that the SDK was
        handed while it shut down is never released by it."""
        self.threads.shutdown(wait=True)
        for hold in list(self.held):
            self.free(hold)
        while self.spare:
            self.spare.pop().close()

    def free_unwanted(self, attempt: asyncio.Future[SlotHold | None]) -> None:
        """Free a slot that was won after nobody waited any more."""
        if not attempt.cancelled() and attempt.exception() is None:
            hold = attempt.result()
            if hold is not None:
                self.free(hold)
