"""Batches of one organization that take long leave slots of matching to the others."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Worker

from activities.tries import MATCHING, WAITS_ITS_TURN, this_attempt, waits
from core import contracts
from core.contracts import FileStatus
from runtime.shares import OrganizationShares
from runtime.worker import shares_of, tried
from tests.runtime.test_shares import name_of, start, until
from tests.workflows.fake_stages import FakeStages
from workflows import options
from workflows.process_file import ProcessFile

pytestmark = pytest.mark.anyio

SLOTS, SHARE = 4, 2


class Slow(FakeStages):
    """Matches nothing of one organization until it is told to."""

    def __init__(self, hung: UUID) -> None:
        super().__init__()
        self.hung, self.go = hung, asyncio.Event()
        self.matching: Counter[UUID] = Counter()
        self.most: Counter[UUID] = Counter()
        self.attempts: set[int] = set()

    def all(self) -> list[Any]:
        """Return the activities, with a matcher that hangs."""

        @activity.defn(name="match_batch")
        async def match_batch(ref: contracts.BatchRef) -> contracts.MatchResult:
            owner = ref.organization_id
            self.matching[owner] += 1
            self.most[owner] = max(self.most[owner], self.matching[owner])
            while owner == self.hung and not self.go.is_set():
                activity.heartbeat(waits())
                await asyncio.sleep(0.05)
            self.matching[owner] -= 1
            self.attempts.add(this_attempt())
            return contracts.MatchResult(decided=ref.size, held=0, attempt=this_attempt())

        return [match_batch, *(a for a in super().all() if name_of(a) != "match_batch")]


@pytest.mark.timeout(180)
async def test_batches_that_hang_hold_their_share_and_anothers_file_completes(
    temporal: WorkflowEnvironment,
) -> None:
    hostile, other = uuid4(), uuid4()
    stages = Slow(hostile)
    shares = OrganizationShares(MATCHING, SHARE)
    activities = stages.all()
    async with (
        Worker(temporal.client, task_queue=options.PIPELINE_QUEUE, workflows=[ProcessFile],
               activities=activities),
        Worker(temporal.client, task_queue=options.MATCHING_QUEUE, activities=activities,
               max_concurrent_activities=SLOTS, interceptors=[shares]),
    ):  # fmt: skip
        hung = [await start(temporal, hostile) for _ in range(2)]
        await until(lambda: stages.matching[hostile] == SHARE)
        assert (await (await start(temporal, other)).result()).status is FileStatus.COMPLETED
        assert stages.matching[hostile] == SHARE
        stages.go.set()
        results = await asyncio.gather(*(handle.result() for handle in hung))
        progress = await asyncio.gather(*(handle.query(ProcessFile.status) for handle in hung))
    assert {result.status for result in results} == {FileStatus.COMPLETED}
    assert stages.most[hostile] == SHARE
    # Waiting is no attempt: our own ranker would stand in for the model after some of them.
    assert stages.attempts == {1}
    assert {p.retries for p in progress} == {0}
    assert shares.running == Counter()


class Never(ActivityInboundInterceptor):
    """What must not be reached."""

    def __init__(self) -> None:
        pass

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Fail."""
        raise AssertionError("there is no slot for this")


@pytest.mark.parametrize("name", MATCHING)
async def test_each_time_that_a_batch_waits_is_kept_for_its_next_attempt(name: str) -> None:
    organization_id = uuid4()
    shares = OrganizationShares(MATCHING, 1)
    shares.running[str(organization_id)] = 1
    share = shares.intercept_activity(Never())
    batch = contracts.BatchRef(organization_id=organization_id, file_id=uuid4(), offset=0, size=1)
    kept: list[Any] = []
    for attempt in (3, 4):  # two tries went before
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(
            environment.info, activity_type=name, attempt=attempt, heartbeat_details=list(kept)
        )

        def heard(*details: Any) -> None:
            kept[:] = details

        async def work() -> tuple[int, int]:
            seen = this_attempt(), tried(activity.info())
            with pytest.raises(ApplicationError) as caught:
                await share.execute_activity(ExecuteActivityInput(work, (batch,), None, {}))
            assert caught.value.type == options.WAITS_ITS_TURN
            return seen

        environment.on_heartbeat = heard
        assert await environment.run(work) == (3, 3)
    assert kept == [2]


@pytest.mark.parametrize(("slots", "share", "most"), [(10, 4, 4), (3, 4, 2), (1, 4, 1)])
def test_a_slot_of_matching_is_left_to_others(
    settings: Any, slots: int, share: int, most: int
) -> None:
    chosen = settings.model_copy(
        update={"ai_slots": slots, "organization_slots": share, "pipeline_slots": 100}
    )
    shares = shares_of(options.MATCHING_QUEUE, chosen)
    assert (shares.most, shares.activities) == (most, frozenset(MATCHING))


def test_the_stages_of_matching_have_the_names_that_workflows_call() -> None:
    assert (options.MATCH_BATCH.name, options.REMATCH_BATCH.name) == MATCHING
    assert options.WAITS_ITS_TURN == WAITS_ITS_TURN
