"""Deletions and cancellations are carried out; retries go on from what is there."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session
from temporalio.testing import ActivityEnvironment

from activities.resume import ResumeFile
from activities.settle import SettleFiles
from core.contracts import FileProgress, FileRef, FileStatus, Stage, StageProgress, StageState
from core.contracts_lifecycle import SettleInput
from core.errors import NotFound, Superseded, Unavailable
from core.keys import trash_key, upload_key
from core.permissions import Reach
from core.resuming import is_done
from db.engine import tenant_session
from db.queries import lifecycle, pipeline
from runtime.adapters.storage_local import LocalStorage
from tests.activities.test_match_and_calculate import Stages, stages
from tests.factories import Uploader
from tests.fakes_api import FakePipeline
from tests.webhook_rows import Endpoints, RecordingStarter

__all__ = ["stages"]  # a fixture

pytestmark = pytest.mark.anyio


def change(uploader: Uploader, ref: FileRef, assignment: str, **values: Any) -> None:
    with Session(uploader.engine) as session:
        session.execute(
            text(f"UPDATE files SET {assignment} WHERE id = :file_id"),
            {**ref.model_dump(), **values},
        )
        session.commit()


def count(uploader: Uploader, ref: FileRef, table: str, also: str = "") -> int:
    return len(uploader.rows(f"SELECT 1 FROM {table} WHERE file_id = :file_id {also}", ref))


def progress(failed: Stage, activities: int = 3) -> str:
    """Return the stored progress of a file that failed in this stage."""
    found = tuple(
        StageProgress(name=s, state=StageState.COMPLETED if is_done(s, failed) else
                      StageState.FAILED if s is failed else StageState.PENDING)
        for s in Stage
    )  # fmt: skip
    made = FileProgress(status=FileStatus.FAILED, stage=failed, stages=found)
    counts = made.progress.model_copy(
        update={"rows_total": 5, "rows_parsed": 5, "activities_to_match": activities}
    )
    return made.model_copy(update={"progress": counts}).model_dump_json()


def settle(uploader: Uploader, fake: FakePipeline, **values: Any) -> SettleFiles:
    return SettleFiles(uploader.engine, uploader.storage, fake, **values)


async def test_a_deletion_is_carried_out_also_after_a_crash_and_twice(stages: Stages) -> None:
    uploader, ref = stages.uploader, stages.calculated()
    with Session(uploader.engine) as session:  # and then the API died
        gone = lifecycle.delete_file(session, ref.organization_id, ref.file_id, purge_after_days=30)
        session.commit()
    assert (gone.emissions, gone.reviews) == (2, 2)
    fake = FakePipeline()
    activity = settle(uploader, fake, batch_rows=1)
    result = await ActivityEnvironment().run(activity.settle_files, SettleInput())
    assert (result.deletions, result.rows_marked) == (1, 4)
    assert fake.stopped_files == [ref]
    for table in ("emissions", "reviews"):
        assert count(uploader, ref, table, "AND deleted_at IS NULL") == 0
    assert not uploader.storage.exists(upload_key(ref.organization_id, ref.file_id))
    assert uploader.storage.exists(trash_key(ref.organization_id, ref.file_id))
    again = await ActivityEnvironment().run(activity.settle_files, SettleInput())
    assert (again.deletions, again.rows_marked) == (0, 0)


async def test_a_file_that_was_to_stop_and_has_no_workflow_ends_as_cancelled(
    stages: Stages,
) -> None:
    uploader, ref = stages.uploader, stages.calculated()
    change(uploader, ref, "status = 'calculating', cancel_requested_at = now() - interval '1 min'")
    fake = FakePipeline(running=False)
    result = await ActivityEnvironment().run(settle(uploader, fake).settle_files, SettleInput())
    assert result.cancelled == 1
    file = uploader.file(ref)
    assert (file.status, file.error_code, file.rows_total, file.rows_rejected) == (
        "failed", "cancelled", 1, 1,
    )  # fmt: skip
    assert (count(uploader, ref, "emissions"), count(uploader, ref, "decisions")) == (0, 3)
    again = await ActivityEnvironment().run(settle(uploader, fake).settle_files, SettleInput())
    assert again.cancelled == 0


async def test_a_workflow_that_goes_on_is_told_again_and_a_fresh_wish_is_left_alone(
    stages: Stages,
) -> None:
    uploader, ref = stages.uploader, stages.calculated()
    fake = FakePipeline(running=True)
    change(uploader, ref, "status = 'calculating', cancel_requested_at = now()")
    await ActivityEnvironment().run(settle(uploader, fake).settle_files, SettleInput())
    assert fake.stopped_files == []
    change(uploader, ref, "cancel_requested_at = now() - interval '1 min'")
    await ActivityEnvironment().run(settle(uploader, fake).settle_files, SettleInput())
    assert fake.stopped_files == [ref]
    assert uploader.file(ref).status == "calculating"


class Poisoned(LocalStorage):
    """A store that does not let go of some objects."""

    stuck: frozenset[str] = frozenset()

    def move(self, source_key: str, target_key: str) -> None:
        if source_key in self.stuck:
            raise Unavailable("the object is held")
        super().move(source_key, target_key)


async def test_a_file_that_cannot_be_settled_holds_up_nobody_and_is_given_up_in_the_end(
    stages: Stages, storage: LocalStorage, tmp_path: Path
) -> None:
    uploader = stages.uploader
    poison, other = uploader.upload(b"1"), uploader.upload(b"2")
    held = Poisoned(tmp_path / "objects", public_url="http://test", secret=b"s" * 32)
    held.stuck = frozenset({upload_key(poison.organization_id, poison.file_id)})
    activity = SettleFiles(uploader.engine, held, FakePipeline())
    long_ago = "deleted_at = now() - interval '1 day', deletion_pending = true"
    change(uploader, poison, long_ago)
    change(uploader, other, long_ago.replace("1 day", "1 hour"))
    result = await ActivityEnvironment().run(activity.settle_files, SettleInput())
    assert (result.deletions, result.failed) == (1, 1)
    assert not uploader.file(other).deletion_pending
    again = await ActivityEnvironment().run(activity.settle_files, SettleInput())
    assert again.failed == 0  # it waits for a minute
    [row] = uploader.rows(
        "SELECT settle_failures, settle_after - now() AS wait FROM files WHERE id = :file_id",
        poison,
    )
    assert row.settle_failures == 1
    assert dt.timedelta(seconds=5) < row.wait <= dt.timedelta(minutes=1)
    for turn in range(2, lifecycle.SETTLE_ATTEMPTS + 1):
        change(uploader, poison, "settle_after = now() - interval '1 s'")
        result = await ActivityEnvironment().run(activity.settle_files, SettleInput())
        assert result.failed == 1, turn
    [row] = uploader.rows(
        "SELECT settle_after - now() AS wait FROM files WHERE id = :file_id", poison
    )
    assert dt.timedelta(hours=5) < row.wait <= dt.timedelta(hours=6)
    change(uploader, poison, "settle_after = now() - interval '1 s'")
    result = await ActivityEnvironment().run(activity.settle_files, SettleInput())
    assert result.failed == 0
    given_up = uploader.rows(
        "SELECT after FROM audit_events WHERE action = 'file.settling_given_up'"
        " AND object_id = :file_id", poison,
    )  # fmt: skip
    assert [event.after for event in given_up] == [{"attempts": lifecycle.SETTLE_ATTEMPTS}]


async def test_a_file_that_somebody_holds_waits_and_the_next_one_is_settled(stages: Stages) -> None:
    uploader = stages.uploader
    held, other = stages.calculated(), uploader.upload(b"2")
    for ref, age in ((held, "1 day"), (other, "1 hour")):
        change(uploader, ref, f"deleted_at = now() - interval '{age}', deletion_pending = true")
    activity = settle(uploader, FakePipeline())
    with Session(uploader.engine) as somebody:
        somebody.execute(
            text("SELECT 1 FROM files WHERE id = :file_id FOR UPDATE"), {"file_id": held.file_id}
        )
        environment = ActivityEnvironment()
        found = await asyncio.wait_for(environment.run(activity.settle_files, SettleInput()), 60)
        assert (found.deletions, found.failed) == (1, 1)
    assert not uploader.file(other).deletion_pending


async def test_asking_again_begins_anew(stages: Stages) -> None:
    uploader, ref = stages.uploader, stages.calculated()
    change(
        uploader, ref, "status = 'calculating', settle_failures = 20,"
        " cancel_requested_at = now() - interval '1 day', settle_after = now() + interval '6 h'",
    )  # fmt: skip
    activity = settle(uploader, FakePipeline(running=False))
    assert (await ActivityEnvironment().run(activity.settle_files, SettleInput())).cancelled == 0
    with Session(uploader.engine) as session:
        lifecycle.request_cancel(session, ref.organization_id, ref.file_id)
        session.commit()
    assert (await ActivityEnvironment().run(activity.settle_files, SettleInput())).cancelled == 1


async def test_a_file_that_the_sweep_ends_is_told_at_once(stages: Stages) -> None:
    uploader, ref = stages.uploader, stages.calculated()
    endpoints = Endpoints(uploader.engine, uploader.organization_id, uploader.user_id)
    webhook_id = endpoints.add("file.failed")
    change(uploader, ref, "status = 'calculating', cancel_requested_at = now() - interval '1 min'")
    starter = RecordingStarter()
    activity = SettleFiles(uploader.engine, uploader.storage, FakePipeline(running=False), starter)
    await ActivityEnvironment().run(activity.settle_files, SettleInput())
    [payload] = endpoints.payloads()
    assert payload["data"]["error"]["code"] == "cancelled"
    assert [started.webhook_id for started in starter.started] == [webhook_id]


@pytest.mark.parametrize(
    ("failed", "start"),
    [
        (Stage.SCAN, Stage.SCAN),
        (Stage.VALIDATE, Stage.VALIDATE),
        (Stage.MATCH, Stage.MATCH),
        (Stage.CALCULATE, Stage.CALCULATE),
        (Stage.FINISH, Stage.CALCULATE),
    ],
)
def test_a_retry_goes_on_from_what_is_there(
    stages: Stages, run: Callable[..., Any], worker_engine: Engine, failed: Stage, start: Stage
) -> None:
    uploader, ref = stages.uploader, stages.matched()
    change(uploader, ref, "processing_runs = 2, progress = :p", p=progress(failed))
    again = ref.model_copy(update={"run": 2})
    result = run(ResumeFile(worker_engine, uploader.storage).resume_file, again)
    assert result.start is start
    # 5 rows in one part; petrol "ten" is rejected
    assert (result.parts, result.rows, result.rejected, result.activities) == (1, 5, 1, 3)
    assert result.progress.run == 2


def test_a_stage_whose_results_are_gone_runs_again(
    stages: Stages, run: Callable[..., Any], worker_engine: Engine
) -> None:
    uploader, ref = stages.uploader, stages.matched()
    change(uploader, ref, "processing_runs = 2, progress = :p", p=progress(Stage.CALCULATE))
    again = ref.model_copy(update={"run": 2})
    resume = ResumeFile(worker_engine, uploader.storage).resume_file
    with Session(uploader.engine) as session:
        session.execute(text("DELETE FROM reviews"))
        session.execute(text("DELETE FROM decisions"))
        session.commit()
    assert run(resume, again).start is Stage.MATCH
    for listed in list(uploader.storage.list(f"{ref.organization_id}/work/")):
        if "/typed/" in listed.key:
            uploader.storage.delete(listed.key)
    assert run(resume, again).start is Stage.VALIDATE
    for listed in list(uploader.storage.list(f"{ref.organization_id}/work/")):
        uploader.storage.delete(listed.key)
    assert run(resume, again).start is Stage.PARSE


def test_a_run_that_does_not_count_any_more_is_superseded(
    stages: Stages, run: Callable[..., Any], worker_engine: Engine
) -> None:
    uploader, ref = stages.uploader, stages.matched()
    resume = ResumeFile(worker_engine, uploader.storage).resume_file
    change(uploader, ref, "processing_runs = 3")
    assert run(resume, ref.model_copy(update={"run": 2})).superseded
    change(uploader, ref, "status = 'failed'")
    assert run(resume, ref.model_copy(update={"run": 3})).superseded
    change(uploader, ref, "deleted_at = now()")
    with pytest.raises(NotFound):
        run(resume, ref.model_copy(update={"run": 3}))


def test_an_earlier_run_neither_ends_nor_moves_a_file_that_was_retried(stages: Stages) -> None:
    uploader, ref = stages.uploader, stages.calculated()
    change(uploader, ref, "processing_runs = 2, status = 'uploaded'")
    stages.fail(ref)  # the answer of the first run's was lost: it comes again
    assert uploader.file(ref).status == "uploaded"
    assert count(uploader, ref, "emissions") == 2
    with pytest.raises(Superseded):
        stages.finish(ref, total=5, calculated=2, in_review=2, rejected=1)
    with tenant_session(uploader.engine, ref.organization_id) as session:
        late = FileProgress(status=FileStatus.CALCULATING, stage=Stage.CALCULATE)
        pipeline.save_progress(session, ref.organization_id, ref.file_id, late)
        session.commit()
    assert uploader.file(ref).status == "uploaded"


def test_a_failed_file_is_never_completed_behind_its_back(stages: Stages) -> None:
    ref = stages.calculated()
    stages.fail(ref, "cancelled")
    with pytest.raises(Superseded):
        stages.finish(ref, total=1, rejected=1)
    assert stages.uploader.file(ref).status == "failed"


def test_a_retried_batch_keeps_the_decisions_that_exist(stages: Stages) -> None:
    from core.contracts import BatchRef

    ref = stages.matched()
    with Session(stages.uploader.engine) as session:
        session.execute(text("UPDATE decisions SET confidence = 0.123"))
        session.execute(text("DELETE FROM reviews"))
        session.execute(text("DELETE FROM decisions WHERE activity->>'name' = 'Legal advice'"))
        session.commit()
    batch = BatchRef(**ref.model_copy(update={"run": 2}).model_dump(), offset=0, size=10)
    result = stages.run(stages.match.match_batch, batch)
    assert (result.decided, result.held) == (3, 2)
    found = stages.uploader.rows("SELECT confidence FROM decisions", ref)
    assert sorted(d.confidence == 0.123 for d in found) == [False, True, True]


def test_a_deletion_waits_for_a_stage_that_writes_and_takes_its_rows_along(
    stages: Stages, app_engine: Engine
) -> None:
    """The stage holds the file while it writes; the deletion comes after, and sees all of it."""
    uploader, ref = stages.uploader, stages.matched()
    written, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with tenant_session(stages.calculate.engine, ref.organization_id) as session:
            pipeline.get_file(session, ref.organization_id, ref.file_id, lock=True)
            session.execute(
                text(
                    "INSERT INTO emissions (organization_id, file_id, row_number, activity_name,"
                    " unit, volume, calculated_emission)"
                    " VALUES (:organization_id, :file_id, 99, 'x', 'kg', 1, 1)"
                ),
                ref.model_dump(),
            )
            written.set()
            go_on.wait(10)
            session.commit()

    def delete() -> None:
        with tenant_session(app_engine, ref.organization_id) as session:
            lifecycle.lock_file(session, ref.organization_id, ref.file_id, Reach())
            found.append(
                lifecycle.delete_file(
                    session, ref.organization_id, ref.file_id, purge_after_days=30
                )
            )
            session.commit()

    found: list[lifecycle.Cascade] = []
    threads = [threading.Thread(target=write), threading.Thread(target=delete)]
    threads[0].start()
    assert written.wait(10)
    threads[1].start()
    threads[1].join(0.5)
    assert found == []
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert found[0].emissions == 1
    with (
        tenant_session(stages.calculate.engine, ref.organization_id) as session,
        pytest.raises(NotFound),
    ):
        pipeline.get_file(session, ref.organization_id, ref.file_id, lock=True)
    assert uploader.file(ref).deletion_pending
