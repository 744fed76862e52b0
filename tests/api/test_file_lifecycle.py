"""Deleting, cancelling and retrying uploads, and deleting figures."""

from __future__ import annotations

import datetime as dt
import io
import threading
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import Session

from api import lifecycle as lifecycle_module
from core.contracts import FileProgress, FileRef, FileStatus, Stage, StageProgress, StageState
from core.keys import trash_key, upload_key
from core.permissions import Role
from db.models import Recalculation, RecalculationFile, RecalculationRow
from tests.api.conftest import Tenant, World, problem

DIESEL = b"activity,quantity,unit\nDiesel,10,litre\n"


def one(world: World, query: str, **values: Any) -> Any:
    with Session(world.engine) as session:
        return session.execute(text(query), values).one()


def change(world: World, query: str, **values: Any) -> None:
    with Session(world.engine) as session:
        session.execute(text(query), values)
        session.commit()


def stages(failed: Stage | None, state: StageState = StageState.FAILED) -> dict[str, Any]:
    """Return the stored progress of a file that ended in this stage."""
    order = list(Stage)
    reached = order.index(failed) if failed else -1
    found = tuple(
        StageProgress(
            name=name,
            state=StageState.COMPLETED if i < reached else state if i == reached
            else StageState.PENDING,
        )
        for i, name in enumerate(order)
    )  # fmt: skip
    return FileProgress(status=FileStatus.FAILED, stage=failed, stages=found).model_dump(
        mode="json"
    )


@pytest.fixture
def filled(world: World, alpha: Tenant) -> UUID:
    """A completed file: two figures, one open review, one rejected row."""
    file_id = world.file(
        alpha.id, alpha.email, rows_total=4, rows_calculated=2, rows_in_review=1, rows_rejected=1
    )
    world.emission(alpha.id, file_id, 2, calculated_emission=3.0)
    world.emission(alpha.id, file_id, 3, calculated_emission=4.0)
    decision = world.decision(alpha.id, file_id, "k")
    world.review(alpha.id, file_id, decision)
    world.issue(alpha.id, file_id, 5)
    return file_id


def test_a_deleted_file_is_nowhere_at_once_and_says_what_went_with_it(
    client, world, alpha, filled, pipeline
) -> None:
    answer = client.delete(f"/v1/files/{filled}", headers=alpha.headers)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["deleted"], body["file_id"]) == (True, str(filled))
    assert body["cascaded"] == {"emissions": 2, "reviews": 1}
    wait = dt.datetime.fromisoformat(body["purge_after"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(days=29, hours=23) < wait <= dt.timedelta(days=30)
    get = client.get
    assert get("/v1/files", headers=alpha.headers).json()["files"] == []
    emissions = get("/v1/emissions?include=total", headers=alpha.headers).json()
    assert (emissions["results"], emissions["summary"]["count"]) == ([], 0)
    assert get("/v1/emissions/reviews", headers=alpha.headers).json()["reviews"] == []
    for route in ("", "/status", "/issues", "/events"):
        problem(get(f"/v1/files/{filled}{route}", headers=alpha.headers), 404, "not_found")
    problem(client.delete(f"/v1/files/{filled}", headers=alpha.headers), 404, "not_found")
    assert pipeline.stopped_files == []  # it had ended


def test_a_deletion_is_audited_and_marks_the_rows_in_the_same_transaction(
    client, world, alpha, filled
) -> None:
    client.delete(f"/v1/files/{filled}", headers=alpha.headers)
    event = one(
        world,
        "SELECT before, after, actor_user_id, request_id FROM audit_events"
        " WHERE object_id = :id AND action = 'file.deleted'",
        id=filled,
    )
    assert event.before == {"filename": "travel.csv", "status": "completed"}
    assert event.after["cascaded"] == {"emissions": 2, "reviews": 1}
    assert event.actor_user_id == world.user_id(alpha.email)
    assert event.request_id
    left = one(
        world,
        "SELECT (SELECT count(*) FROM emissions WHERE file_id = :id AND deleted_at IS NULL) AS e,"
        " (SELECT count(*) FROM reviews WHERE file_id = :id AND deleted_at IS NULL) AS r,"
        " (SELECT deletion_pending FROM files WHERE id = :id) AS pending",
        id=filled,
    )
    assert (left.e, left.r, left.pending) == (0, 0, True)


def test_a_large_file_is_hidden_by_its_flag_before_its_rows_are_marked(
    client, world, alpha, filled, monkeypatch
) -> None:
    monkeypatch.setattr(lifecycle_module, "ROWS_AT_ONCE", 1)
    body = client.delete(f"/v1/files/{filled}", headers=alpha.headers).json()
    assert body["cascaded"]["emissions"] == 2
    found = one(
        world,
        "SELECT count(*) AS n, count(deleted_at) AS marked FROM emissions WHERE file_id = :id",
        id=filled,
    )
    assert (found.n, found.marked) == (2, 0)
    emissions = client.get("/v1/emissions", headers=alpha.headers).json()
    assert (emissions["results"], emissions["summary"]["count"]) == ([], 0)
    assert client.get("/v1/emissions/reviews", headers=alpha.headers).json()["reviews"] == []


def test_the_same_bytes_may_be_uploaded_again_after_a_deletion(
    client, world, alpha, storage
) -> None:
    def upload() -> Any:
        return client.post(
            "/v1/files", headers=alpha.headers, files={"file": ("a.csv", DIESEL, "text/csv")}
        )

    first = upload().json()["file_id"]
    problem(upload(), 409, "duplicate_file")
    assert client.delete(f"/v1/files/{first}", headers=alpha.headers).status_code == 200
    again = upload()
    assert again.status_code == 202
    assert again.json()["duplicate_of"] is None
    # the bytes wait for the purge where no link leads
    assert not storage.exists(upload_key(alpha.id, UUID(first)))
    assert storage.exists(trash_key(alpha.id, UUID(first)))


def test_a_link_that_was_signed_before_the_deletion_leads_nowhere(
    client, world, alpha, storage
) -> None:
    file_id = world.file(alpha.id, alpha.email, scan_state="clean")
    stored = storage.put(upload_key(alpha.id, file_id), io.BytesIO(DIESEL))
    change(
        world, "UPDATE files SET object_storage_path = :url WHERE id = :id",
        url=stored.url, id=file_id,
    )  # fmt: skip
    detail = client.get(f"/v1/files/{file_id}", headers=alpha.headers).json()
    link = detail["download_url"].removeprefix("http://testserver")
    assert client.get(link).content == DIESEL
    client.delete(f"/v1/files/{file_id}", headers=alpha.headers)
    problem(client.get(link), 404, "not_found")


def test_deleting_a_file_in_work_cancels_it_and_an_absent_temporal_does_no_harm(
    client, world, alpha, pipeline
) -> None:
    running = world.file(alpha.id, alpha.email, status="ai_matching")
    assert client.delete(f"/v1/files/{running}", headers=alpha.headers).status_code == 200
    assert pipeline.stopped_files == [FileRef(organization_id=alpha.id, file_id=running)]
    pipeline.away = True
    other = world.file(alpha.id, alpha.email, status="parsing")
    assert client.delete(f"/v1/files/{other}", headers=alpha.headers).status_code == 200
    assert client.get("/v1/files", headers=alpha.headers).json()["files"] == []


@pytest.mark.parametrize(
    ("role", "own", "status"),
    [
        (Role.VIEWER, True, 403),
        (Role.USER, True, 200),
        (Role.USER, False, 403),
        (Role.MANAGER, False, 200),
    ],
)
def test_users_delete_their_own_and_managers_any(
    client, world, alpha, filled, role: Role, own: bool, status: int
) -> None:
    headers = world.person("eve@alpha.example", (alpha.id, role))
    if own:
        change(
            world, "UPDATE files SET user_id = :user WHERE id = :id",
            user=world.user_id("eve@alpha.example"), id=filled,
        )  # fmt: skip
    emission = one(world, "SELECT min(id::text) AS id FROM emissions WHERE file_id = :id",
                   id=filled).id  # fmt: skip
    for path in (f"/v1/emissions/{emission}", f"/v1/files/{filled}"):
        assert client.delete(path, headers=headers).status_code == status, path


def test_a_member_of_other_projects_finds_nothing_to_delete_cancel_or_retry(
    client, world, alpha, filled
) -> None:
    project = world.project(alpha.id, "Elsewhere")
    headers = world.person(
        "eve@alpha.example", (alpha.id, Role.MANAGER), permissions={"projects": [str(project)]}
    )
    emission = one(world, "SELECT min(id::text) AS id FROM emissions WHERE file_id = :id",
                   id=filled).id  # fmt: skip
    problem(client.delete(f"/v1/files/{filled}", headers=headers), 404, "not_found")
    problem(client.delete(f"/v1/emissions/{emission}", headers=headers), 404, "not_found")
    for verb in ("cancel", "retry"):
        problem(client.post(f"/v1/files/{filled}/{verb}", headers=headers), 404, "not_found")


def test_a_stale_if_match_deletes_nothing(client, world, alpha, filled) -> None:
    emission = one(world, "SELECT min(id::text) AS id FROM emissions WHERE file_id = :id",
                   id=filled).id  # fmt: skip
    for path in (f"/v1/emissions/{emission}", f"/v1/files/{filled}"):
        stale = alpha.headers | {"If-Match": '"1"'}
        problem(client.delete(path, headers=stale), 412, "precondition_failed")
        tag = client.get(path, headers=alpha.headers).headers["etag"]
        answer = client.delete(path, headers=alpha.headers | {"If-Match": tag})
        assert answer.status_code == 200, answer.text


def test_a_deleted_figure_leaves_lists_and_sums_and_rows_in_stay_rows_out(
    client, world, alpha, filled
) -> None:
    emission = one(world, "SELECT id FROM emissions WHERE file_id = :id AND row_number = 3",
                   id=filled).id  # fmt: skip
    answer = client.delete(f"/v1/emissions/{emission}", headers=alpha.headers)
    assert answer.json() == {"deleted": True, "emission_id": str(emission)}
    problem(client.get(f"/v1/emissions/{emission}", headers=alpha.headers), 404, "not_found")
    problem(client.delete(f"/v1/emissions/{emission}", headers=alpha.headers), 404, "not_found")
    listed = client.get("/v1/emissions", headers=alpha.headers).json()
    assert (listed["summary"]["count"], listed["summary"]["total_kg_co2e"]) == (1, 3.0)
    detail = client.get(f"/v1/files/{filled}", headers=alpha.headers).json()
    assert detail["rows"] == {
        "total": 4,
        "calculated": 1,
        "in_review": 1,
        "rejected": 2,
        "no_activity": 0,
    }
    issues = client.get(
        f"/v1/files/{filled}/issues?code=figure_deleted", headers=alpha.headers
    ).json()["issues"]
    assert [(i["row"], i["severity"]) for i in issues] == [(3, "rejected")]
    event = one(
        world, "SELECT before FROM audit_events WHERE object_id = :id"
        " AND action = 'emission.deleted'", id=emission,
    )  # fmt: skip
    assert event.before == {"file_id": str(filled), "kg_co2e": 4.0}


def test_a_recalculation_shows_nothing_of_what_was_deleted(client, world, alpha, filled) -> None:
    emission = one(world, "SELECT id, updated_at FROM emissions WHERE file_id = :id"
                   " AND row_number = 3", id=filled)  # fmt: skip
    recalculation = world.add(
        Recalculation, organization_id=alpha.id, user_id=world.user_id(alpha.email),
        releases=["desnz-2025"], releases_before=["desnz-2024"], filter={}, status="previewed",
    )  # fmt: skip
    decision = one(world, "SELECT id FROM decisions WHERE file_id = :id", id=filled).id
    with Session(world.engine) as session:
        session.add(RecalculationFile(
            organization_id=alpha.id, recalculation_id=recalculation, file_id=filled))  # fmt: skip
        session.flush()
        session.execute(
            RecalculationRow.__table__.insert().values(  # type: ignore[attr-defined]
                organization_id=alpha.id, recalculation_id=recalculation, file_id=filled,
                emission_id=emission.id, decision_id=decision, old_updated_at=emission.updated_at,
                old_kg=4.0, new_kg=5.0, old_biogenic=False, new_biogenic=False, changed=True,
                reason_code="newer_release",
            )
        )  # fmt: skip
        session.commit()
    path = f"/v1/emissions/recalculations/{recalculation}/rows"
    [row] = client.get(path, headers=alpha.headers).json()["rows"]
    assert "travel.csv" in str(row)
    client.delete(f"/v1/files/{filled}", headers=alpha.headers)
    left = client.get(f"{path}?include=total", headers=alpha.headers).json()
    assert (left["rows"], left["pagination"]["total"]) == ([], 0)


def test_a_deletion_that_waits_too_long_for_a_writer_is_503_busy_and_changes_nothing(
    client, world, alpha, filled
) -> None:
    path = f"/v1/files/{filled}"
    with Session(world.engine) as writer:
        writer.execute(text("SELECT 1 FROM files WHERE id = :id FOR NO KEY UPDATE"), {"id": filled})
        answer = client.delete(path, headers=alpha.headers)  # the role waits for 3 s
        problem(answer, 503, "busy")
        assert int(answer.headers["retry-after"]) > 0
        writer.rollback()
    assert client.get(path, headers=alpha.headers).json()["rows"]["calculated"] == 2
    assert client.delete(path, headers=alpha.headers).status_code == 200


def test_a_deletion_waits_for_a_writer(client, world, alpha, filled) -> None:
    with Session(world.engine) as writer:  # a recalculation being committed, say
        writer.execute(text("SELECT 1 FROM files WHERE id = :id FOR NO KEY UPDATE"), {"id": filled})
        answers: list[Any] = []
        path = f"/v1/files/{filled}"
        thread = threading.Thread(
            target=lambda: answers.append(client.delete(path, headers=alpha.headers))
        )
        # lock_timeout of a role is not copied with the template of the test databases
        writer.execute(text("SET LOCAL lock_timeout = '10s'"))
        thread.start()
        thread.join(timeout=1.0)
        assert answers == []
        assert client.get(path, headers=alpha.headers).status_code == 200
        writer.rollback()
        thread.join(timeout=20)
    assert answers[0].status_code == 200


def test_cancelling_is_remembered_told_once_and_audited(client, world, alpha, pipeline) -> None:
    running = world.file(alpha.id, alpha.email, status="calculating")
    path = f"/v1/files/{running}/cancel"
    first = client.post(path, headers=alpha.headers)
    assert first.status_code == 202, first.text
    assert first.json()["status"] == "calculating"
    again = client.post(path, headers=alpha.headers)
    assert again.json()["cancel_requested_at"] == first.json()["cancel_requested_at"]
    assert pipeline.stopped_files[0] == FileRef(organization_id=alpha.id, file_id=running)
    count = one(
        world, "SELECT count(*) AS n FROM audit_events WHERE object_id = :id"
        " AND action = 'file.cancel_requested'", id=running,
    )  # fmt: skip
    assert count.n == 1


def test_a_cancellation_while_temporal_is_away_is_taken_and_kept(
    client, world, alpha, pipeline
) -> None:
    running = world.file(alpha.id, alpha.email, status="parsing")
    pipeline.away = True
    answer = client.post(f"/v1/files/{running}/cancel", headers=alpha.headers)
    assert (answer.status_code, answer.json()["status"]) == (202, "parsing")
    found = one(world, "SELECT cancel_requested_at FROM files WHERE id = :id", id=running)
    assert found.cancel_requested_at is not None


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_what_has_ended_cannot_be_cancelled(client, world, alpha, status) -> None:
    file_id = world.file(alpha.id, alpha.email, status=status)
    answer = client.post(f"/v1/files/{file_id}/cancel", headers=alpha.headers)
    problem(answer, 409, "file_not_running")


def test_a_retry_goes_on_where_the_file_failed_and_a_second_click_is_the_same_run(
    client, world, alpha, pipeline
) -> None:
    failed = world.file(
        alpha.id, alpha.email, status="failed", error_code="dependency_unavailable",
        error_message="away", progress=stages(Stage.MATCH),
        processing_started_at=dt.datetime.now(dt.UTC), cancel_requested_at=dt.datetime.now(dt.UTC),
    )  # fmt: skip
    path = f"/v1/files/{failed}/retry"
    answers = [client.post(path, headers=alpha.headers) for _ in range(2)]
    assert [a.status_code for a in answers] == [202, 202], answers[0].text
    assert answers[0].json() == answers[1].json()
    assert answers[0].json() == {
        "file_id": str(failed), "status": "uploaded", "processing_job_id": f"file/{failed}",
        "run": 2, "resumes_at": "match",
    }  # fmt: skip
    assert pipeline.started == [FileRef(organization_id=alpha.id, file_id=failed, run=2)]
    status = client.get(f"/v1/files/{failed}/status", headers=alpha.headers).json()
    assert (status["status"], status["errors"]) == ("uploaded", [])
    states = {s["name"]: s["state"] for s in status["stages"]}
    assert (states["validate"], states["match"]) == ("completed", "pending")
    detail = client.get(f"/v1/files/{failed}", headers=alpha.headers).json()
    assert (detail["error_code"], detail["processing_started_at"]) == (None, None)
    assert [h["kind"] for h in detail["history"]] == ["retried"]
    assert [e["action"] for e in detail["audit"]] == ["file.retried"]


def test_a_file_that_failed_after_matching_is_calculated_anew(client, world, alpha) -> None:
    failed = world.file(alpha.id, alpha.email, status="failed", progress=stages(Stage.FINISH))
    answer = client.post(f"/v1/files/{failed}/retry", headers=alpha.headers).json()
    assert answer["resumes_at"] == "calculate"


def test_a_retry_while_temporal_is_away_is_taken_and_waits_for_the_sweep(
    client, world, alpha, pipeline
) -> None:
    pipeline.away = True
    failed = world.file(alpha.id, alpha.email, status="failed", progress=stages(None))
    answer = client.post(f"/v1/files/{failed}/retry", headers=alpha.headers)
    assert (answer.status_code, answer.json()["status"]) == (202, "uploaded")
    assert pipeline.started == []
    found = one(world, "SELECT processing_runs, retried_at FROM files WHERE id = :id", id=failed)
    assert found.processing_runs == 2
    assert found.retried_at is not None


@pytest.mark.parametrize("status", ["uploaded", "parsing", "completed"])
def test_only_a_failed_file_is_retried(client, world, alpha, status, pipeline) -> None:
    file_id = world.file(alpha.id, alpha.email, status=status)
    answer = client.post(f"/v1/files/{file_id}/retry", headers=alpha.headers)
    problem(answer, 409, "file_not_failed")
    assert pipeline.started == []


def test_a_quarantined_file_is_never_retried(client, world, alpha, pipeline) -> None:
    file_id = world.file(alpha.id, alpha.email, status="failed", scan_state="infected")
    answer = client.post(f"/v1/files/{file_id}/retry", headers=alpha.headers)
    assert "quarantine" in problem(answer, 409, "file_quarantined")["detail"]
    assert pipeline.started == []


def test_after_a_retry_the_closed_run_before_is_not_believed(
    client, world, alpha, pipeline
) -> None:
    failed = world.file(alpha.id, alpha.email, status="failed", progress=stages(Stage.PARSE))
    client.post(f"/v1/files/{failed}/retry", headers=alpha.headers)
    pipeline.progress = [FileProgress(status=FileStatus.FAILED, stage=Stage.PARSE)]
    status = client.get(f"/v1/files/{failed}/status", headers=alpha.headers).json()
    assert (status["status"], status["source"]) == ("uploaded", "database")
    pipeline.progress = [FileProgress(status=FileStatus.PARSING, stage=Stage.PARSE, run=2)]
    status = client.get(f"/v1/files/{failed}/status", headers=alpha.headers).json()
    assert (status["status"], status["source"]) == ("parsing", "workflow")


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_viewers_neither_cancel_nor_retry_and_users_only_their_own(
    client, world, alpha, verb
) -> None:
    status = "parsing" if verb == "cancel" else "failed"
    file_id = world.file(alpha.id, alpha.email, status=status)
    for email, role in (("vi@alpha.example", Role.VIEWER), ("us@alpha.example", Role.USER)):
        headers = world.person(email, (alpha.id, role))
        answer = client.post(f"/v1/files/{file_id}/{verb}", headers=headers)
        problem(answer, 403, "permission_denied")
