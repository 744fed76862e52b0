"""The sweep: what was uploaded and never started is started, once."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session
from temporalio.testing import ActivityEnvironment

from activities.sweep import SweepOrphans
from core.contracts import FileRef, SweepInput
from core.errors import Unavailable
from tests.factories import Uploader

pytestmark = pytest.mark.anyio


class RecordingPipeline:
    """Notes what is started; may be away."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.started: list[UUID] = []

    async def start_file(
        self, ref: FileRef, *, filename_summary: str, organization_name: str
    ) -> str:
        if self.away:
            raise Unavailable("Temporal is away")
        assert (filename_summary, organization_name) == ("activities.csv", "Harbour & Hill")
        self.started.append(ref.file_id)
        return str(ref.file_id)


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
