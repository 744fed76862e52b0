"""Members of an organization: who may change whom, and the admin who stays."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from core.permissions import Role
from db.engine import tenant_session
from db.queries import members
from tests.api.member_kit import (  # noqa: F401  (fixtures)
    add,
    carl,
    first_column,
    problem,
    put,
    trail,
    url,
)

# ruff: noqa: F811  (pytest's fixtures are parameters of the same name)


def test_members_are_listed_by_mail_address_and_filtered(client, world, alpha, carl) -> None:
    world.person("zoe@alpha.example", (alpha.id, Role.VIEWER))
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2, "include": "total"}
    while True:
        body = client.get(url(alpha), headers=alpha.headers, params=query).json()
        seen += [member["email"] for member in body["members"]]
        if not body["pagination"]["has_more"]:
            break
        query["cursor"] = body["pagination"]["next_cursor"]
    assert seen == ["ada@alpha.example", "carl@alpha.example", "zoe@alpha.example"]
    assert body["pagination"]["total"] == 3

    def emails(**query: Any) -> list[str]:
        answer = client.get(url(alpha), headers=alpha.headers, params=query)
        return [member["email"] for member in answer.json()["members"]]

    assert emails(role="viewer") == ["zoe@alpha.example"]
    assert emails(q="CARL@") == ["carl@alpha.example"]
    assert len(emails(q="ada")) == 3  # everybody's first name here
    assert emails(q="%") == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.USER])
def test_below_manager_nobody_sees_the_members(client, world, alpha, role) -> None:
    headers = world.person("carl2@alpha.example", (alpha.id, role))
    problem(client.get(url(alpha), headers=headers), 403, "permission_denied")
    me = world.user_id("carl2@alpha.example")
    problem(client.get(url(alpha, me), headers=headers), 403, "permission_denied")


def test_a_manager_sees_members_and_changes_none(client, world, alpha, carl) -> None:
    headers = world.person("mia@alpha.example", (alpha.id, Role.MANAGER))
    user_id = world.user_id("carl@alpha.example")
    assert client.get(url(alpha), headers=headers).status_code == 200
    body = {"role": "viewer"}
    problem(client.put(url(alpha, user_id), headers=headers, json=body), 403, "permission_denied")
    problem(client.delete(url(alpha, user_id), headers=headers), 403, "permission_denied")
    body = {"role": "viewer", "email": "new@alpha.example"}
    problem(client.post(url(alpha), headers=headers, json=body), 403, "permission_denied")


def test_a_changed_role_and_reach_count_with_the_next_request(
    client, world, alpha, carl, admin_engine
) -> None:
    user_id, project = world.user_id("carl@alpha.example"), world.project(alpha.id, "Fleet")
    upload = {"file": ("a.csv", b"a,b\n1,2\n")}
    assert client.post("/v1/files", headers=carl, files=upload).status_code == 202
    assert len(client.get("/v1/files", headers=carl).json()["files"]) == 1
    limits = {"projects": [str(project)]}
    answer = put(client, alpha, user_id, role="viewer", permissions=limits)
    assert (answer.status_code, answer.json()["permissions"]) == (200, limits)
    problem(client.post("/v1/files", headers=carl, files=upload), 403, "permission_denied")
    assert client.get("/v1/files", headers=carl).json()["files"] == []
    # left out: the limit stays; {} lifts it
    assert put(client, alpha, user_id, role="manager").json()["permissions"] == limits
    assert client.get("/v1/files", headers=carl).json()["files"] == []
    assert put(client, alpha, user_id, role="manager", permissions={}).json()["permissions"] == {}
    assert len(client.get("/v1/files", headers=carl).json()["files"]) == 1
    events = trail(admin_engine, "member.changed")
    assert [(e.before["role"], e.after["role"]) for e in events] == [
        ("user", "viewer"), ("viewer", "manager"), ("manager", "manager"),
    ]  # fmt: skip
    assert {e.object_id for e in events} == {user_id}
    assert {e.actor_user_id for e in events} == {world.user_id(alpha.email)}


def test_the_same_again_is_no_event(client, world, alpha, carl, admin_engine) -> None:
    user_id = world.user_id("carl@alpha.example")
    assert put(client, alpha, user_id, role="user").status_code == 200
    assert trail(admin_engine, "member.changed") == []


def test_a_removed_member_is_out_at_once_and_put_takes_them_back(
    client, world, alpha, carl, admin_engine
) -> None:
    user_id = world.user_id("carl@alpha.example")
    answer = client.delete(url(alpha, user_id), headers=alpha.headers)
    assert answer.json() == {"removed": True, "user_id": str(user_id)}
    problem(client.get("/v1/files", headers=carl), 404, "not_found")
    problem(client.delete(url(alpha, user_id), headers=alpha.headers), 404, "not_found")
    problem(client.get(url(alpha, user_id), headers=alpha.headers), 404, "not_found")
    assert put(client, alpha, user_id, role="viewer").status_code == 200
    assert client.get("/v1/files", headers=carl).status_code == 200
    [removed] = trail(admin_engine, "member.removed")
    [added] = trail(admin_engine, "member.added")
    assert (removed.before, removed.after) == ({"role": "user", "permissions": {}}, None)
    assert (added.before, added.after["role"]) == (None, "viewer")


def test_a_stranger_looks_like_nobody_even_to_an_admin(client, world, alpha, beta) -> None:
    bodies = []
    for user_id in (world.user_id(beta.email), uuid4()):
        body = problem(put(client, alpha, user_id, role="user"), 404, "not_found")
        bodies.append({k: v for k, v in body.items() if k not in ("request_id", "instance")})
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"role": "owner"}, "#/role"),
        ({"role": "user", "admin": True}, "#/admin"),
        ({"role": "user", "permissions": {"files": []}}, "#/permissions/files"),
        ({"role": "user", "permissions": {"projects": []}}, "#/permissions/projects"),
        ({"role": "user", "permissions": {"projects": ["x"]}}, "#/permissions/projects/0"),
        ({"role": "user", "permissions": ["x"]}, "#/permissions"),
        ({}, "#/role"),
    ],
)
def test_what_is_no_role_or_permission_is_refused(
    client, world, alpha, carl, body: dict[str, Any], pointer: str
) -> None:
    answer = put(client, alpha, world.user_id("carl@alpha.example"), **body)
    found = problem(answer, 422, "validation_failed")
    assert pointer in [fault["pointer"] for fault in found["errors"]]


def test_permissions_name_living_projects_of_this_organization(
    client, world, alpha, beta, carl, admin_engine
) -> None:
    mine, theirs = world.project(alpha.id, "Fleet"), world.project(beta.id, "Theirs")
    gone = world.project(alpha.id, "Gone")
    with admin_engine.begin() as connection:
        connection.execute(
            text("UPDATE projects SET deleted_at = now() WHERE id = :id"), {"id": gone}
        )
    limits = {"projects": [str(mine), str(theirs), str(gone), str(uuid4())]}
    user_id = world.user_id("carl@alpha.example")
    answers = [
        put(client, alpha, user_id, role="user", permissions=limits),
        add(client, alpha, "new@alpha.example", permissions=limits),
    ]
    for answer in answers:
        found = problem(answer, 422, "validation_failed")
        assert [(e["pointer"], e["code"]) for e in found["errors"]] == [
            (f"#/permissions/projects/{place}", "project_unknown") for place in (1, 2, 3)
        ]
    emails = client.get(url(alpha), headers=alpha.headers).text
    assert "new@alpha.example" not in emails


def test_a_stale_if_match_is_refused(client, world, alpha, carl) -> None:
    user_id = world.user_id("carl@alpha.example")
    tag = client.get(url(alpha, user_id), headers=alpha.headers).headers["etag"]
    changed = put(client, alpha, user_id, {"If-Match": tag}, role="viewer")
    assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)
    stale = put(client, alpha, user_id, {"If-Match": tag}, role="manager")
    problem(stale, 412, "precondition_failed")
    assert put(client, alpha, user_id, {"If-Match": "*"}, role="manager").status_code == 200


def test_the_last_admin_stays_whatever_is_tried(client, world, alpha, admin_engine) -> None:
    me, project = world.user_id(alpha.email), world.project(alpha.id, "Fleet")
    # of these none could take over: no admin, limited, without a password, disabled
    world.person("mia@alpha.example", (alpha.id, Role.MANAGER))
    limits = {"projects": [str(project)]}
    world.person("lim@alpha.example", (alpha.id, Role.ADMIN), permissions=limits)
    world.person("off@alpha.example", (alpha.id, Role.ADMIN))
    with admin_engine.begin() as connection:
        connection.execute(
            text("UPDATE users SET disabled_at = now() WHERE email = 'off@alpha.example'")
        )
    assert add(client, alpha, "new@alpha.example", "admin").status_code == 201
    for attempt in (
        put(client, alpha, me, role="viewer"),
        put(client, alpha, me, role="manager"),
        put(client, alpha, me, role="admin", permissions=limits),
        client.delete(url(alpha, me), headers=alpha.headers),
    ):
        problem(attempt, 409, "last_admin")
    assert put(client, alpha, me, role="admin").status_code == 200


def test_with_a_second_admin_the_first_may_go(client, world, alpha) -> None:
    bea = world.person("bea@alpha.example", (alpha.id, Role.ADMIN))
    me = world.user_id(alpha.email)
    assert put(client, alpha, me, role="viewer").status_code == 200
    problem(put(client, alpha, me, role="admin"), 403, "permission_denied")
    bea_id = world.user_id("bea@alpha.example")
    answer = client.delete(url(alpha, bea_id), headers=bea)
    problem(answer, 409, "last_admin")


def test_an_admin_who_is_limited_to_projects_cannot_lift_the_limit(client, world, alpha) -> None:
    limits = {"projects": [str(world.project(alpha.id, "Fleet"))]}
    headers = world.person("lim@alpha.example", (alpha.id, Role.ADMIN), permissions=limits)
    me = world.user_id("lim@alpha.example")
    body = {"role": "admin", "permissions": {}}
    problem(client.put(url(alpha, me), headers=headers, json=body), 403, "permission_denied")
    settings = f"/v1/organizations/{alpha.id}"
    answer = client.patch(settings, headers=headers, json={"name": "Mine"})
    problem(answer, 403, "permission_denied")
    [organization] = client.get("/v1/auth/me", headers=headers).json()["organizations"]
    assert organization["features"]["manage_members"] is False
    assert organization["features"]["upload_files"] is True


@pytest.mark.parametrize("attempt", range(3))
def test_admins_who_demote_each_other_at_once_leave_one(
    client, world, alpha, admin_engine, attempt: int
) -> None:
    people = {alpha.email: alpha.headers}
    for name in ("bea", "cid", "dan"):
        people[f"{name}@alpha.example"] = world.person(
            f"{name}@alpha.example", (alpha.id, Role.ADMIN)
        )
    emails = list(people)
    pairs = [(headers, world.user_id(email)) for email in emails
             for other, headers in people.items() if other != email]  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda pair: (
                    client.put(
                        url(alpha, pair[1]), headers=pair[0], json={"role": "viewer"}
                    ).status_code
                ),
                pairs,
            )
        )
    assert set(answers) <= {200, 403, 409}
    with admin_engine.connect() as connection:
        left = connection.scalar(
            text("SELECT count(*) FROM user_organization_roles WHERE role = 'admin'")
        )
    assert left == 1


@pytest.mark.parametrize("attempt", range(3))
def test_admins_who_remove_each_other_at_once_leave_one(
    client, world, alpha, admin_engine, attempt: int
) -> None:
    people = {alpha.email: alpha.headers}
    for name in ("bea", "cid", "dan"):
        people[f"{name}@alpha.example"] = world.person(
            f"{name}@alpha.example", (alpha.id, Role.ADMIN)
        )
    pairs = [(headers, world.user_id(email)) for email in people
             for other, headers in people.items() if other != email]  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda pair: client.delete(url(alpha, pair[1]), headers=pair[0]).status_code, pairs
            )
        )
    assert set(answers) <= {200, 403, 404, 409}
    with admin_engine.connect() as connection:
        left = connection.scalar(
            text("SELECT count(*) FROM user_organization_roles WHERE deleted_at IS NULL")
        )
    assert (left, answers.count(200)) == (1, 3)


def test_an_admin_whose_removal_is_being_written_removes_nobody(
    client, world, alpha, app_engine, admin_engine
) -> None:
    bea = world.person("bea@alpha.example", (alpha.id, Role.ADMIN))
    ada = world.user_id(alpha.email)
    with tenant_session(app_engine, alpha.id) as first, ThreadPoolExecutor(1) as pool:
        members.lock_members(first, alpha.id)
        members.end_membership(first, alpha.id, world.user_id("bea@alpha.example"))
        second = pool.submit(client.delete, url(alpha, ada), headers=bea)
        # bea was let in, as the removal is not committed; now she waits for the lock
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        deadline = time.monotonic() + 2.5  # the API's lock_timeout is 3 s
        while not first_column(admin_engine, waiting):
            assert not second.done()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        first.commit()
        refused = second.result(10)
    # 404 where only now it was looked up what she may do here: nothing at all
    assert refused.status_code in (403, 404), refused.text
    assert client.get(url(alpha, ada), headers=alpha.headers).status_code == 200
