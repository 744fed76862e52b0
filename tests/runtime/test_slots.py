"""Ten slots over any number of processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Any, cast

import psycopg
import pytest
from temporalio.worker import SlotReleaseContext, SlotReserveContext

from runtime.settings import DatabaseRole, Settings
from runtime.slots import DeploymentSlots, HeldPermit

CONTEXT = cast("SlotReserveContext", None)


@pytest.fixture
def url(settings: Settings) -> str:
    return settings.database_url_for(DatabaseRole.WORKER).replace("+psycopg", "")


def release(slots: DeploymentSlots, permit: Any) -> None:
    slots.release_slot(SlotReleaseContext(slot_info=None, permit=permit))


async def take(slots: DeploymentSlots, count: int) -> list[HeldPermit]:
    permits = await asyncio.gather(*(slots.reserve_slot(CONTEXT) for _ in range(count)))
    return [cast("HeldPermit", p) for p in permits]


def test_two_processes_worth_of_suppliers_share_the_same_slots(url: str) -> None:
    async def main() -> None:
        one, two = DeploymentSlots(url, 3), DeploymentSlots(url, 3)
        held = await take(one, 2) + await take(two, 1)
        assert {p.hold.number for p in held} == {0, 1, 2}
        waiting = asyncio.create_task(two.reserve_slot(CONTEXT))
        done, _ = await asyncio.wait({waiting}, timeout=1)
        assert not done
        release(one, held[0])
        permit = cast("HeldPermit", await asyncio.wait_for(waiting, 10))
        assert permit.hold.number == held[0].hold.number
        for supplier, p in ((one, held[1]), (two, held[2]), (two, permit)):
            release(supplier, p)
        one.close()
        two.close()

    asyncio.run(main())


def test_a_cancelled_wait_leaks_no_slot(url: str) -> None:
    async def main() -> None:
        slots = DeploymentSlots(url, 1)
        for _ in range(20):
            waiting = asyncio.create_task(slots.reserve_slot(CONTEXT))
            await asyncio.sleep(0.002)
            if waiting.done():
                release(slots, waiting.result())
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        permit = await asyncio.wait_for(slots.reserve_slot(CONTEXT), 10)
        release(slots, permit)
        slots.close()

    asyncio.run(main())


def test_a_killed_process_frees_its_slots(url: str) -> None:
    script = (
        "import asyncio, sys\n"
        "from runtime.slots import DeploymentSlots\n"
        "async def main():\n"
        f"    slots = DeploymentSlots({url!r}, 2)\n"
        "    held = [await slots.reserve_slot(None) for _ in range(2)]\n"
        "    print('held', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        other = DeploymentSlots(url, 2)
        assert other.try_take() is None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    deadline = time.monotonic() + 20
    hold = None
    while hold is None and time.monotonic() < deadline:
        hold = other.try_take()
    assert hold is not None
    hold.free()
    other.close()


def test_a_database_that_is_away_is_waited_for(url: str) -> None:
    async def main() -> None:
        slots = DeploymentSlots(url, 1)
        real = slots.connect
        calls = 0

        def flaky() -> psycopg.Connection[Any]:
            nonlocal calls
            calls += 1
            if calls < 3:
                raise psycopg.OperationalError("connection refused")
            return real()

        slots.connect = flaky
        permit = await asyncio.wait_for(slots.reserve_slot(CONTEXT), 20)
        assert calls == 3
        release(slots, permit)
        slots.close()

    asyncio.run(main())


def test_eager_tasks_get_no_slot(url: str) -> None:
    assert DeploymentSlots(url, 1).try_reserve_slot(CONTEXT) is None
