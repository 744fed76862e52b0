"""Record one history of each way a report can end; see tests/histories/record.py.

.venv/bin/python -m tests.histories.record_reports
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import timedelta
from uuid import UUID

from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from core.contracts import ReportRef
from runtime.temporal import TemporalPipeline
from tests.conftest import temporal_server
from tests.histories.record import HERE, ORGANIZATION, without_identity
from tests.workflows.fake_reports import FakeReports
from workflows import options
from workflows.generate_report import GenerateReport


def cases() -> dict[str, FakeReports]:
    """Return the activities of each history by its name."""
    return {
        "completed": FakeReports(),
        "retried": FakeReports(fail_once=True),
        "failed": FakeReports(break_it=True),
        "cancelled": FakeReports(block=True),
        "deleted": FakeReports(ends="deleted"),
        "away": FakeReports(away=3),
        "waited": FakeReports(waiting=1),
    }


async def record(client: Client, number: int, fake: FakeReports) -> str:
    """Run one report to its end and return its history as JSON without names of this machine."""
    ref = ReportRef(
        organization_id=ORGANIZATION, report_id=UUID(int=ORGANIZATION.int + 0x2000 + number)
    )
    pipeline = TemporalPipeline(client, match_batch_size=200)
    async with Worker(
        client, task_queue=options.REPORTS_QUEUE, workflows=[GenerateReport],
        activities=[fake.generate_report, fake.fail_report],
        max_heartbeat_throttle_interval=timedelta(seconds=1),
    ):  # fmt: skip
        job = await pipeline.start_report(ref, name="Year 2024", organization_name="Harbour")
        handle = client.get_workflow_handle(job)
        if fake.block:
            while not fake.calls:
                await asyncio.sleep(0.02)
            await handle.cancel()
        with contextlib.suppress(WorkflowFailureError):
            await handle.result()
        history = json.loads((await handle.fetch_history()).to_json())
    return json.dumps(without_identity(history), indent=1, sort_keys=True) + "\n"


async def main() -> None:
    """Record all."""
    async with temporal_server() as environment:
        for number, (name, fake) in enumerate(cases().items()):
            text = await record(environment.client, number, fake)
            (HERE / f"generate_report.{name}.json").write_text(text)


if __name__ == "__main__":
    asyncio.run(main())
