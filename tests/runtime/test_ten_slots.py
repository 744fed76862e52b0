"""Ten calls in flight over three worker processes, also after kill -9; and no tenant in the way.

Everything is real: PostgreSQL, Temporal, three processes of the command line, and HTTP calls to a
server that counts what it has in work.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.client import WorkflowHandle
from temporalio.common import Priority
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from core.contracts import FileRef
from runtime.settings import Settings
from runtime.wiring import make_storage
from tests.activities.asked import load_fuels, store_activities
from tests.factories import Uploader
from tests.model_server import KEY, ModelServer, slow
from tests.runtime.match_stage import Batches, MatchStage

pytestmark = pytest.mark.anyio

SLOTS, PROCESSES = 10, 3
SIZE = 20  # activities a batch: one call
BIG, SMALL = 200, 5  # batches
QUEUE = "ten-slots-test"


class Fleet:
    """Worker processes as an operator starts them."""

    def __init__(self, settings: Settings, temporal: str, server: ModelServer, logs: Path) -> None:
        values = settings.model_dump(mode="json", exclude_none=True) | {
            "secret_key": settings.secret_key.get_secret_value(),
            "temporal_address": temporal,
            "ai_slots": SLOTS,
            "organization_slots": SLOTS,  # but for one, here all are for one organization
            "openai_base_url": server.url,
            "openai_api_key": KEY,
            "openai_model": "gpt-test",
            "openai_timeout_s": 60,
        }
        ours = {f"TONNAGE_{name.upper()}": str(value) for name, value in values.items()}
        self.environment = {**os.environ, **ours}
        self.logs = logs
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start one more."""
        command = [sys.executable, "-m", "runtime", "worker", "ai-matching"]
        with self.log(len(self.processes)).open("wb") as log:
            self.processes.append(
                subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
            )

    def log(self, number: int) -> Path:
        """Return where a process writes to."""
        return self.logs / f"worker-{number}.log"

    def stop(self) -> None:
        """Kill whatever runs."""
        for process in self.processes:
            process.kill()
            process.wait()


@contextmanager
def running(fleet: Fleet) -> Iterator[Fleet]:
    try:
        for _ in range(PROCESSES):
            fleet.start()
        yield fleet
    finally:
        fleet.stop()


async def until(condition: Callable[[], bool], within_s: float = 60) -> None:
    """Wait for something; how long it takes is no matter."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        await asyncio.sleep(0.02)


async def queued(
    temporal: WorkflowEnvironment, uploader: Uploader, word: str, batches: int
) -> tuple[FileRef, WorkflowHandle[Any, Any]]:
    """Queue all batches of a file of distinct activities; with the organization's fairness key."""
    ref = store_activities(uploader, [f"Diesel, {word} {n:04}" for n in range(batches * SIZE)])
    handle = await temporal.client.start_workflow(
        MatchStage.run,
        Batches(**ref.model_dump(), size=SIZE, count=batches),
        id=f"match-stage/{ref.file_id}",
        task_queue=QUEUE,
        priority=Priority(fairness_key=str(uploader.organization_id)),
    )
    return ref, handle


@pytest.mark.timeout(180)
async def test_three_processes_keep_ten_calls_after_kill_and_a_small_tenant_is_not_held_up(
    temporal: WorkflowEnvironment,
    settings: Settings,
    platform_engine: Engine,
    admin_engine: Engine,
    clean_database: None,
    tmp_path: Path,
) -> None:
    with admin_engine.begin() as connection:
        connection.execute(text("TRUNCATE factor_releases, model_breakers CASCADE"))
    load_fuels(platform_engine)
    storage = make_storage(settings)
    big = Uploader.make(platform_engine, storage, "Big")
    small = Uploader.make(platform_engine, storage, "Small")
    gate = threading.Event()

    def choose(_: dict[str, Any], labels: list[str]) -> str:
        assert gate.wait(120)
        return labels[0]

    def calls(word: str) -> list[int]:
        """Return where in the order of all requests those about `word` stand."""
        return [n for n, r in enumerate(server.requests) if word in r.names[0]]

    with ModelServer(choose=choose) as server:
        address = temporal.client.service_client.config.target_host
        fleet = Fleet(settings, address, server, tmp_path)
        worker = Worker(
            temporal.client,
            task_queue=QUEUE,
            workflows=[MatchStage],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with worker:
            with running(fleet):
                big_file, big_handle = await queued(temporal, big, "big", BIG)
                # Nothing is answered yet: ten calls, however many processes want more.
                await until(lambda: len(server.in_flight) == SLOTS)
                await until(lambda: all("is ready" in log_of(fleet, n) for n in range(PROCESSES)))
                await asyncio.sleep(1)
                assert len(server.requests) == SLOTS
                server.standing = slow(0.2)
                gate.set()
                await until(lambda: len(server.requests) >= 30)
                before = len(server.requests)
                fleet.processes[0].kill()  # SIGKILL: no goodbye to anybody
                await until(lambda: len(server.requests) >= before + SLOTS)
                small_file, small_handle = await queued(temporal, small, "small", SMALL)
                assert await small_handle.result() == SMALL * SIZE
                assert await big_handle.result() == BIG * SIZE

    assert server.refused == []
    assert server.peak == SLOTS
    # The small tenant's last batch began before half of the big one's backlog had.
    assert len(calls("small")) == SMALL
    assert len([n for n in calls("big") if n < max(calls("small"))]) < BIG / 2
    # Every activity is decided once and answered once; only what the killed process had asked
    # for was asked again.
    assert len(server.requests) - (BIG + SMALL) <= SLOTS
    for uploader, ref, batches in ((big, big_file, BIG), (small, small_file, SMALL)):
        rows = uploader.rows(
            "SELECT method, question_hash FROM decisions WHERE file_id = :file_id", ref
        )
        assert Counter(row.method for row in rows) == {"model": batches * SIZE}
        assert len({row.question_hash for row in rows}) == batches * SIZE
        [kept] = uploader.rows(
            "SELECT (SELECT count(*) FROM model_calls WHERE organization_id = :organization_id)"
            " AS calls, (SELECT count(*) FROM model_answers"
            " WHERE organization_id = :organization_id) AS answers",
            ref,
        )
        assert (kept.calls, kept.answers) == (batches, batches * SIZE)


def log_of(fleet: Fleet, number: int) -> str:
    return fleet.log(number).read_text()
