"""Tests that start whole stacks never run beside each other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from tests.distribution import TOGETHER, ByFile


class Node:
    """A test process that notes what it is given."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.gateway = SimpleNamespace(id="gw")
        self.shutting_down = False

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.given += numbers

    def shutdown(self) -> None:
        self.shutting_down = True


def test_stacks_share_a_process_and_come_first() -> None:
    tests = [f"tests/api/test_many.py::test_{n}" for n in range(9)]
    stacks = [f"tests/e2e/test_{name}.py::test_it" for name in "ab"]
    config = SimpleNamespace(option=SimpleNamespace(loadscopereorder=True))
    config.getvalue = lambda name: ["popen", "popen"] if name == "tx" else None
    scheduler = ByFile(cast(Any, config))
    nodes = [Node(), Node()]
    for node in nodes:
        scheduler.add_node(cast(Any, node))
        scheduler.add_node_collection(cast(Any, node), tests + stacks)
    scheduler.schedule()
    assert nodes[0].given == [9, 10]
    assert nodes[1].given == list(range(9))
    assert TOGETHER in scheduler.assigned_work[cast(Any, nodes[0])]
