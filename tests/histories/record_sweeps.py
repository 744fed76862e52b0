"""Record the history of the sweep of uploads; see record.py.

.venv/bin/python -m tests.histories.record_sweeps
"""

from __future__ import annotations

import asyncio
import json

from temporalio import activity
from temporalio.worker import Worker

from core.contracts import SweepInput, SweepResult
from core.contracts_lifecycle import SettleInput, SettleResult
from tests.conftest import temporal_server
from tests.histories.record import HERE, without_identity
from workflows import options
from workflows.sweep_uploads import SweepUploads


@activity.defn(name="start_orphans")
async def start_orphans(_: SweepInput) -> SweepResult:
    """Start two uploads and a report."""
    return SweepResult(started=2, reports=1)


@activity.defn(name="settle_files")
async def settle_files(_: SettleInput) -> SettleResult:
    """Carry out a deletion."""
    return SettleResult(deletions=1, rows_marked=10)


async def main() -> None:
    """Record one sweep."""
    async with (
        temporal_server() as environment,
        Worker(
            environment.client, task_queue=options.PIPELINE_QUEUE, workflows=[SweepUploads],
            activities=[start_orphans, settle_files],
        ),
    ):  # fmt: skip
        handle = await environment.client.start_workflow(
            SweepUploads.run, id="sweep-uploads", task_queue=options.PIPELINE_QUEUE
        )
        await handle.result()
        history = json.loads((await handle.fetch_history()).to_json())
    text = json.dumps(without_identity(history), indent=1, sort_keys=True) + "\n"
    (HERE / "sweep_uploads.completed.json").write_text(text)
    await asyncio.sleep(0.3)


if __name__ == "__main__":
    asyncio.run(main())
