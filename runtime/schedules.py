"""What runs by the clock."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

from workflows import options
from workflows.sweep_uploads import SweepUploads

SWEEP_ID = "sweep-uploads"
SWEEP_EVERY = timedelta(minutes=1)


async def ensure_schedules(client: Client) -> None:
    """Create the schedules; those that exist are left as operators may have tuned them."""
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(
            SweepUploads.run, id=SWEEP_ID, task_queue=options.PIPELINE_QUEUE
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=SWEEP_EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )
    try:
        await client.create_schedule(SWEEP_ID, schedule)
    except ScheduleAlreadyRunningError:
        return
