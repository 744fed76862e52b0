"""Record one history of each way a file can end; run it after a deliberate change of order.

    .venv/bin/python -m tests.histories.record [name …]

Old histories stay: files that were started before a change must still replay (workflow.patched).
Give the new ones a new name then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Worker

from core import contracts
from core.contracts import FileProgress, Problem, Stage
from core.contracts_lifecycle import ResumeResult
from tests.conftest import temporal_server
from tests.workflows.fake_stages import FakeStages
from workflows import options
from workflows.process_file import ProcessFile

# What the SDK calls a worker process: pid@host.
MACHINE = re.compile(r"\d+@")
HERE = Path(__file__).parent
ORGANIZATION = UUID("01a20000-0000-7000-8000-000000000001")


def cases() -> dict[str, FakeStages]:
    """Return the stages of each history by its name."""
    infected = contracts.ScanResult(
        accepted=False,
        scan_state="infected",
        problem=Problem(code="infected", message="The virus scanner found something."),
    )
    return {
        "completed": FakeStages(parts=6, activities=9),
        "retried": FakeStages(fail_once="parse"),
        "infected": FakeStages(scan=infected),
        "rejected": FakeStages(parse_problem=Problem(code="no_header", message="No header row.")),
        "no_usable_rows": FakeStages(valid=0),
        "failed": FakeStages(break_at="finish"),
        "cancelled_while_matching": FakeStages(block_at="match"),
        "cancelled_while_calculating": FakeStages(block_at="calculate"),
        "resumed": FakeStages(
            resumed=ResumeResult(
                start=Stage.MATCH,
                parts=3,
                rows=30,
                rejected=3,
                activities=5,
                progress=FileProgress(run=2),
            )
        ),
    }


async def record(client: Client, name: str, number: int, stages: FakeStages) -> str:
    """Run one file to its end and return its history as JSON without names of this machine."""
    async with working(client, stages):
        handle = await start(client, number, run=2 if name == "resumed" else 1)
        if stages.block_at:
            while stages.block_at not in stages.calls:
                await asyncio.sleep(0.02)
            await handle.cancel()
        with contextlib.suppress(WorkflowFailureError):
            await handle.result()
        history = json.loads((await handle.fetch_history()).to_json())
    return json.dumps(without_identity(history), indent=1, sort_keys=True) + "\n"


@asynccontextmanager
async def working(client: Client, stages: FakeStages) -> AsyncIterator[None]:
    """Work on both queues with scripted stages."""
    activities = stages.all()
    async with (
        Worker(client, task_queue=options.PIPELINE_QUEUE, workflows=[ProcessFile],
               activities=activities, max_heartbeat_throttle_interval=timedelta(seconds=1)),
        Worker(client, task_queue=options.MATCHING_QUEUE, activities=activities,
               max_heartbeat_throttle_interval=timedelta(seconds=1)),
    ):  # fmt: skip
        yield


async def start(
    client: Client, number: int, *, run: int = 1
) -> WorkflowHandle[ProcessFile, contracts.ProcessFileResult]:
    """Start the file of this number."""
    file_id = UUID(int=ORGANIZATION.int + 0x1000 + number)
    request = contracts.ProcessFileInput(
        organization_id=ORGANIZATION, file_id=file_id, match_batch_size=2, run=run
    )
    return await client.start_workflow(
        ProcessFile.run,
        request,
        id=contracts.workflow_id(file_id),
        task_queue=options.PIPELINE_QUEUE,
    )


def without_identity(node: object) -> object:
    """Replace what names a process or a machine: `pid@host`, paths in stack traces."""
    if isinstance(node, dict):
        return {k: "" if k == "stackTrace" else without_identity(v) for k, v in node.items()}
    if isinstance(node, list):
        return [without_identity(item) for item in node]
    return "recorded" if isinstance(node, str) and MACHINE.match(node) else node


async def main() -> None:
    """Record those that are named on the command line, or all."""
    async with temporal_server() as environment:
        for number, (name, stages) in enumerate(cases().items()):
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            text = await record(environment.client, name, number, stages)
            (HERE / f"process_file.{name}.json").write_text(text)


if __name__ == "__main__":
    asyncio.run(main())
