"""Files that take for ever hold a share of the slots; another organization's file completes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Worker

from activities.tries import counted_try, waits_its_turn
from core import contracts
from core.contracts import FileStatus, Stage
from core.errors import DamagedObject
from core.ports import PendingAttempt
from runtime.shares import LONG, OrganizationShares
from runtime.temporal import TemporalPipeline
from runtime.worker import SanitizeFailures, shares_of
from tests.workflows.fake_stages import FakeStages
from workflows import options
from workflows.process_file import ProcessFile

pytestmark = pytest.mark.anyio

SLOTS, SHARE, FILES = 3, 2, 6


class Hanging(FakeStages):
    """Parses nothing of one organization until it is told to."""

    def hang(self, organization_id: UUID) -> None:
        """Let files of this organization hang."""
        self.hung, self.go = organization_id, asyncio.Event()
        self.parsing: Counter[UUID] = Counter()
        self.most: Counter[UUID] = Counter()
        self.tries: list[int] = []

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, with a parser that hangs."""

        @activity.defn(name="parse_file")
        async def parse_file(ref: contracts.FileRef) -> contracts.ParseResult:
            owner = ref.organization_id
            with counted_try() as attempt:
                self.parsing[owner] += 1
                self.most[owner] = max(self.most[owner], self.parsing[owner])
                while owner == self.hung and not self.go.is_set():
                    activity.heartbeat(attempt)
                    await asyncio.sleep(0.05)
                self.parsing[owner] -= 1
            self.tries.append(attempt)
            return contracts.ParseResult(parts=1, rows=10, attempt=attempt)

        return [parse_file, *(a for a in super().all() if name_of(a) != "parse_file")]


def name_of(stage: Callable[..., Any]) -> str:
    return str(stage.__temporal_activity_definition.name)  # type: ignore[attr-defined]


async def start(
    temporal: WorkflowEnvironment, organization_id: UUID
) -> WorkflowHandle[ProcessFile, contracts.ProcessFileResult]:
    file_id = uuid4()
    return await temporal.client.start_workflow(
        ProcessFile.run,
        contracts.ProcessFileInput(
            organization_id=organization_id, file_id=file_id, match_batch_size=2, run=1
        ),
        id=contracts.workflow_id(file_id),
        task_queue=options.PIPELINE_QUEUE,
        priority=Priority(fairness_key=str(organization_id)),
        search_attributes=TypedSearchAttributes(
            [SearchAttributePair(options.ORGANIZATION_ID, str(organization_id))]
        ),
    )


async def until(condition: Callable[[], bool], within_s: float = 60) -> None:
    """Wait for something; how long it takes is no matter."""
    for _ in range(int(within_s / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came to that")


@pytest.mark.timeout(180)
async def test_files_that_hang_hold_their_share_and_another_organizations_file_completes(
    temporal: WorkflowEnvironment,
) -> None:
    hostile, other = uuid4(), uuid4()
    stages = Hanging()
    stages.hang(hostile)
    shares = OrganizationShares(LONG, SHARE)
    activities: Sequence[Callable[..., Any]] = stages.all()
    async with (
        Worker(temporal.client, task_queue=options.PIPELINE_QUEUE, workflows=[ProcessFile],
               activities=activities, max_concurrent_activities=SLOTS, interceptors=[shares]),
        Worker(temporal.client, task_queue=options.MATCHING_QUEUE, activities=activities),
    ):  # fmt: skip
        hung = [await start(temporal, hostile) for _ in range(FILES)]
        await until(lambda: stages.parsing[hostile] == SHARE)
        small = await start(temporal, other)
        assert (await small.result()).status is FileStatus.COMPLETED
        assert stages.parsing[hostile] == SHARE
        await waiting_is_no_retry(temporal, hung)
        stages.go.set()
        results = await asyncio.gather(*(handle.result() for handle in hung))
        progress = await asyncio.gather(*(handle.query(ProcessFile.status) for handle in hung))
    assert {result.status for result in results} == {FileStatus.COMPLETED}
    assert stages.most == {hostile: SHARE, other: 1}
    # Waiting is no try: neither for whoever limits them, nor for who reads the status.
    assert stages.tries == [1] * (FILES + 1)
    assert {p.retries for p in progress} == {0}
    assert shares.running == Counter()


async def waiting_is_no_retry(
    temporal: WorkflowEnvironment, hung: Sequence[WorkflowHandle[Any, Any]]
) -> None:
    """Look at the pending attempts of files of which most wait."""
    pipeline = TemporalPipeline(temporal.client, match_batch_size=2)
    found: list[PendingAttempt] = []
    while len(found) < FILES - SHARE:
        found = []
        for handle in hung:
            file_id = UUID(handle.id.removeprefix("file/"))
            found += await pipeline.attempts(
                contracts.FileRef(organization_id=uuid4(), file_id=file_id)
            )
    assert {attempt.attempt for attempt in found} == {1}
    assert {attempt.stage for attempt in found} <= {Stage.SCAN, Stage.PARSE}
    assert all("waits its turn" in (attempt.last_error or "") for attempt in found)


def test_who_has_waited_longer_comes_again_later_and_within_minutes() -> None:
    def delay_s(attempt: int) -> float:
        error = waits_its_turn(attempt)
        assert isinstance(error, ApplicationError)
        assert not error.non_retryable
        assert error.next_retry_delay is not None
        return error.next_retry_delay.total_seconds()

    assert 1 <= delay_s(1) <= 3
    assert 10 <= delay_s(10) <= 30
    assert 30 <= delay_s(10_000) <= 90


@pytest.mark.parametrize(
    ("slots", "share", "most"), [(8, 4, 4), (4, 4, 3), (2, 100, 1), (1, 4, 1), (100, 8, 8)]
)
def test_one_slot_is_left_to_others_where_there_are_several(
    settings: Any, slots: int, share: int, most: int
) -> None:
    chosen = settings.model_copy(update={"pipeline_slots": slots, "organization_slots": share})
    assert shares_of(options.PIPELINE_QUEUE, chosen).most == most


class Damaged(ActivityInboundInterceptor):
    """Every read of the store is cut short."""

    def __init__(self) -> None:
        pass

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Do what a stage would."""
        raise DamagedObject("a stored object is shorter or longer than it was")


@pytest.mark.parametrize(
    ("activity_type", "tried", "final"),
    [("parse_file", [], False), ("scan_file", [3], False), ("parse_file", [4], True),
     ("validate_part", [], True)],
)  # fmt: skip
async def test_waiting_for_its_turn_is_no_reason_to_call_an_object_damaged(
    activity_type: str, tried: list[int], final: bool
) -> None:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(
        environment.info, activity_type=activity_type, attempt=40, heartbeat_details=tried
    )
    sanitizer = SanitizeFailures().intercept_activity(Damaged())

    async def work() -> None:
        await sanitizer.execute_activity(ExecuteActivityInput(work, (), None, {}))

    with pytest.raises(ApplicationError) as caught:
        await environment.run(work)
    assert (caught.value.type, caught.value.non_retryable) == ("DamagedObject", final)
