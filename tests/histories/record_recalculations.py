"""Record the histories of previews and commits; see tests/histories/record.py.

.venv/bin/python -m tests.histories.record_recalculations
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from uuid import UUID

from temporalio.client import Client, WorkflowFailureError

from core.contracts import RecalculationRef
from tests.conftest import temporal_server
from tests.histories.record import HERE, ORGANIZATION, without_identity
from tests.workflows.fake_recalculations import FakeRecalculations
from tests.workflows.test_recalculate import working


def cases() -> dict[str, FakeRecalculations]:
    """Return the activities of each history by its name."""
    return {
        "preview_recalculation.completed": FakeRecalculations(activities=9, batches=6),
        "preview_recalculation.retried": FakeRecalculations(fail_once="preview_batch"),
        "preview_recalculation.failed": FakeRecalculations(break_at="finish_preview"),
        "preview_recalculation.stopped": FakeRecalculations(
            activities=9, batches=6, stop_at="preview_batch"
        ),
        "preview_recalculation.cancelled": FakeRecalculations(
            activities=9, block_at="rematch_batch"
        ),
        "commit_recalculation.completed": FakeRecalculations(steps=3),
        "commit_recalculation.retried": FakeRecalculations(fail_once="commit_files"),
        "commit_recalculation.failed": FakeRecalculations(break_at="finish_commit"),
        "commit_recalculation.cancelled": FakeRecalculations(block_at="commit_files"),
    }


async def record(client: Client, name: str, number: int, fake: FakeRecalculations) -> str:
    """Run one to its end and return its history as JSON without names of this machine."""
    ref = RecalculationRef(
        organization_id=ORGANIZATION, recalculation_id=UUID(int=ORGANIZATION.int + 0x4000 + number)
    )
    async with working(client, fake) as pipeline:
        begin = (
            pipeline.preview_recalculation
            if name.startswith("preview")
            else pipeline.commit_recalculation
        )
        handle = client.get_workflow_handle(await begin(ref, organization_name="Harbour"))
        if fake.block_at:
            while fake.block_at not in fake.calls:
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
            text = await record(environment.client, name, number, fake)
            (HERE / f"{name}.json").write_text(text)


if __name__ == "__main__":
    asyncio.run(main())
