"""How much waits on each task queue and for how long, as gauges of the worker's metrics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.common import MetricMeter
from temporalio.service import RPCError

log = logging.getLogger(__name__)

EVERY_S = 15
RPC_TIMEOUT = timedelta(seconds=5)
TYPES = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}
COUNT = "tonnage_task_queue_backlog"
AGE = "tonnage_task_queue_backlog_age_seconds"


async def watch(
    client: Client, queues: Sequence[str], meter: MetricMeter, every_s: float = EVERY_S
) -> None:
    """Measure the queues until cancelled. While the server is away nothing is reported."""
    counts = meter.create_gauge(COUNT, "Tasks that wait on a task queue")
    ages = meter.create_gauge_float(AGE, "How long the oldest of them has waited")
    while True:
        for queue in queues:
            for kind in TYPES:
                try:
                    count, age_s = await backlog(client, queue, kind)
                except (RPCError, RuntimeError) as error:
                    log.info("the backlog of %s is unknown: %s", queue, why(error))
                    continue
                labels = {"queue": queue, "kind": kind}
                counts.set(count, labels)
                ages.set(age_s, labels)
        await asyncio.sleep(every_s)


def why(error: RPCError | RuntimeError) -> str:
    """Return what the server said, or why it could not be asked."""
    if isinstance(error, RPCError):
        return f"{error.status.name}: {error.message}"
    return str(error)


async def backlog(client: Client, queue: str, kind: str) -> tuple[int, float]:
    """Return (tasks, age of the oldest in seconds) of a task queue."""
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TYPES[kind],
            report_stats=True,
        ),
        timeout=RPC_TIMEOUT,
    )
    stats = answer.stats
    age = stats.approximate_backlog_age.ToTimedelta().total_seconds()
    return stats.approximate_backlog_count, age
