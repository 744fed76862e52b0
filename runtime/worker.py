"""One worker process: a task queue with the activities that belong to it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.service import RPCError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    FixedSizeSlotSupplier,
    Interceptor,
    Worker,
    WorkerTuner,
)

from activities.failures import sanitized
from activities.tries import MATCHING, this_attempt, this_try
from core.errors import Misconfigured
from runtime import backlog, temporal
from runtime import logging as logs
from runtime.activity_sets import LOCAL_SLOTS, activities_of
from runtime.settings import DatabaseRole, Settings
from runtime.shares import LONG, OrganizationShares
from runtime.slots import DeploymentSlots
from runtime.telemetry import Tracing, make_tracing, temporal_runtime
from runtime.watching import WatchActivities
from workflows import options
from workflows.apply_review import ApplyReview
from workflows.deliver_webhook import DeliverWebhook
from workflows.generate_report import GenerateReport
from workflows.process_file import ProcessFile
from workflows.purge_expired import PurgeExpired
from workflows.recalculate import CommitRecalculation, PreviewRecalculation
from workflows.sweep_deliveries import SweepDeliveries
from workflows.sweep_uploads import SweepUploads

log = logging.getLogger(__name__)

HEARTBEAT_EVERY = timedelta(seconds=3)
# The SDK may abort the interpreter when it exits right after its runtime stopped
# (temporalio/sdk-python issue 300); a short wait makes that go away.
EXIT_S = 0.3
# An AI call may take ten minutes and is paid for: let it finish. Other stages resume cheaply.
GRACE = {
    options.PIPELINE_QUEUE: timedelta(seconds=30),
    options.MATCHING_QUEUE: timedelta(minutes=11),
    options.REPORTS_QUEUE: timedelta(seconds=30),
    options.PDF_QUEUE: timedelta(seconds=30),
    options.WEBHOOKS_QUEUE: timedelta(seconds=30),
}


class SanitizeFailures(Interceptor):
    """Keeps customer data out of Temporal's histories; see activities.failures."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap every activity."""
        return _Sanitizer(next)


class _Sanitizer(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except Exception as error:
            info = activity.info()
            shown = sanitized(error, tried(info))
            if shown is error:
                raise
            log.warning("activity failed", exc_info=error)
            raise shown from None


def tried(info: activity.Info) -> int:
    """Return which try an attempt is: what waits its turn has many before it is tried once."""
    if info.activity_type in MATCHING:
        return this_attempt()
    return this_try() if info.activity_type in LONG else info.attempt


# A process that works on more than the queue it was started for.
BESIDE = {options.REPORTS_QUEUE: (options.PDF_QUEUE,)}

# A workflow's tasks are worked on where its activities are.
WORKFLOWS: dict[str, Sequence[type]] = {
    options.PIPELINE_QUEUE: (
        ProcessFile,
        ApplyReview,
        PreviewRecalculation,
        CommitRecalculation,
        SweepUploads,
        PurgeExpired,
    ),
    options.REPORTS_QUEUE: (GenerateReport,),
    options.WEBHOOKS_QUEUE: (DeliverWebhook, SweepDeliveries),
}


def shares_of(queue: str, settings: Settings) -> OrganizationShares:
    """Return what keeps a slot free of any one organization, where there are several."""
    matching = queue == options.MATCHING_QUEUE
    free = max(1, (settings.ai_slots if matching else settings.pipeline_slots) - 1)
    most = min(settings.organization_slots, free)
    return OrganizationShares(MATCHING if matching else LONG, most)


def make_worker(
    queue: str, client: Client, settings: Settings
) -> tuple[Worker, Callable[[], None]]:
    """Build the worker of `queue`; return it and what closes its collaborators."""
    activities, close = activities_of(queue, settings, client)
    slots: FixedSizeSlotSupplier | DeploymentSlots = FixedSizeSlotSupplier(
        {
            options.PIPELINE_QUEUE: settings.pipeline_slots,
            options.WEBHOOKS_QUEUE: settings.webhook_slots,
            options.PDF_QUEUE: settings.pdf_slots,
        }.get(queue, settings.report_slots)
    )
    deployment_slots: DeploymentSlots | None = None
    if queue == options.MATCHING_QUEUE:
        url = settings.database_url_for(DatabaseRole.WORKER).replace("+psycopg", "")
        slots = deployment_slots = DeploymentSlots(url, settings.ai_slots)
    threads = ThreadPoolExecutor(
        max_workers=max(
            settings.pipeline_slots, settings.ai_slots, settings.report_slots, settings.pdf_slots
        )
        + LOCAL_SLOTS
    )
    worker = Worker(
        client,
        task_queue=queue,
        workflows=WORKFLOWS.get(queue, ()),
        activities=activities,
        activity_executor=threads,
        interceptors=(shares_of(queue, settings), WatchActivities(), SanitizeFailures()),
        tuner=WorkerTuner.create_composite(
            workflow_supplier=FixedSizeSlotSupplier(100),
            activity_supplier=slots,
            local_activity_supplier=FixedSizeSlotSupplier(LOCAL_SLOTS),
            nexus_supplier=FixedSizeSlotSupplier(1),
        ),
        graceful_shutdown_timeout=GRACE[queue],
        # A cancellation is learned from the answer to a heartbeat, and those are held back to
        # 0.8 of the heartbeat timeout: 48 s for a matching batch, measured.
        max_heartbeat_throttle_interval=HEARTBEAT_EVERY,
    )

    def close_all() -> None:
        close()
        threads.shutdown(wait=False)
        if deployment_slots:
            deployment_slots.close()

    return worker, close_all


async def run(queue: str, settings: Settings) -> None:
    """Work on `queue` until SIGTERM or SIGINT, then let running activities finish."""
    logs.configure(as_json=settings.log_json, level=settings.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    tracing = make_tracing(settings, f"tonnage-worker-{queue}")
    client = await connect_patiently(settings, stop, tracing)
    if client is None:
        return
    queues = (queue, *BESIDE.get(queue, ()))
    if queue == options.PIPELINE_QUEUE:
        from runtime.schedules import ensure_schedules

        try:
            await ensure_schedules(client)
        except RPCError as error:  # most likely its namespace was never made
            await asyncio.sleep(EXIT_S)
            raise Misconfigured(temporal.in_a_line(error)) from error
    async with AsyncExitStack() as running:
        workers = []
        for one in queues:
            worker, close = make_worker(one, client, settings)
            running.callback(close)
            workers.append(await running.enter_async_context(worker))
        await running.enter_async_context(watched_backlog(client, queues, settings))
        log.info("worker is ready on task queue %s", ", ".join(queues))
        await stop.wait()
        await shut_down(workers)
    if tracing:
        await asyncio.to_thread(tracing.close)
    await asyncio.sleep(EXIT_S)


async def shut_down(workers: Sequence[Worker]) -> None:
    """Let all of a process's workers end, at once: one that waited for the other would take new
    work meanwhile, and the process twice as long as it may."""
    await asyncio.gather(*(worker.shutdown() for worker in workers))


@asynccontextmanager
async def watched_backlog(
    client: Client, queues: Sequence[str], settings: Settings
) -> AsyncIterator[None]:
    """Measure what waits on `queues` meanwhile, where somebody may look."""
    if not settings.metrics_address:
        yield
        return
    meter = client.service_client.config.runtime
    task = asyncio.create_task(
        backlog.watch(client, queues, (meter or Runtime.default()).metric_meter)
    )
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def connect_patiently(
    settings: Settings, stop: asyncio.Event, tracing: Tracing | None = None
) -> Client | None:
    """Connect to Temporal, waiting for it as long as it takes; None when told to stop."""
    delay_s = 0.5
    try:
        runtime = temporal_runtime(settings)
    except ValueError as error:  # of its metrics: somebody else listens there
        raise Misconfigured(f"TONNAGE_METRICS_ADDRESS: {error}") from None
    while not stop.is_set():
        try:
            return await temporal.connect(
                settings,
                runtime=runtime,
                interceptors=[tracing.interceptor] if tracing else [],
            )
        except RuntimeError:
            log.warning("Temporal is away; trying again in %.1f s", delay_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), delay_s)
        delay_s = min(delay_s * 2, 15)
    return None
