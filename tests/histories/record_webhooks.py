"""Record the histories of deliveries and of their sweep; see record.py.

.venv/bin/python -m tests.histories.record_webhooks
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any
from uuid import UUID

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from core.contracts_webhooks import DeliveryRef
from runtime.deliveries import start_delivery
from tests.conftest import temporal_server
from tests.histories.record import HERE, ORGANIZATION, without_identity
from tests.workflows.test_deliver_webhook import FakeEndpoint
from workflows import options
from workflows.sweep_deliveries import SweepDeliveries


def cases() -> dict[str, FakeEndpoint]:
    """Return the endpoint of each history by its name. `retried` takes a few seconds."""
    return {
        "delivered": FakeEndpoint(),
        "retried": FakeEndpoint(failures=1),
        "failed": FakeEndpoint(gone=True),
        "given_up": FakeEndpoint(misconfigured=True),
        "cancelled": FakeEndpoint(failures=100),
    }


async def deliver(client: Client, number: int, name: str, fake: FakeEndpoint) -> str:
    """Run one delivery to its end and return its history."""
    ref = DeliveryRef(
        organization_id=ORGANIZATION,
        event_id=UUID(int=ORGANIZATION.int + 0x4000 + number),
        webhook_id=UUID(int=ORGANIZATION.int + 0x5000),
    )
    async with fake.worker(client):
        handle = client.get_workflow_handle(await start_delivery(client, ref))
        if name == "cancelled":
            while not fake.at:
                await asyncio.sleep(0.02)
            await handle.cancel()
        return await history_of(handle)


async def sweep(client: Client) -> str:
    """Run one sweep and return its history."""
    async with FakeEndpoint().worker(client):
        return await history_of(
            await client.start_workflow(
                SweepDeliveries.run, id="sweep-deliveries", task_queue=options.WEBHOOKS_QUEUE
            )
        )


async def history_of(handle: WorkflowHandle[Any, Any]) -> str:
    """Wait for the end; return the history as JSON without names of this machine."""
    with contextlib.suppress(WorkflowFailureError):
        await handle.result()
    history = json.loads((await handle.fetch_history()).to_json())
    return json.dumps(without_identity(history), indent=1, sort_keys=True) + "\n"


async def main() -> None:
    """Record all."""
    async with temporal_server() as environment:
        for number, (name, fake) in enumerate(cases().items()):
            text = await deliver(environment.client, number, name, fake)
            (HERE / f"deliver_webhook.{name}.json").write_text(text)
        text = await sweep(environment.client)
        (HERE / "sweep_deliveries.completed.json").write_text(text)
    await asyncio.sleep(0.3)


if __name__ == "__main__":
    asyncio.run(main())
