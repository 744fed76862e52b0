"""The outbox: an event is there exactly when what it tells of is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.status import FileStatusKeeper
from core.contracts import (
    FailInput,
    FileProgress,
    FileRef,
    FileStatus,
    FinishInput,
    Problem,
    RowCounts,
    Stage,
)
from core.webhooks import MAX_PAYLOAD_BYTES, payload_of
from db.engine import tenant_session
from db.ids import uuid7
from db.queries import pipeline, webhook_events
from runtime.adapters.storage_local import LocalStorage
from tests.factories import Uploader
from tests.webhook_rows import Endpoints, RecordingStarter


@pytest.fixture
def endpoints(uploader: Uploader) -> Endpoints:
    return Endpoints(uploader.engine, uploader.organization_id, uploader.user_id)


@pytest.fixture
def starter() -> RecordingStarter:
    return RecordingStarter()


@pytest.fixture
def status(
    worker_engine: Engine, storage: LocalStorage, starter: RecordingStarter
) -> FileStatusKeeper:
    return FileStatusKeeper(worker_engine, storage, starter)


def finish(status: FileStatusKeeper, ref: FileRef) -> Any:
    with tenant_session(status.engine, ref.organization_id) as session:
        expected = pipeline.count_outcomes(session, ref.organization_id, ref.file_id)
    progress = FileProgress(status=FileStatus.COMPLETED)
    request = FinishInput(**ref.model_dump(), expected=expected, progress=progress)
    return ActivityEnvironment().run(status.finish_file, request)


def hold(uploader: Uploader, ref: FileRef, name: str) -> UUID:
    """Add an activity that waits for a person."""
    review_id = uuid7()
    with Session(uploader.engine) as session:
        session.execute(
            text(
                "WITH d AS (INSERT INTO decisions (organization_id, file_id, activity_key,"
                " activity, row_count, volume_total, outcome, method, confidence)"
                " VALUES (:organization_id, :file_id, :name, '{}', 1, 1, 'held', 'offline', 0)"
                " RETURNING id)"
                " INSERT INTO reviews (organization_id, id, file_id, decision_id, reason_code,"
                " reason, row_count) SELECT :organization_id, :id, :file_id, d.id, 'c', 'r', 1"
                " FROM d"
            ),
            {**ref.model_dump(), "id": review_id, "name": name},
        )
        session.commit()
    return review_id


def test_a_file_that_is_complete_is_told_once_with_ids_and_counts(
    uploader, endpoints, status, starter
) -> None:
    webhook_id = endpoints.add("file.completed")
    ref = uploader.upload(b"a,b\n1,2\n", "Secret supplier.csv")
    finish(status, ref)
    finish(status, ref)  # an attempt whose answer was lost
    [payload] = endpoints.payloads()
    assert payload["type"] == "file.completed"
    assert payload["timestamp"].endswith("Z")
    assert payload["data"] == {
        "organization_id": str(ref.organization_id), "file_id": str(ref.file_id),
        "project_id": None, "status": "completed",
        "rows": {"total": 0, "calculated": 0, "in_review": 0, "rejected": 0},
    }  # fmt: skip
    assert [started.webhook_id for started in starter.started] == [webhook_id]


def test_what_waits_for_people_is_one_event_a_file_however_many_reviews(
    uploader, endpoints, status, starter
) -> None:
    endpoints.add()
    ref = uploader.upload(b"a,b\n1,2\n")
    for name in ("one", "two", "three"):
        hold(uploader, ref, name)
    finish(status, ref)
    completed, review = endpoints.payloads()
    assert (completed["type"], review["type"]) == ("file.completed", "review.needed")
    assert review["data"]["reviews"] == 3
    assert review["data"]["rows"] == {"in_review": completed["data"]["rows"]["in_review"]}
    assert len(starter.started) == 2


def test_a_file_that_failed_is_told_by_its_code_alone(uploader, endpoints, status) -> None:
    endpoints.add("file.failed")
    ref = uploader.upload(b"a,b\n1,2\n")
    problem = Problem(code="file_rejected", message="sheet Payroll is odd", stage=Stage.PARSE)
    progress = FileProgress(status=FileStatus.FAILED)
    request = FailInput(**ref.model_dump(), progress=progress, problem=problem)
    ActivityEnvironment().run(status.fail_file, request)
    [payload] = endpoints.payloads()
    assert payload["data"]["error"] == {"code": "file_rejected", "stage": "parse"}
    assert "Payroll" not in str(payload)


def test_a_file_that_does_not_add_up_tells_nothing(uploader, endpoints, status, starter) -> None:
    endpoints.add()
    ref = uploader.upload(b"a,b\n1,2\n")
    wrong = FinishInput(
        **ref.model_dump(), expected=RowCounts(total=1, calculated=1), progress=FileProgress()
    )
    with pytest.raises(ApplicationError):
        ActivityEnvironment().run(status.finish_file, wrong)
    assert (endpoints.payloads(), starter.started) == ([], [])


def test_an_event_whose_transaction_is_rolled_back_never_was(
    worker_engine, uploader, endpoints
) -> None:
    endpoints.add()
    organization_id = uploader.organization_id
    with tenant_session(worker_engine, organization_id) as session:
        assert webhook_events.emit(session, organization_id, "file.completed", {})
        session.rollback()
    assert endpoints.payloads() == []


def test_only_endpoints_that_asked_are_told(uploader, endpoints, status, starter) -> None:
    endpoints.add("report.completed")
    endpoints.add("file.completed", enabled=False, disabled_by="person")
    endpoints.add("file.completed", deleted_at="now()")
    finish(status, uploader.upload(b"a,b\n1,2\n"))
    assert (endpoints.payloads(), starter.started) == ([], [])
    asked = {endpoints.add("file.completed"), endpoints.add("file.completed", "file.failed")}
    finish(status, uploader.upload(b"a,b\n3,4\n"))
    assert {started.webhook_id for started in starter.started} == asked
    assert len(endpoints.payloads()) == 1  # one event, two deliveries


def test_a_neighbours_endpoint_hears_nothing(
    platform_engine, storage, uploader, status, starter
) -> None:
    other = Uploader.make(platform_engine, storage, "Dock & Sons")
    theirs = Endpoints(platform_engine, other.organization_id, other.user_id)
    theirs.add()
    finish(status, uploader.upload(b"a,b\n1,2\n"))
    assert (theirs.payloads(), starter.started) == ([], [])


def test_a_payload_that_would_be_too_large_is_a_defect() -> None:
    import datetime as dt

    with pytest.raises(ValueError):
        payload_of("x", dt.datetime.now(dt.UTC), {"a": "b" * MAX_PAYLOAD_BYTES})
