"""Name servers that never answer hold a few threads of whoever named them, and no other's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from runtime.adapters.egress import THREADS_OF_EACH, on_behalf_of, resolved

pytestmark = pytest.mark.anyio


class Names:
    """Answers every name but silent ones, which hang until the end of the test."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.end = threading.Event()

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host.startswith("silent"):
            self.end.wait(60)
        return ["8.8.8.8"]


@pytest.fixture
def names() -> Iterator[Names]:
    found = Names()
    yield found
    found.end.set()


async def ask(names: Names, holder: str, host: str, timeout_s: float = 30) -> Sequence[str]:
    with on_behalf_of(holder):
        async with asyncio.timeout(timeout_s):
            return await resolved(names, host, 443)


async def test_names_that_hang_keep_nobody_else_from_resolving(names: Names) -> None:
    hanging = [ask(names, "hostile", f"silent-{n}.example", 0.3) for n in range(40)]
    ended = await asyncio.gather(*hanging, return_exceptions=True)
    assert all(isinstance(one, TimeoutError) for one in ended)
    assert len(names.asked) == THREADS_OF_EACH  # the others never got a thread
    assert await ask(names, "victim", "hooks.example") == ["8.8.8.8"]
    with pytest.raises(TimeoutError):  # nobody waits for them, and yet they are held
        await ask(names, "hostile", "hooks.example", 0.2)
    names.end.set()
    assert await ask(names, "hostile", "hooks.example") == ["8.8.8.8"]


async def test_a_name_that_cannot_be_resolved_gives_its_thread_back() -> None:
    def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    for _ in range(3 * THREADS_OF_EACH):
        with pytest.raises(OSError, match="no such name"), on_behalf_of("one"):
            await asyncio.wait_for(resolved(nowhere, "gone.example", 443), 30)
