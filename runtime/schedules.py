"""What runs by the clock."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
)

from core.contracts_lifecycle import PURGE_WORKFLOW_ID, PurgeInput
from workflows import options
from workflows.purge_expired import PurgeExpired
from workflows.sweep_deliveries import SweepDeliveries
from workflows.sweep_uploads import SweepUploads

SWEEP_ID = "sweep-uploads"
PURGE_ID = PURGE_WORKFLOW_ID
DELIVERIES_ID = "sweep-deliveries"
SWEEP_EVERY = timedelta(minutes=1)


async def ensure_schedules(client: Client) -> None:
    """Create the schedules; those that exist are left as operators may have tuned them."""
    every_minute = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=SWEEP_EVERY)])
    # When most of the world's offices are empty; not on the hour, when everything else runs.
    nightly = ScheduleSpec(
        calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(3)], minute=[ScheduleRange(17)])],
        jitter=timedelta(minutes=10),
    )
    sweep = ScheduleActionStartWorkflow(
        SweepUploads.run,
        id=SWEEP_ID,
        task_queue=options.PIPELINE_QUEUE,
        static_summary="start what was never started, carry out deletions and cancellations",
    )
    purge = ScheduleActionStartWorkflow(
        PurgeExpired.run,
        PurgeInput(),
        id=PURGE_ID,
        task_queue=options.PIPELINE_QUEUE,
        static_summary="retention: purge what was deleted long ago or is too old",
    )
    await _ensure(client, SWEEP_ID, sweep, every_minute)
    deliveries = ScheduleActionStartWorkflow(
        SweepDeliveries.run,
        id=DELIVERIES_ID,
        task_queue=options.WEBHOOKS_QUEUE,
        static_summary="start deliveries of webhooks that nobody works on",
    )
    await _ensure(client, PURGE_ID, purge, nightly)
    await _ensure(client, DELIVERIES_ID, deliveries, every_minute)


async def _ensure(
    client: Client, name: str, action: ScheduleActionStartWorkflow, spec: ScheduleSpec
) -> None:
    schedule = Schedule(
        action=action, spec=spec, policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP)
    )
    with suppress(ScheduleAlreadyRunningError):
        await client.create_schedule(name, schedule)
