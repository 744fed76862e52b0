"""A resolution's workflow on a real Temporal server: applied once, whoever starts it how often."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from core.contracts import ReviewRef, ReviewResult
from runtime.temporal import TemporalPipeline
from workflows import options
from workflows.apply_review import ApplyReview

pytestmark = pytest.mark.anyio


@dataclass
class FakeReviews:
    """The activity with scripted outcomes, under its real name."""

    fail_once: bool = False
    break_it: bool = False
    calls: list[UUID] = field(default_factory=list)

    @activity.defn(name="apply_review")
    async def apply_review(self, ref: ReviewRef) -> ReviewResult:
        self.calls.append(ref.review_id)
        attempt = activity.info().attempt
        if self.break_it:
            raise ApplicationError("gone", type="NotFound", non_retryable=True)
        if self.fail_once and attempt == 1:
            raise ApplicationError("the store is away", type="Unavailable")
        return ReviewResult(applied=True, calculated=2, attempt=attempt)


@asynccontextmanager
async def working(client: Client, fake: FakeReviews) -> AsyncIterator[TemporalPipeline]:
    async with Worker(
        client, task_queue=options.PIPELINE_QUEUE, workflows=[ApplyReview],
        activities=[fake.apply_review], max_cached_workflows=0,
    ):  # fmt: skip
        yield TemporalPipeline(client, match_batch_size=200)


def reference() -> ReviewRef:
    return ReviewRef(organization_id=uuid4(), review_id=uuid4())


async def test_a_resolution_is_applied_once_however_often_it_is_started(
    temporal: WorkflowEnvironment,
) -> None:
    fake, ref = FakeReviews(), reference()
    async with working(temporal.client, fake) as pipeline:
        assert await pipeline.apply_review(ref, wait_s=20)
        assert await pipeline.apply_review(ref, wait_s=20)  # done before: nothing is started
        handle = temporal.client.get_workflow_handle(f"review/{ref.review_id}")
        description = await handle.describe()
    assert fake.calls == [ref.review_id]
    attributes = description.typed_search_attributes
    assert attributes.get(options.ORGANIZATION_ID) == str(ref.organization_id)


async def test_a_store_that_is_away_is_tried_again(temporal: WorkflowEnvironment) -> None:
    fake, ref = FakeReviews(fail_once=True), reference()
    async with working(temporal.client, fake) as pipeline:
        assert await pipeline.apply_review(ref, wait_s=20)
    assert len(fake.calls) == 2


async def test_one_that_failed_for_good_may_be_started_again(
    temporal: WorkflowEnvironment,
) -> None:
    fake, ref = FakeReviews(break_it=True), reference()
    async with working(temporal.client, fake) as pipeline:
        assert not await pipeline.apply_review(ref, wait_s=20)
        fake.break_it = False
        assert await pipeline.apply_review(ref, wait_s=20)
    assert len(fake.calls) == 2


async def test_whoever_does_not_wait_is_told_that_it_is_not_done(
    temporal: WorkflowEnvironment,
) -> None:
    fake, ref = FakeReviews(), reference()
    pipeline = TemporalPipeline(temporal.client, match_batch_size=200)
    assert not await pipeline.apply_review(ref)  # no worker is up
    async with working(temporal.client, fake):
        handle = temporal.client.get_workflow_handle(
            f"review/{ref.review_id}", result_type=ReviewResult
        )
        assert (await handle.result()).applied
