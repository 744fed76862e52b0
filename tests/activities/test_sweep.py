"""The sweep: what was uploaded and never started is started, once."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session
from temporalio.testing import ActivityEnvironment

from activities.sweep import SweepOrphans
from core.contracts import FileRef, ReviewRef, SweepInput
from core.errors import Unavailable
from db.ids import uuid7
from tests.factories import Uploader

pytestmark = pytest.mark.anyio


class RecordingPipeline:
    """Notes what is started; may be away."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.stuck: UUID | None = None  # whose run before has not closed
        self.started: list[UUID] = []
        self.reviews: list[UUID] = []

    async def apply_review(self, ref: ReviewRef, *, wait_s: float = 0.0) -> bool:
        assert wait_s == 0
        self.reviews.append(ref.review_id)
        return False

    async def start_file(
        self, ref: FileRef, *, filename_summary: str, organization_name: str
    ) -> str:
        if self.away or ref.file_id == self.stuck:
            raise Unavailable("Temporal is away, or the run before has not closed yet")
        assert (filename_summary, organization_name) == ("activities.csv", "Harbour & Hill")
        self.started.append(ref.file_id)
        return str(ref.file_id)

    async def ready(self) -> bool:
        return not self.away


def age(engine: Engine, ref: FileRef, seconds: int) -> None:
    """Make an upload as old as it must be."""
    with Session(engine) as session:
        session.execute(
            text(
                "UPDATE files SET created_at = now() - make_interval(secs => :seconds)"
                " WHERE id = :file_id"
            ),
            {"seconds": seconds, **ref.model_dump()},
        )
        session.commit()


def change(engine: Engine, ref: FileRef, assignment: str) -> None:
    with Session(engine) as session:
        session.execute(
            text(f"UPDATE files SET {assignment} WHERE id = :file_id"), ref.model_dump()
        )
        session.commit()


async def test_only_old_uploads_that_nobody_started_are_started(
    uploader: Uploader, platform_engine: Engine
) -> None:
    old, fresh, running, deleted = (uploader.upload(b"a,b\n1,%d\n" % n) for n in range(4))
    for ref in (old, running, deleted):
        age(platform_engine, ref, 60)
    change(platform_engine, running, "processing_started_at = now(), status = 'parsing'")
    change(platform_engine, deleted, "deleted_at = now()")
    pipeline = RecordingPipeline()
    sweep = SweepOrphans(platform_engine, pipeline)
    result = await ActivityEnvironment().run(sweep.start_orphans, SweepInput())
    assert pipeline.started == [old.file_id]
    assert result.started == 1
    assert fresh.file_id not in pipeline.started


async def test_a_sweep_while_temporal_is_away_is_an_error_to_be_retried(
    uploader: Uploader, platform_engine: Engine
) -> None:
    age(platform_engine, uploader.upload(b"a,b\n1,2\n"), 60)
    sweep = SweepOrphans(platform_engine, RecordingPipeline(away=True))
    with pytest.raises(Unavailable):
        await ActivityEnvironment().run(sweep.start_orphans, SweepInput())


async def test_one_that_cannot_be_started_holds_up_nobody(
    uploader: Uploader, platform_engine: Engine
) -> None:
    stuck, next_ = (uploader.upload(b"a,b\n1,%d\n" % n) for n in range(2))
    age(platform_engine, stuck, 120)
    age(platform_engine, next_, 60)
    pipeline = RecordingPipeline()
    pipeline.stuck = stuck.file_id
    sweep = SweepOrphans(platform_engine, pipeline)
    result = await ActivityEnvironment().run(sweep.start_orphans, SweepInput())
    assert (pipeline.started, result.started) == ([next_.file_id], 1)


async def test_resolutions_that_nobody_carried_out_are_started(
    uploader: Uploader, platform_engine: Engine
) -> None:
    ref = uploader.upload(b"a,b\n1,2\n")
    change(platform_engine, ref, "processing_started_at = now(), status = 'completed'")
    made = {name: uuid7() for name in ("waiting", "open", "applied", "fresh", "hopeless")}
    with Session(platform_engine) as session:
        for name, review_id in made.items():
            session.execute(
                text(
                    "WITH d AS (INSERT INTO decisions (organization_id, file_id, activity_key,"
                    " activity, row_count, volume_total, outcome, method, confidence)"
                    " VALUES (:organization_id, :file_id, :name, '{}', 1, 1, 'held', 'offline', 0)"
                    " RETURNING id)"
                    " INSERT INTO reviews (organization_id, id, file_id, decision_id, reason_code,"
                    " reason, row_count, status, resolved_at, applied_at)"
                    " SELECT :organization_id, :id, :file_id, d.id, 'c', 'r', 1, :status,"
                    " now() - make_interval(secs => :age),"
                    " CASE WHEN :name = 'applied' THEN now() END FROM d"
                ),
                {
                    **ref.model_dump(), "id": review_id, "name": name,
                    "status": "open" if name == "open" else "accepted",
                    "age": {"fresh": 0, "hopeless": 31 * 86_400}.get(name, 60),
                },
            )  # fmt: skip
        session.commit()
    pipeline = RecordingPipeline()
    sweep = SweepOrphans(platform_engine, pipeline)
    result = await ActivityEnvironment().run(sweep.start_orphans, SweepInput())
    assert pipeline.reviews == [made["waiting"]]
    assert result.reviews == 1
