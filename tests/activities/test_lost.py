"""Work whose workflow was terminated, or forgotten by Temporal, comes to an end all the same."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session
from temporalio.testing import ActivityEnvironment

from activities.settle import SettleFiles
from activities.sweep import SweepOrphans
from core.contracts import FileRef, SweepInput
from core.contracts_lifecycle import SettleInput, SettleResult
from db.ids import uuid7
from tests.activities.test_match_and_calculate import Stages, stages
from tests.activities.test_settle import change, count
from tests.factories import Uploader
from tests.fakes_api import FakePipeline

__all__ = ["stages"]  # a fixture

pytestmark = pytest.mark.anyio


async def settled(stages: Stages, fake: FakePipeline) -> SettleResult:
    activity = SettleFiles(stages.uploader.engine, stages.uploader.storage, fake)
    result: SettleResult = await ActivityEnvironment().run(activity.settle_files, SettleInput())
    return result


def in_work(stages: Stages, minutes: int) -> FileRef:
    ref = stages.calculated()
    since = f"now() - interval '{minutes} minutes'"
    change(stages.uploader, ref, f"status = 'calculating', processing_started_at = {since}")
    return ref


async def test_a_file_whose_workflow_is_gone_ends_as_failed_and_can_be_retried(
    stages: Stages,
) -> None:
    ref = in_work(stages, 61)
    assert (await settled(stages, FakePipeline(running=False))).lost == 1
    file = stages.uploader.file(ref)
    assert (file.status, file.error_code) == ("failed", "processing_failed")
    assert "Retry the file" in file.error_message
    assert count(stages.uploader, ref, "emissions") == 0
    assert (await settled(stages, FakePipeline(running=False))).lost == 0


@pytest.mark.parametrize(
    ("minutes", "fake"),
    [
        (61, FakePipeline(running=True)),
        (61, FakePipeline(running=False, away=True)),
        (59, FakePipeline(running=False)),
    ],
    ids=["it runs", "nobody knows", "it began just now"],
)
async def test_a_file_that_somebody_may_work_on_is_left_alone(
    stages: Stages, minutes: int, fake: FakePipeline
) -> None:
    ref = in_work(stages, minutes)
    assert (await settled(stages, fake)).lost == 0
    assert stages.uploader.file(ref).status == "calculating"


def recalculation(uploader: Uploader, status: str, begun: str, minutes: int) -> UUID:
    recalculation_id = uuid7()
    with Session(uploader.engine) as session:
        session.execute(
            text(
                "INSERT INTO recalculations (organization_id, id, user_id, releases,"
                " releases_before, filter, status, reason, created_at, commit_requested_at,"
                f" {begun})"
                " SELECT :organization_id, :id, :user_id, '{x}', '{x}', '{}', :status, 'r', since,"
                " since, since FROM (SELECT now() - make_interval(mins => :minutes) AS since) s"
            ),
            {
                "organization_id": uploader.organization_id, "user_id": uploader.user_id,
                "id": recalculation_id, "status": status, "minutes": minutes,
            },
        )  # fmt: skip
        session.commit()
    return recalculation_id


async def test_a_recalculation_whose_workflow_may_be_gone_is_begun_again(
    uploader: Uploader, platform_engine: Engine
) -> None:
    lost = recalculation(uploader, "previewing", "started_at", 61)
    recalculation(uploader, "previewing", "started_at", 59)
    recalculation(uploader, "cancelled", "started_at", 61)
    stuck = recalculation(uploader, "committing", "commit_started_at", 61)
    fake = FakePipeline()
    sweep = SweepOrphans(platform_engine, fake)
    result = await ActivityEnvironment().run(sweep.start_orphans, SweepInput())
    assert result.recalculations == 2
    assert [ref.recalculation_id for ref in fake.previews] == [lost]
    assert [ref.recalculation_id for ref in fake.commits] == [stuck]
