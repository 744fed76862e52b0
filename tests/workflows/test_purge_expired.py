"""The order of a purge, page by page, and its schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from core.contracts import Payload
from core.contracts_lifecycle import OrganizationPage, OrganizationRef, PurgeInput, PurgeResult
from runtime.schedules import PURGE_ID, SWEEP_ID, ensure_schedules
from workflows import options
from workflows.purge_expired import PurgeExpired

pytestmark = pytest.mark.anyio


class FakePurge:
    """Two pages of organizations; each loses ten rows and two objects."""

    def __init__(self, *, fail_once: bool = False, broken: int | None = None) -> None:
        self.ids = sorted(uuid4() for _ in range(3))
        self.calls: list[tuple[str, UUID | None]] = []
        self.fail_once, self.broken = fail_once, broken

    def all(self) -> list[Callable[..., Any]]:
        @activity.defn(name="list_organizations")
        async def list_organizations(request: PurgeInput) -> OrganizationPage:
            left = [i for i in self.ids if request.after is None or i > request.after]
            return OrganizationPage(organization_ids=tuple(left[:2]))

        @activity.defn(name="purge_organization")
        async def purge_organization(ref: OrganizationRef) -> PurgeResult:
            if self.broken is not None and ref.organization_id == self.ids[self.broken]:
                raise ApplicationError("broken", type="InvalidInput", non_retryable=True)
            if self.fail_once and activity.info().attempt == 1:
                raise ApplicationError("the database is away", type="Unavailable")
            self.calls.append(("purge", ref.organization_id))
            return PurgeResult(organizations=1, files=1, emissions=8, rows=10)

        @activity.defn(name="purge_logins")
        async def purge_logins(_: Payload) -> PurgeResult:
            self.calls.append(("logins", None))
            return PurgeResult(rows=5)

        @activity.defn(name="delete_doomed_objects")
        async def delete_doomed_objects(_: Payload) -> PurgeResult:
            self.calls.append(("objects", None))
            return PurgeResult(objects=2)

        @activity.defn(name="sweep_objects")
        async def sweep_objects(ref: OrganizationRef) -> PurgeResult:
            self.calls.append(("compare", ref.organization_id))
            return PurgeResult(orphans=1)

        return [
            list_organizations, purge_organization, purge_logins, delete_doomed_objects,
            sweep_objects,
        ]  # fmt: skip


async def purged(temporal: WorkflowEnvironment, fake: FakePurge) -> PurgeResult:
    async with Worker(
        temporal.client, task_queue=options.PIPELINE_QUEUE, workflows=[PurgeExpired],
        activities=fake.all(),
    ):  # fmt: skip
        return await temporal.client.execute_workflow(
            PurgeExpired.run, PurgeInput(), id=f"purge/{uuid4()}",
            task_queue=options.PIPELINE_QUEUE,
        )  # fmt: skip


async def test_logins_go_once_and_every_organization_is_purged_before_objects_go_and_compared_after(
    temporal: WorkflowEnvironment,
) -> None:
    fake = FakePurge()
    result = await purged(temporal, fake)
    a, b, c = fake.ids
    assert fake.calls == [
        ("logins", None),
        ("purge", a), ("purge", b), ("objects", None), ("compare", a), ("compare", b),
        ("purge", c), ("objects", None), ("compare", c),
        ("objects", None),
    ]  # fmt: skip
    assert result == PurgeResult(
        organizations=3, files=3, emissions=24, rows=35, objects=6, orphans=3
    )


async def test_a_dependency_that_was_away_is_tried_again(temporal: WorkflowEnvironment) -> None:
    result = await purged(temporal, FakePurge(fail_once=True))
    assert result.rows == 35


async def test_what_cannot_be_purged_fails_visibly_and_keeps_no_other_from_going(
    temporal: WorkflowEnvironment,
) -> None:
    fake = FakePurge(broken=0)
    with pytest.raises(WorkflowFailureError) as raised:
        await purged(temporal, fake)
    assert "failed 1" in str(raised.value.cause)
    a, b, c = fake.ids
    assert fake.calls == [
        ("logins", None),
        ("purge", b), ("objects", None), ("compare", a), ("compare", b),
        ("purge", c), ("objects", None), ("compare", c),
        ("objects", None),
    ]  # fmt: skip


async def test_the_schedules_are_made_once_and_left_as_an_operator_tuned_them(
    temporal: WorkflowEnvironment,
) -> None:
    client = temporal.client
    try:
        await ensure_schedules(client)
        handle = client.get_schedule_handle(PURGE_ID)
        await handle.pause(note="by an operator")
        await ensure_schedules(client)
        found = await handle.describe()
        assert found.schedule.state.paused
        assert found.schedule.action.workflow == "PurgeExpired"  # type: ignore[union-attr]
        assert await client.get_schedule_handle(SWEEP_ID).describe()
        await handle.unpause()
        await handle.trigger()
        async with asyncio.timeout(20):
            while not (found := await handle.describe()).info.running_actions:
                await asyncio.sleep(0.1)
        started = found.info.running_actions[0].workflow_id  # type: ignore[union-attr]
        described = await client.get_workflow_handle(started).describe()
        assert "retention" in (await described.static_summary() or "")
        await client.get_workflow_handle(started).terminate()
    finally:
        for name in (PURGE_ID, SWEEP_ID):
            await client.get_schedule_handle(name).delete()
