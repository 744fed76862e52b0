"""Record the history of a purge; see record.py.

.venv/bin/python -m tests.histories.record_purges
"""

from __future__ import annotations

import asyncio
import json

from temporalio.worker import Worker

from core.contracts_lifecycle import PurgeInput
from tests.conftest import temporal_server
from tests.histories.record import HERE, without_identity
from tests.workflows.test_purge_expired import FakePurge
from workflows import options
from workflows.purge_expired import PurgeExpired


async def main() -> None:
    """Record one page of organizations, of which one activity is tried twice.

    `purge_expired.retried` is older: it did not look after logins.
    """
    async with temporal_server() as environment:
        fake = FakePurge(fail_once=True)
        async with Worker(
            environment.client, task_queue=options.PIPELINE_QUEUE, workflows=[PurgeExpired],
            activities=fake.all(),
        ):  # fmt: skip
            handle = await environment.client.start_workflow(
                PurgeExpired.run, PurgeInput(), id="purge-expired",
                task_queue=options.PIPELINE_QUEUE,
            )  # fmt: skip
            first = environment.client.get_workflow_handle(
                handle.id, run_id=handle.first_execution_run_id
            )
            await handle.result()
            history = json.loads((await first.fetch_history()).to_json())
    text = json.dumps(without_identity(history), indent=1, sort_keys=True) + "\n"
    (HERE / "purge_expired.with_logins.json").write_text(text)
    await asyncio.sleep(0.3)


if __name__ == "__main__":
    asyncio.run(main())
