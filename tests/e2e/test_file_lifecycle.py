"""Cancelling, retrying and deleting while the real stack works on a file."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from sqlalchemy import text

from runtime.settings import DatabaseRole
from tests.conftest import engine_for
from tests.e2e.conftest import Deployment

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

ACTIVITIES = 1500  # distinct, in batches of 20: matching takes a while


def many() -> bytes:
    lines = [f"Diesel tank {n},{n + 1},litres,GB,2025" for n in range(ACTIVITIES)]
    return "\n".join(["activity,quantity,unit,country,year", *lines, ""]).encode()


async def until(deployment: Deployment, file_id: str, reached: Any) -> Any:
    """Wait until the status of a file is as wanted; return it."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        status = await deployment.get(f"/v1/files/{file_id}/status")
        if reached(status):
            return status
        await asyncio.sleep(0.05)
    raise AssertionError(status)


def rows(deployment: Deployment, query: str, file_id: str) -> list[Any]:
    engine = engine_for(deployment.settings, DatabaseRole.ADMIN)
    with engine.connect() as connection:
        found = list(connection.execute(text(query), {"file_id": file_id}).all())
    engine.dispose()
    return found


def matching(status: Any) -> bool:
    return bool(status["progress"]["activities_matched"] > 0)


async def closed(deployment: Deployment, file_id: str) -> Any:
    """Wait until the file's workflow is closed; return its description."""
    handle = deployment.temporal.get_workflow_handle(f"file/{file_id}")
    async with asyncio.timeout(60):
        while (found := await handle.describe()).close_time is None:
            await asyncio.sleep(0.1)
    return found


async def test_a_file_is_cancelled_in_the_middle_and_a_retry_goes_on_from_there(
    deployment: Deployment,
) -> None:
    file_id = await deployment.upload(many(), "tanks.csv")
    await until(deployment, file_id, matching)
    answer = await deployment.api.post(f"/v1/files/{file_id}/cancel")
    assert answer.status_code == 202, answer.text
    detail = await deployment.finished(file_id)
    assert (detail["status"], detail["error_code"]) == ("failed", "cancelled")
    assert detail["rows"]["calculated"] == 0
    assert (await deployment.get("/v1/emissions", file_id=file_id))["summary"]["count"] == 0
    assert (await deployment.api.post(f"/v1/files/{file_id}/cancel")).status_code == 409
    first = await closed(deployment, file_id)
    kept = "SELECT id FROM decisions WHERE file_id = :file_id"
    before = {row.id for row in rows(deployment, kept, file_id)}
    assert 0 < len(before) < ACTIVITIES

    clicks = await asyncio.gather(
        *(deployment.api.post(f"/v1/files/{file_id}/retry") for _ in range(3))
    )
    assert [c.status_code for c in clicks] == [202, 202, 202], [c.text for c in clicks]
    assert {c.json()["run"] for c in clicks} == {2}
    await until(deployment, file_id, lambda s: s["status"] == "completed")
    detail = await deployment.finished(file_id)
    assert detail["rows"] == {
        "total": ACTIVITIES, "calculated": ACTIVITIES, "in_review": 0, "rejected": 0,
        "no_activity": 0,
    }  # fmt: skip
    assert detail["error_code"] is None
    assert before <= {row.id for row in rows(deployment, kept, file_id)}
    second = await closed(deployment, file_id)
    assert second.id == first.id
    assert second.run_id != first.run_id
    history = [(h["stage"], h["kind"], h["attempt"]) for h in detail["history"]]
    assert ("match", "retried", 2) in history
    assert ("match", "started", 1) in history
    assert ("match", "started", 2) in history
    assert ("parse", "started", 2) not in history
    assert (await deployment.api.post(f"/v1/files/{file_id}/retry")).status_code == 409


async def test_a_file_is_deleted_while_it_is_processed(deployment: Deployment) -> None:
    file_id = await deployment.upload(many(), "tanks-to-delete.csv")
    await until(deployment, file_id, matching)
    answer = await deployment.api.delete(f"/v1/files/{file_id}")
    assert answer.status_code == 200, answer.text
    assert (await deployment.api.get(f"/v1/files/{file_id}")).status_code == 404
    assert (await deployment.api.get(f"/v1/files/{file_id}/status")).status_code == 404
    await closed(deployment, file_id)
    listed = await deployment.all("/v1/files", "files")
    assert file_id not in {file["id"] for file in listed}
    reviews = await deployment.all("/v1/emissions/reviews", "reviews")
    assert file_id not in {review["file_id"] for review in reviews}
    assert rows(deployment, "SELECT 1 FROM emissions WHERE file_id = :file_id", file_id) == []
