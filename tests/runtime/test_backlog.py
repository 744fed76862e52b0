"""Backlog: asked of a real server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import uuid4

import pytest
from temporalio.common import MetricMeter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from runtime import backlog


class Gauge:
    def __init__(self) -> None:
        self.values: dict[tuple[str, str], float] = {}

    def set(self, value: float, labels: dict[str, str]) -> None:
        self.values[labels["queue"], labels["kind"]] = value


class Meter(MetricMeter):
    """Keeps what is set."""

    def __init__(self) -> None:
        self.gauges: dict[str, Gauge] = {}

    def create_gauge(self, name, description=None, unit=None):
        return self.gauges.setdefault(name, Gauge())

    create_gauge_float = create_gauge

    def create_counter(self, *_): ...
    def create_histogram(self, *_): ...
    def create_histogram_float(self, *_): ...
    def create_histogram_timedelta(self, *_): ...
    def with_additional_attributes(self, _): ...


@pytest.mark.anyio
async def test_tasks_that_nobody_takes_show_with_their_age(temporal: WorkflowEnvironment) -> None:
    queue = f"deserted-{uuid4().hex}"
    for _ in range(3):
        await temporal.client.start_workflow("Nothing", id=uuid4().hex, task_queue=queue)
    meter = Meter()
    watching = asyncio.create_task(backlog.watch(temporal.client, [queue], meter, every_s=0.2))
    counts = meter.gauges

    async def seen() -> None:
        while counts.get(backlog.COUNT, Gauge()).values.get((queue, "workflow")) != 3:
            await asyncio.sleep(0.1)
        while counts[backlog.AGE].values[queue, "workflow"] <= 0:
            await asyncio.sleep(0.1)

    await asyncio.wait_for(seen(), 30)
    assert counts[backlog.COUNT].values[queue, "activity"] == 0
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


def test_an_unknown_backlog_says_why() -> None:
    refused = RPCError("namespace is not there", RPCStatusCode.NOT_FOUND, b"")
    assert backlog.why(refused) == "NOT_FOUND: namespace is not there"
    assert backlog.why(RuntimeError("cannot connect")) == "cannot connect"
