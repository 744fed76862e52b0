"""Uploads as they are listed, shown and watched."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from api.services import MAX_STREAMS_OF_ORGANIZATION, MAX_STREAMS_OF_PERSON
from core.contracts import Counts, FileProgress, FileStatus, Stage, StageProgress, StageState
from core.permissions import Role
from core.ports import PendingAttempt
from db.ids import uuid7
from db.models import AuditEvent, FileEvent

CSV = b"Activity,Quantity,Unit\nDiesel,1200,litres\n"


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return dict(answer.json())


def names(client, who, **query) -> list[str]:
    answer = client.get("/v1/files", headers=who.headers, params=query)
    assert answer.status_code == 200, answer.text
    return [file["filename"] for file in answer.json()["files"]]


@pytest.fixture
def three(world, alpha) -> list[Any]:
    """Three uploads, a day and a kilobyte apart."""
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return [
        world.file(
            alpha.id,
            alpha.email,
            filename=name,
            file_type=kind,
            status=status,
            file_size=1000 * (3 - day),
            created_at=start + dt.timedelta(days=day),
        )
        for day, (name, kind, status) in enumerate(
            [
                ("b.csv", "csv", "failed"),
                ("a.xlsx", "xlsx", "completed"),
                ("c.csv", "csv", "parsing"),
            ]
        )
    ]


def test_files_are_listed_newest_first_and_sort_as_asked(client, alpha, three) -> None:
    assert names(client, alpha) == ["c.csv", "a.xlsx", "b.csv"]
    assert names(client, alpha, sort="created_at") == ["b.csv", "a.xlsx", "c.csv"]
    assert names(client, alpha, sort="filename") == ["a.xlsx", "b.csv", "c.csv"]
    assert names(client, alpha, sort="-size") == ["b.csv", "a.xlsx", "c.csv"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "failed"}, ["b.csv"]),
        ({"file_type": "csv"}, ["c.csv", "b.csv"]),
        ({"uploaded_from": "2026-01-02T00:00:00Z"}, ["c.csv", "a.xlsx"]),
        ({"uploaded_to": "2026-01-02T00:00:00Z"}, ["b.csv"]),
        ({"uploaded_to": "2026-01-02T00:00:00"}, ["b.csv"]),
        ({"q": "A.X"}, ["a.xlsx"]),
        ({"q": "%"}, []),
        ({"project_id": str(uuid4())}, []),
    ],
)
def test_files_are_filtered(client, alpha, three, query, expected) -> None:
    assert names(client, alpha, **query) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 201},
        {"limit": "x"},
        {"sort": "sha256"},
        {"status": "done"},
        {"q": "a\0b"},
        {"include": "everything"},
        {"uploaded_from": "yesterday"},
        {"cursor": "x" * 3000},
    ],
)
def test_a_wrong_parameter_is_422_and_named(client, alpha, query) -> None:
    body = problem(
        client.get("/v1/files", headers=alpha.headers, params=query), 422, "validation_failed"
    )
    assert body["errors"][0]["pointer"] == f"query/{next(iter(query))}"


def test_pages_meet_every_file_once_while_others_arrive(client, world, alpha, three) -> None:
    first = client.get("/v1/files?limit=2&include=total", headers=alpha.headers)
    body = first.json()
    assert body["pagination"]["total"] == 3
    assert body["pagination"]["has_more"] is True
    assert first.headers["link"].endswith('>; rel="next"')
    world.file(alpha.id, alpha.email, filename="new.csv")
    link = first.headers["link"].split(">")[0].removeprefix("<")
    second = client.get(link, headers=alpha.headers).json()
    seen = [file["filename"] for file in body["files"] + second["files"]]
    assert seen == ["c.csv", "a.xlsx", "b.csv"]
    assert second["pagination"] == {
        "limit": 2, "next_cursor": None, "has_more": False, "total": 4,
    }  # fmt: skip


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "filename", "-filename", "size"])
def test_paging_one_by_one_meets_every_file_in_every_order(client, world, alpha, sort) -> None:
    # equal values everywhere: only the id tells them apart
    same = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = {str(world.file(alpha.id, alpha.email, created_at=same)) for _ in range(5)}
    seen, query = [], {"limit": 2, "sort": sort}
    while True:
        body = client.get("/v1/files", headers=alpha.headers, params=query).json()
        seen += [file["id"] for file in body["files"]]
        if not body["pagination"]["has_more"]:
            break
        query["cursor"] = body["pagination"]["next_cursor"]
    assert len(seen) == 5
    assert set(seen) == made


def test_a_cursor_opens_only_the_list_it_was_made_for(client, world, alpha, three) -> None:
    beta = world.organization("Beta")
    ada = world.person("both@alpha.example", (alpha.id, Role.USER), (beta, Role.USER))
    home = ada | {"X-Organization-Id": str(alpha.id)}
    away = ada | {"X-Organization-Id": str(beta)}

    def get(headers, **query):
        return client.get("/v1/files", headers=headers, params={"limit": 1} | query)

    cursor = get(home).json()["pagination"]["next_cursor"]
    assert get(home, cursor=cursor).status_code == 200
    assert get(home, cursor=cursor, limit=2).status_code == 200
    problem(get(away, cursor=cursor), 422, "cursor_invalid")
    problem(get(home, cursor=cursor, status="failed"), 422, "cursor_invalid")
    problem(get(home, cursor=cursor, sort="filename"), 422, "cursor_invalid")
    problem(get(home, cursor=cursor, sort="created_at"), 422, "cursor_invalid")
    other = "B" if cursor[0] == "A" else "A"
    for forged in (cursor[:-1], other + cursor[1:], cursor + "A", "", "äöü", "AAAA", "=" * 9):
        problem(get(home, cursor=forged), 422, "cursor_invalid")


def test_a_file_shows_counts_totals_history_audit_and_download(
    client, world, alpha, storage
) -> None:
    file_id = client.post(
        "/v1/files", headers=alpha.headers, files={"file": ("réseau.csv", CSV)}
    ).json()["file_id"]
    with world.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE files SET rows_total = 4, rows_calculated = 3, rows_rejected = 1, "
                "status = 'completed', scan_state = 'unscanned'"
            )
        )
    world.emission(alpha.id, file_id, 2, scope=1, calculated_emission=10.0)
    world.emission(alpha.id, file_id, 3, scope=3, calculated_emission=2.5)
    world.emission(alpha.id, file_id, 4, scope=1, biogenic=True, calculated_emission=7.0)
    world.add(
        FileEvent,
        organization_id=alpha.id,
        file_id=file_id,
        stage="scan",
        kind="completed",
        message="Accepted.",
    )
    answer = client.get(f"/v1/files/{file_id}", headers=alpha.headers)
    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"].startswith('"')
    assert body["rows"] == {
        "total": 4,
        "calculated": 3,
        "in_review": 0,
        "rejected": 1,
        "no_activity": 0,
    }
    assert body["totals_by_scope"] == [
        {"scope": 1, "count": 1, "kg_co2e": 10.0, "biogenic_kg_co2": 0.0},
        {"scope": 3, "count": 1, "kg_co2e": 2.5, "biogenic_kg_co2": 0.0},
        {"scope": None, "count": 1, "kg_co2e": 0.0, "biogenic_kg_co2": 7.0},
    ]
    assert [entry["message"] for entry in body["history"]] == ["Accepted."]
    assert [entry["action"] for entry in body["audit"]] == ["file.uploaded"]
    download = client.get(body["download_url"])
    assert download.content == CSV
    assert download.headers["content-disposition"].startswith("attachment;")
    assert "filename*=UTF-8''r%C3%A9seau.csv" in download.headers["content-disposition"]
    assert download.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("state", ["pending", "infected", "quarantined"])
def test_what_was_not_found_harmless_is_not_handed_out(client, world, alpha, state) -> None:
    file_id = world.file(alpha.id, alpha.email, scan_state=state)
    body = client.get(f"/v1/files/{file_id}", headers=alpha.headers).json()
    assert body["download_url"] is None


def test_a_forged_or_outlived_download_link_is_404(client, world, storage) -> None:
    url = storage.signed_url("k", filename="a", content_type="text/csv", expires_s=60)
    problem(client.get(url), 404, "not_found")  # rightly signed, but there is no such object
    problem(client.get("/v1/downloads?token=forged"), 404, "not_found")
    problem(client.get("/v1/downloads"), 422, "validation_failed")


def running(percent: float, stage: Stage = Stage.MATCH) -> FileProgress:
    return FileProgress(
        status=FileStatus.AI_MATCHING,
        stage=stage,
        stages=(StageProgress(name=stage, state=StageState.RUNNING, attempts=1),),
        progress=Counts(rows_total=10, percent=percent),
    )


def test_the_status_comes_from_the_workflow_while_it_runs(client, world, alpha, pipeline) -> None:
    file_id = world.file(alpha.id, alpha.email, status="ai_matching")
    pipeline.progress = [running(40)]
    when = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    pipeline.retrying = [PendingAttempt(Stage.MATCH, 3, "unavailable", when)]
    body = client.get(f"/v1/files/{file_id}/status", headers=alpha.headers).json()
    assert (body["status"], body["stage"], body["source"]) == ("ai_matching", "match", "workflow")
    assert body["progress"]["percent"] == 40
    assert body["stages"][0]["attempts"] == 3
    assert body["retries"] == 2
    assert body["retrying"] == [
        {
            "stage": "match",
            "attempt": 3,
            "last_error": "unavailable",
            "next_try_at": "2026-01-01T00:00:00Z",
        }
    ]


def test_the_status_comes_from_the_row_while_temporal_is_away(
    client, world, alpha, pipeline
) -> None:
    mirrored = running(20, Stage.PARSE).model_dump(mode="json")
    file_id = world.file(alpha.id, alpha.email, status="parsing", progress=mirrored)
    pipeline.away = True
    body = client.get(f"/v1/files/{file_id}/status", headers=alpha.headers).json()
    assert (body["status"], body["stage"], body["source"]) == ("parsing", "parse", "database")
    assert body["progress"]["percent"] == 20


def test_the_status_of_an_ended_file_asks_nobody(client, world, alpha, pipeline) -> None:
    pipeline.progress = [running(40)]
    file_id = world.file(
        alpha.id,
        alpha.email,
        status="failed",
        error_code="zip_bomb",
        error_message="The archive is too large when unpacked.",
    )
    body = client.get(f"/v1/files/{file_id}/status", headers=alpha.headers).json()
    assert (body["status"], body["source"]) == ("failed", "database")
    assert [error["code"] for error in body["errors"]] == ["zip_bomb"]
    assert [stage["name"] for stage in body["stages"]] == [stage.value for stage in Stage]


def events_of(content: str) -> list[dict[str, Any]]:
    blocks = [block for block in content.split("\n\n") if block.startswith("event: status")]
    return [json.loads(block.split("data: ", 1)[1]) for block in blocks]


def test_events_send_every_change_and_end_with_the_file(
    client, world, alpha, pipeline, monkeypatch
) -> None:
    client.app.state.services = replace(client.app.state.services, status_poll_s=0.001)
    file_id = world.file(alpha.id, alpha.email, status="ai_matching")
    script = [running(40), running(40), running(80)]

    async def next_progress(ref: Any) -> FileProgress:
        if len(script) > 1:
            return script.pop(0)
        with world.engine.begin() as connection:  # the pipeline finishes the file
            connection.execute(text("UPDATE files SET status = 'completed'"))
        return script[0]

    monkeypatch.setattr(pipeline, "file_progress", next_progress)
    with client.stream("GET", f"/v1/files/{file_id}/events", headers=alpha.headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = events_of(answer.read().decode())
    assert [(e["status"], e["progress"]["percent"]) for e in found] == [
        ("ai_matching", 40.0),
        ("ai_matching", 80.0),
        ("completed", 100.0),
    ]
    # the status route tells the same
    status = client.get(f"/v1/files/{file_id}/status", headers=alpha.headers).json()
    assert status == found[-1]
    assert client.app.state.services.streams.borrowed_tokens == 0


def test_events_end_when_the_file_is_deleted(client, world, alpha, pipeline, monkeypatch) -> None:
    client.app.state.services = replace(client.app.state.services, status_poll_s=0.001)
    file_id = world.file(alpha.id, alpha.email, status="parsing")

    async def delete(ref: Any) -> FileProgress:
        with world.engine.begin() as connection:
            connection.execute(text("UPDATE files SET deleted_at = now()"))
        return running(1)

    monkeypatch.setattr(pipeline, "file_progress", delete)
    with client.stream("GET", f"/v1/files/{file_id}/events", headers=alpha.headers) as answer:
        assert len(events_of(answer.read().decode())) == 1


def test_events_end_when_the_session_does(client, world, alpha, pipeline, monkeypatch) -> None:
    import api.status

    monkeypatch.setattr(api.status, "RECHECK_RIGHTS_S", 0)
    client.app.state.services = replace(client.app.state.services, status_poll_s=0.001)
    file_id = world.file(alpha.id, alpha.email, status="parsing")

    async def log_out(ref: Any) -> FileProgress:
        with world.engine.begin() as connection:
            connection.execute(text("UPDATE sessions SET revoked_at = now()"))
        return running(1)

    monkeypatch.setattr(pipeline, "file_progress", log_out)
    with client.stream("GET", f"/v1/files/{file_id}/events", headers=alpha.headers) as answer:
        assert len(events_of(answer.read().decode())) == 1


def test_more_streams_than_there_are_places_is_503(client, world, alpha) -> None:
    file_id = world.file(alpha.id, alpha.email, status="completed")
    limiter = client.app.state.services.streams
    limiter.total_tokens = 0
    answer = client.get(f"/v1/files/{file_id}/events", headers=alpha.headers)
    problem(answer, 503, "busy")


def test_one_person_takes_only_a_share_of_the_streams(client, world, alpha) -> None:
    file_id = world.file(alpha.id, alpha.email, status="completed")
    events, services = f"/v1/files/{file_id}/events", client.app.state.services
    colleague = world.person("colleague@alpha.example", (alpha.id, Role.VIEWER))
    me = world.user_id(alpha.email)
    held = services.streams_of_person.held
    held[me] = MAX_STREAMS_OF_PERSON
    problem(client.get(events, headers=alpha.headers), 503, "busy")
    assert client.get(events, headers=colleague).status_code == 200
    assert dict(held) == {me: MAX_STREAMS_OF_PERSON}
    held[me] -= 1
    assert client.get(events, headers=alpha.headers).status_code == 200
    assert dict(held) == {me: MAX_STREAMS_OF_PERSON - 1}
    assert services.streams.borrowed_tokens == 0


def test_one_organization_takes_only_a_share_of_the_streams(client, world, alpha, beta) -> None:
    here = world.file(alpha.id, alpha.email, status="completed")
    there = world.file(beta.id, beta.email, status="completed")
    held = client.app.state.services.streams_of_organization.held
    held[alpha.id] = MAX_STREAMS_OF_ORGANIZATION
    problem(client.get(f"/v1/files/{here}/events", headers=alpha.headers), 503, "busy")
    assert client.get(f"/v1/files/{there}/events", headers=beta.headers).status_code == 200
    assert dict(held) == {alpha.id: MAX_STREAMS_OF_ORGANIZATION}


def test_issues_are_listed_in_the_order_of_the_rows(client, world, alpha) -> None:
    file_id = world.file(alpha.id, alpha.email)
    world.issue(alpha.id, file_id, 7, column_name="Einheit", value_text="Sack")
    world.issue(alpha.id, file_id, 2, severity="warning", code="region_defaulted")
    body = client.get(f"/v1/files/{file_id}/issues?include=total", headers=alpha.headers).json()
    assert [issue["row"] for issue in body["issues"]] == [2, 7]
    assert body["issues"][1] == {
        "sheet": "",
        "row": 7,
        "column": "Einheit",
        "code": "unit_missing",
        "severity": "rejected",
        "message": "Name a unit.",
        "value": "Sack",
    }
    assert body["pagination"]["total"] == 2
    url = f"/v1/files/{file_id}/issues?limit=1"
    page = client.get(url, headers=alpha.headers).json()
    cursor = page["pagination"]["next_cursor"]
    rest = client.get(f"{url}&cursor={cursor}", headers=alpha.headers).json()
    assert [issue["row"] for issue in rest["issues"]] == [7]
    only = client.get(f"/v1/files/{file_id}/issues?severity=warning", headers=alpha.headers).json()
    assert [issue["row"] for issue in only["issues"]] == [2]


def test_a_member_of_one_project_sees_only_its_files(client, world, alpha) -> None:
    project = world.project(alpha.id, "Fleet")
    seen = world.file(alpha.id, alpha.email, project_id=project, filename="seen.csv")
    hidden = world.file(alpha.id, alpha.email, filename="hidden.csv")
    headers = world.person(
        "v@alpha.example", (alpha.id, Role.VIEWER), permissions={"projects": [str(project)]}
    )
    limited = type(alpha)(alpha.id, "v@alpha.example", headers)
    assert names(client, limited) == ["seen.csv"]
    assert client.get(f"/v1/files/{seen}", headers=headers).status_code == 200
    for path in ("", "/status", "/events", "/issues"):
        answer = client.get(f"/v1/files/{hidden}{path}", headers=headers)
        problem(answer, 404, "not_found")


def test_a_deleted_file_is_gone(client, world, alpha) -> None:
    file_id = world.file(alpha.id, alpha.email, deleted_at=dt.datetime.now(dt.UTC))
    assert names(client, alpha) == []
    problem(client.get(f"/v1/files/{file_id}", headers=alpha.headers), 404, "not_found")


def test_the_audit_trail_of_another_object_does_not_show(client, world, alpha) -> None:
    file_id = world.file(alpha.id, alpha.email)
    world.add(
        AuditEvent,
        organization_id=alpha.id,
        action="file.deleted",
        object_type="file",
        object_id=uuid7(),
    )
    body = client.get(f"/v1/files/{file_id}", headers=alpha.headers).json()
    assert body["audit"] == []
