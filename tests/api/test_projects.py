"""Projects: who makes them, who sees them, and that none disappears under its files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from core.permissions import Role


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return dict(answer.json())


def url(tenant, project_id: Any = None) -> str:
    base = f"/v1/organizations/{tenant.id}/projects"
    return base if project_id is None else f"{base}/{project_id}"


def make(client, tenant, name: str, **body: Any) -> Any:
    return client.post(url(tenant), headers=tenant.headers, json={"name": name, **body})


def names(client, tenant, headers: dict[str, str], **query: Any) -> list[str]:
    answer = client.get(url(tenant), headers=headers, params=query)
    return [project["name"] for project in answer.json()["projects"]]


def trail(admin_engine) -> list[tuple[str, Any, Any]]:
    with admin_engine.connect() as connection:
        rows = connection.execute(
            text("SELECT * FROM audit_events WHERE object_type = 'project' ORDER BY sequence")
        ).all()
    return [(row.action, row.before, row.after) for row in rows]


def test_a_project_is_made_read_renamed_and_deleted(client, alpha, admin_engine) -> None:
    made = make(client, alpha, "  Fleet ", description="Vans")
    assert made.status_code == 201, made.text
    assert (made.json()["name"], made.json()["description"]) == ("Fleet", "Vans")
    where = made.headers["location"]
    read = client.get(where, headers=alpha.headers)
    assert (read.json(), read.headers["etag"]) == (made.json(), made.headers["etag"])
    sent = alpha.headers | {"If-Match": read.headers["etag"]}
    changed = client.patch(where, headers=sent, json={"name": "Vans", "description": None})
    assert (changed.json()["name"], changed.json()["description"]) == ("Vans", None)
    problem(client.patch(where, headers=sent, json={"name": "x"}), 412, "precondition_failed")
    gone = client.delete(where, headers=alpha.headers)
    assert gone.json() == {"deleted": True, "project_id": made.json()["id"]}
    problem(client.get(where, headers=alpha.headers), 404, "not_found")
    problem(client.delete(where, headers=alpha.headers), 404, "not_found")
    assert trail(admin_engine) == [
        ("project.created", None, {"name": "Fleet", "description": "Vans"}),
        (
            "project.changed",
            {"name": "Fleet", "description": "Vans"},
            {"name": "Vans", "description": None},
        ),
        ("project.deleted", {"name": "Vans"}, None),
    ]


def test_a_name_is_taken_until_its_project_is_deleted(client, alpha, beta) -> None:
    first = make(client, alpha, "Fleet").json()["id"]
    second = make(client, alpha, "Offices").json()["id"]
    problem(make(client, alpha, "Fleet"), 409, "duplicate_project")
    renamed = client.patch(url(alpha, second), headers=alpha.headers, json={"name": "Fleet"})
    problem(renamed, 409, "duplicate_project")
    assert make(client, beta, "Fleet").status_code == 201
    client.delete(url(alpha, first), headers=alpha.headers)
    assert make(client, alpha, "Fleet").status_code == 201


def test_the_list_pages_by_name_and_filters(client, alpha) -> None:
    for name in ("Delta", "Bravo", "Charlie", "Alpha"):
        make(client, alpha, name)
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3, "include": "total"}
    while True:
        body = client.get(url(alpha), headers=alpha.headers, params=query).json()
        seen += [project["name"] for project in body["projects"]]
        if not body["pagination"]["has_more"]:
            break
        query["cursor"] = body["pagination"]["next_cursor"]
    assert seen == ["Alpha", "Bravo", "Charlie", "Delta"]
    assert body["pagination"]["total"] == 4
    assert names(client, alpha, alpha.headers, q="AR") == ["Charlie"]


@pytest.mark.parametrize("role", list(Role))
def test_a_limited_member_sees_their_projects_and_makes_none(client, world, alpha, role) -> None:
    mine = make(client, alpha, "Fleet").json()["id"]
    other = make(client, alpha, "Offices").json()["id"]
    headers = world.person(
        f"lim-{role}@alpha.example", (alpha.id, role), permissions={"projects": [mine]}
    )
    assert names(client, alpha, headers) == ["Fleet"]
    assert client.get(url(alpha, mine), headers=headers).status_code == 200
    problem(client.get(url(alpha, other), headers=headers), 404, "not_found")
    for method, where in (("post", None), ("patch", mine), ("delete", mine)):
        body = None if method == "delete" else {"name": "New"}
        answer = client.request(method, url(alpha, where), headers=headers, json=body)
        problem(answer, 403, "permission_denied")


def test_a_project_with_files_stays(client, world, alpha, admin_engine) -> None:
    project = UUID(make(client, alpha, "Fleet").json()["id"])
    world.file(alpha.id, alpha.email, project_id=project)
    problem(client.delete(url(alpha, project), headers=alpha.headers), 409, "project_in_use")
    with admin_engine.begin() as connection:
        connection.execute(text("UPDATE files SET deleted_at = now()"))
    assert client.delete(url(alpha, project), headers=alpha.headers).status_code == 200


def test_a_deleted_project_takes_no_upload(client, alpha) -> None:
    project = make(client, alpha, "Fleet").json()["id"]
    client.delete(url(alpha, project), headers=alpha.headers)
    answer = client.post(
        "/v1/files", headers=alpha.headers, files={"file": ("a.csv", b"a,b\n1,2\n")},
        data={"project_id": project},
    )  # fmt: skip
    problem(answer, 422, "validation_failed")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/name"),
        ({"name": "  "}, "#/name"),
        ({"name": "x" * 201}, "#/name"),
        ({"name": "x", "description": ""}, "#/description"),
        ({"name": "x", "organization_id": "y"}, "#/organization_id"),
    ],
)
def test_a_wrong_project_is_refused(client, alpha, body: dict[str, Any], pointer: str) -> None:
    found = problem(
        client.post(url(alpha), headers=alpha.headers, json=body), 422, "validation_failed"
    )
    assert pointer in [fault["pointer"] for fault in found["errors"]]


def test_an_upload_waits_for_a_deletion_and_then_finds_no_project(
    client, alpha, admin_engine, platform_engine
) -> None:
    project = make(client, alpha, "Fleet").json()["id"]
    upload = {"files": {"file": ("a.csv", b"a,b\n1,2\n")}, "data": {"project_id": project}}
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database() AND query LIKE '%projects%'"
    )
    with ThreadPoolExecutor(1) as pool, platform_engine.begin() as deletion:
        named = {"id": project}
        deletion.execute(text("SELECT 1 FROM projects WHERE id = :id FOR UPDATE"), named)
        answer = pool.submit(client.post, "/v1/files", headers=alpha.headers, **upload)
        with admin_engine.connect() as watch:
            while not answer.done() and not watch.scalar(waiting):
                watch.rollback()
        assert not answer.done()
        deletion.execute(text("UPDATE projects SET deleted_at = now() WHERE id = :id"), named)
        deletion.commit()
        problem(answer.result(), 409, "conflict")
    assert client.get("/v1/files", headers=alpha.headers).json()["files"] == []
