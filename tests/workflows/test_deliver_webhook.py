"""A delivery's workflow: a day of retries in seconds, on the server that skips time."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from core.contracts_webhooks import (
    DeliveryRef,
    DeliveryResult,
    SweepDeliveriesInput,
    SweepDeliveriesResult,
    delivery_workflow_id,
)
from core.webhooks import DELAYS_S, MAX_ATTEMPTS, delay_after
from runtime.deliveries import start_delivery
from runtime.dev import script
from workflows import options
from workflows.deliver_webhook import DeliverWebhook
from workflows.sweep_deliveries import SweepDeliveries

pytestmark = pytest.mark.anyio


@dataclass
class FakeEndpoint:
    """The activities under their real names, over an endpoint that fails so many times."""

    failures: int = 0
    retry_after_s: float | None = None
    misconfigured: bool = False
    gone: bool = False
    at: list[dt.datetime] = field(default_factory=list)
    given_up: int = 0
    swept: int = 0

    @activity.defn(name="deliver_webhook")
    async def deliver_webhook(self, ref: DeliveryRef) -> DeliveryResult:
        if self.misconfigured:
            raise ApplicationError("no key opens it", type="Misconfigured")
        self.at.append(activity.info().started_time)
        tried = len(self.at)
        if self.gone:
            return DeliveryResult(status="failed", attempts=tried)
        if tried > self.failures:
            return DeliveryResult(status="delivered", attempts=tried)
        delay_s = delay_after(tried, 0.5, self.retry_after_s)
        if delay_s is None:
            return DeliveryResult(status="failed", attempts=tried)
        raise ApplicationError(
            "status 500", type="NotDelivered", next_retry_delay=timedelta(seconds=delay_s)
        )

    @activity.defn(name="fail_delivery")
    async def fail_delivery(self, ref: DeliveryRef) -> DeliveryResult:
        self.given_up += 1
        return DeliveryResult(status="failed")

    @activity.defn(name="start_deliveries")
    async def start_deliveries(self, request: SweepDeliveriesInput) -> SweepDeliveriesResult:
        self.swept += 1
        return SweepDeliveriesResult(started=3)

    def worker(self, client: Client) -> Worker:
        return Worker(
            client, task_queue=options.WEBHOOKS_QUEUE, workflows=[DeliverWebhook, SweepDeliveries],
            activities=[self.deliver_webhook, self.fail_delivery, self.start_deliveries],
            max_cached_workflows=0,
        )  # fmt: skip

    def pauses(self) -> list[float]:
        """Return the seconds between attempts."""
        return [(b - a).total_seconds() for a, b in zip(self.at, self.at[1:], strict=False)]


def reference() -> DeliveryRef:
    return DeliveryRef(organization_id=uuid4(), event_id=uuid4(), webhook_id=uuid4())


@pytest.fixture
async def skipping() -> AsyncIterator[Client]:
    """A client of the time-skipping server."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=script("temporal-test-server"),
        data_converter=pydantic_data_converter,
    ) as environment:
        yield environment.client


async def run(client: Client, fake: FakeEndpoint, ref: DeliveryRef) -> DeliveryResult:
    async with fake.worker(client):
        return await client.execute_workflow(
            DeliverWebhook.run, ref, id=delivery_workflow_id(ref),
            task_queue=options.WEBHOOKS_QUEUE,
        )  # fmt: skip


async def test_an_endpoint_that_is_down_for_hours_gets_it_when_it_is_back(skipping) -> None:
    fake = FakeEndpoint(failures=5)
    result = await run(skipping, fake, reference())
    assert (result.status, result.attempts) == ("delivered", 6)
    for pause, wanted in zip(fake.pauses(), DELAYS_S, strict=False):
        assert wanted <= pause < wanted + 5


async def test_after_a_day_of_failures_the_delivery_has_failed_and_the_workflow_has_not(
    skipping,
) -> None:
    fake = FakeEndpoint(failures=100)
    result = await run(skipping, fake, reference())
    assert (result.status, result.attempts) == ("failed", MAX_ATTEMPTS)
    assert dt.timedelta(hours=23) < fake.at[-1] - fake.at[0] < dt.timedelta(hours=25)


async def test_an_endpoint_that_asks_for_an_hour_is_left_alone_for_an_hour(skipping) -> None:
    fake = FakeEndpoint(failures=2, retry_after_s=3600)
    assert (await run(skipping, fake, reference())).status == "delivered"
    assert all(3600 <= pause < 3605 for pause in fake.pauses())


async def test_an_endpoint_that_is_gone_is_not_tried_again(skipping) -> None:
    fake = FakeEndpoint(gone=True)
    result = await run(skipping, fake, reference())
    assert (result.status, result.attempts, fake.given_up) == ("failed", 1, 0)


async def test_what_cannot_even_be_tried_is_given_up(skipping) -> None:
    fake = FakeEndpoint(misconfigured=True)
    assert (await run(skipping, fake, reference())).status == "failed"
    assert fake.given_up == 1


async def test_a_delivery_that_is_started_twice_runs_once(temporal: WorkflowEnvironment) -> None:
    fake, ref = FakeEndpoint(), reference()
    first = await start_delivery(temporal.client, ref)
    assert await start_delivery(temporal.client, ref) == first == delivery_workflow_id(ref)
    async with fake.worker(temporal.client):
        handle = temporal.client.get_workflow_handle(first, result_type=DeliveryResult)
        assert (await handle.result()).status == "delivered"
        description = await handle.describe()
        assert description.typed_search_attributes.get(options.ORGANIZATION_ID) == str(
            ref.organization_id
        )
        assert len(fake.at) == 1
        await start_delivery(temporal.client, ref)  # sent anew: it runs again
        assert (await temporal.client.get_workflow_handle(first).result()) is not None
    assert len(fake.at) == 2


async def test_a_cancelled_delivery_is_not_given_up_behind_the_operators_back(
    temporal: WorkflowEnvironment,
) -> None:
    fake, ref = FakeEndpoint(failures=100), reference()
    async with fake.worker(temporal.client):
        job_id = await start_delivery(temporal.client, ref)
        handle = temporal.client.get_workflow_handle(job_id)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert fake.given_up == 0


async def test_the_sweep_runs_its_activity(skipping) -> None:
    fake = FakeEndpoint()
    async with fake.worker(skipping):
        result = await skipping.execute_workflow(
            SweepDeliveries.run, id="sweep", task_queue=options.WEBHOOKS_QUEUE
        )
    assert (result.started, fake.swept) == (3, 1)
