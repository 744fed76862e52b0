"""Members of an organization: who may change whom, invitations, and the admin who stays."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.permissions import Role
from db.engine import tenant_session
from db.ids import uuid7
from db.queries import members

NEW = "neon giraffe paints quietly"


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return dict(answer.json())


def url(tenant, user_id: Any = None) -> str:
    base = f"/v1/organizations/{tenant.id}/members"
    return base if user_id is None else f"{base}/{user_id}"


def put(client, tenant, user_id: UUID, headers: dict[str, str] | None = None, **body: Any) -> Any:
    sent = tenant.headers | (headers or {})
    return client.put(url(tenant, user_id), headers=sent, json=body)


def add(client, tenant, email: str, role: str = "user", **body: Any) -> Any:
    sent = {"email": email, "role": role, **body}
    return client.post(url(tenant), headers=tenant.headers, json=sent)


def trail(admin_engine, action: str) -> list[Any]:
    with admin_engine.connect() as connection:
        return list(
            connection.execute(
                text("SELECT * FROM audit_events WHERE action = :a ORDER BY sequence"),
                {"a": action},
            )
        )


@pytest.fixture
def carl(world, alpha) -> dict[str, str]:
    """A user of Alpha."""
    return world.person("carl@alpha.example", (alpha.id, Role.USER))


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


def first_column(engine: Any, query: str) -> Any:
    with engine.connect() as connection:
        return connection.scalar(text(query))


def test_a_new_person_gets_a_token_that_is_shown_once(client, world, alpha, admin_engine) -> None:
    answer = add(client, alpha, " Grace@Alpha.EXAMPLE ", first_name="Grace", last_name="Hopper")
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    member, token = body["member"], body["invitation"]["token"]
    assert (member["email"], member["status"]) == ("grace@alpha.example", "invited")
    assert (member["first_name"], member["last_name"]) == ("Grace", "Hopper")
    read = client.get(answer.headers["location"], headers=alpha.headers)
    assert read.json() == member
    assert token not in read.text + client.get(url(alpha), headers=alpha.headers).text
    with admin_engine.connect() as connection:
        dump = connection.execute(
            text("SELECT (SELECT json_agg(t) FROM invitations t)::text"
                 " || (SELECT json_agg(a) FROM audit_events a)::text")
        ).scalar_one()  # fmt: skip
    assert token not in dump
    [event] = trail(admin_engine, "member.invited")
    assert "grace" not in str(event.after)
    login = {"email": "grace@alpha.example", "password": "!"}
    problem(client.post("/v1/auth/login", json=login), 401, "invalid_credentials")


def join(client, headers: dict[str, str], token: str) -> Any:
    return client.post("/v1/auth/join", headers=headers, json={"token": token})


def test_an_existing_account_joins_when_its_owner_accepts_and_keeps_its_names(
    client, world, alpha, beta, admin_engine
) -> None:
    body = add(client, alpha, beta.email, "viewer", first_name="Mallory").json()
    assert (body["member"]["first_name"], body["member"]["status"]) == ("Mallory", "invited")
    named = beta.headers | {"X-Organization-Id": str(alpha.id)}
    problem(client.get("/v1/files", headers=named), 404, "not_found")  # not asked yet
    assert client.get("/v1/files", headers=beta.headers).status_code == 200  # still one membership
    token = body["invitation"]["token"]
    joined = join(client, beta.headers, token)
    assert joined.status_code == 200, joined.text
    assert (joined.json()["id"], joined.json()["role"]) == (str(alpha.id), "viewer")
    assert joined.json()["features"]["manage_members"] is False
    assert client.get("/v1/files", headers=named).status_code == 200
    user_id = world.user_id(beta.email)
    member = client.get(url(alpha, user_id), headers=alpha.headers).json()
    assert (member["first_name"], member["status"]) == ("Ada", "active")
    old = client.get(url(alpha, body["member"]["user_id"]), headers=alpha.headers)
    problem(old, 404, "not_found")
    problem(join(client, beta.headers, token), 404, "unknown_invitation")
    problem(add(client, alpha, beta.email), 409, "already_member")
    [invited] = trail(admin_engine, "member.invited")
    [added] = trail(admin_engine, "member.added")
    assert (invited.actor_user_id, added.actor_user_id) == (world.user_id(alpha.email), user_id)
    assert added.after == invited.after == {"role": "viewer", "permissions": {}}


def test_whether_an_address_has_an_account_shows_neither_in_answer_nor_list(
    client, world, alpha, beta, admin_engine
) -> None:
    world.person("gone@x.example")
    with admin_engine.begin() as connection:
        connection.execute(
            text("UPDATE users SET deleted_at = now() WHERE email = 'gone@x.example'")
        )
    assert add(client, beta, "claimed@x.example").status_code == 201
    shown = []
    for email in ("nobody@x.example", beta.email, "gone@x.example", "claimed@x.example"):
        answer = add(client, alpha, email)
        body = answer.json()
        listed = client.get(url(alpha), headers=alpha.headers, params={"q": email}).json()
        assert listed["members"] == [body["member"]]
        read = client.get(answer.headers["location"], headers=alpha.headers)
        assert read.json() == body["member"]
        # an id that were the account's own would tell when that was made
        made = UUID(body["member"]["user_id"]).int >> 80
        assert abs(made - UUID(str(uuid7())).int // 2**80) < 60_000
        for where, names in ((body["member"], ("user_id", "email", "member_since")),
                             (body["invitation"], ("token", "expires_at"))):  # fmt: skip
            for name in names:
                where[name] = "…"
        # a password that is refused tells nothing either
        shown.append((answer.status_code, body))
    assert [one == shown[0] for one in shown] == [True] * 4
    statuses = []
    for email in ("nobody@x.example", beta.email, "gone@x.example", "claimed@x.example"):
        token = add(client, alpha, email).json()["invitation"]["token"]
        weak = {"token": token, "new_password": "password" * 2}
        found = problem(client.post("/v1/auth/password", json=weak), 422, "validation_failed")
        statuses.append(found["errors"])
    assert all(one == statuses[0] for one in statuses)


def test_whoever_set_the_password_first_does_not_enter_a_second_organization(
    client, world, alpha, beta
) -> None:
    """The pre-hijack: Beta's admin claims an address, then waits for Alpha to invite it."""
    mine = add(client, beta, "grace@x.example").json()["invitation"]["token"]
    redeem(client, mine)
    hijacker = world_login(client, "grace@x.example")
    theirs = add(client, alpha, "grace@x.example", "admin").json()
    seen = client.get("/v1/auth/me", headers=hijacker).json()["organizations"]
    assert [organization["id"] for organization in seen] == [str(beta.id)]
    named = hijacker | {"X-Organization-Id": str(alpha.id)}
    problem(client.get("/v1/files", headers=named), 404, "not_found")
    for token in (mine, "A" * 43):
        problem(join(client, hijacker, token), 404, "unknown_invitation")
    # and Alpha's token does not replace the password, which would open Beta
    again = {"token": theirs["invitation"]["token"], "new_password": "another phrase of words"}
    problem(client.post("/v1/auth/password", json=again), 409, "account_exists")
    assert join(client, hijacker, theirs["invitation"]["token"]).status_code == 200


def test_of_two_organizations_the_first_token_makes_the_account_and_enters_its_own_alone(
    client, world, alpha, beta
) -> None:
    first = add(client, beta, "grace@x.example").json()["invitation"]["token"]
    second = add(client, alpha, "grace@x.example").json()
    redeem(client, second["invitation"]["token"])
    grace = world_login(client, "grace@x.example")
    seen = client.get("/v1/auth/me", headers=grace).json()
    assert [organization["id"] for organization in seen["organizations"]] == [str(alpha.id)]
    assert seen["id"] == second["member"]["user_id"]  # a new account keeps the id
    body = {"token": first, "new_password": NEW}
    problem(client.post("/v1/auth/password", json=body), 409, "account_exists")
    assert join(client, grace, first).status_code == 200


def test_a_token_opens_no_account_that_another_organization_made_without_a_password(
    client, world, alpha, beta, admin_engine
) -> None:
    world.person("sso@x.example", (beta.id, Role.USER))
    with admin_engine.begin() as connection:  # as its provider's first login leaves it
        connection.execute(
            text("UPDATE users SET password_hash = '!' WHERE email = 'sso@x.example'")
        )
    token = add(client, alpha, "sso@x.example").json()["invitation"]["token"]
    body = {"token": token, "new_password": NEW}
    problem(client.post("/v1/auth/password", json=body), 409, "account_exists")
    login = {"email": "sso@x.example", "password": NEW}
    problem(client.post("/v1/auth/login", json=login), 401, "invalid_credentials")


def test_a_session_of_another_organizations_provider_cannot_accept(
    client, world, alpha, beta, admin_engine
) -> None:
    token = add(client, alpha, beta.email).json()["invitation"]["token"]
    with admin_engine.begin() as connection:
        connection.execute(
            text("UPDATE sessions SET only_organization_id = :b WHERE user_id = :u"),
            {"b": beta.id, "u": world.user_id(beta.email)},
        )
    problem(join(client, beta.headers, token), 403, "permission_denied")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invitations SET expires_at = now()",
        "DELETE FROM invitations",
        "UPDATE organizations SET deleted_at = now() WHERE name = 'Alpha'",
        # whoever invited may no longer: they must leave no way in behind
        "UPDATE user_organization_roles SET role = 'manager' WHERE role = 'admin'",
        "UPDATE users SET disabled_at = now() WHERE email LIKE 'ada@alpha%'",
    ],
)
def test_an_invitation_that_is_over_lets_nobody_in(
    client, world, alpha, beta, admin_engine, statement: str
) -> None:
    token = add(client, alpha, beta.email).json()["invitation"]["token"]
    other = add(client, alpha, "new@x.example").json()["invitation"]["token"]
    with admin_engine.begin() as connection:
        connection.execute(text(statement))
    problem(join(client, beta.headers, token), 404, "unknown_invitation")
    body = {"token": other, "new_password": NEW}
    problem(client.post("/v1/auth/password", json=body), 401, "invalid_one_time_token")
    with admin_engine.connect() as connection:
        query = "SELECT count(*) FROM user_organization_roles WHERE organization_id = :a"
        assert connection.scalar(text(query), {"a": alpha.id}) == 1


def test_somebody_elses_token_looks_like_none(client, world, alpha, beta) -> None:
    token = add(client, alpha, "grace@x.example").json()["invitation"]["token"]
    bodies = []
    for tried in (token, "A" * 43):
        body = problem(join(client, beta.headers, tried), 404, "unknown_invitation")
        bodies.append({k: v for k, v in body.items() if k != "request_id"})
    assert bodies[0] == bodies[1]


def test_an_invitation_is_changed_and_withdrawn_as_a_member_is(
    client, world, alpha, beta, admin_engine
) -> None:
    body = add(client, alpha, beta.email, "viewer").json()
    place = url(alpha, body["member"]["user_id"])
    limits = {"projects": [str(world.project(alpha.id, "Fleet"))]}
    tag = client.get(place, headers=alpha.headers).headers["etag"]
    changed = client.put(
        place, headers=alpha.headers | {"If-Match": tag},
        json={"role": "manager", "permissions": limits},
    )  # fmt: skip
    assert (changed.status_code, changed.json()["role"]) == (200, "manager")
    stale = client.put(place, headers=alpha.headers | {"If-Match": tag}, json={"role": "user"})
    problem(stale, 412, "precondition_failed")
    joined = join(client, beta.headers, body["invitation"]["token"])
    assert (joined.json()["role"], joined.json()["permissions"]) == ("manager", limits)
    body = add(client, alpha, "new@x.example").json()
    place = url(alpha, body["member"]["user_id"])
    assert client.delete(place, headers=alpha.headers).json()["removed"] is True
    problem(client.get(place, headers=alpha.headers), 404, "not_found")
    problem(client.delete(place, headers=alpha.headers), 404, "not_found")
    given = {"token": body["invitation"]["token"], "new_password": NEW}
    problem(client.post("/v1/auth/password", json=given), 401, "invalid_one_time_token")
    actions = [e.action for a in ("invitation.changed", "invitation.withdrawn")
               for e in trail(admin_engine, a)]  # fmt: skip
    assert actions == ["invitation.changed", "invitation.withdrawn"]


def test_of_two_at_once_one_joins(client, world, alpha, beta, admin_engine) -> None:
    token = add(client, alpha, beta.email).json()["invitation"]["token"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: join(client, beta.headers, token).status_code, range(6)))
    assert sorted(answers) == [200, 404, 404, 404, 404, 404]
    assert len(trail(admin_engine, "member.added")) == 1


def redeem(client, token: str) -> None:
    answer = client.post("/v1/auth/password", json={"token": token, "new_password": NEW})
    assert answer.status_code == 204, answer.text


def world_login(client, email: str) -> dict[str, str]:
    answer = client.post("/v1/auth/login", json={"email": email, "password": NEW})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_an_invitation_may_be_renewed_and_the_older_token_is_dead(
    client, world, alpha, admin_engine
) -> None:
    first = add(client, alpha, "new@alpha.example", "viewer").json()
    second = add(client, alpha, "new@alpha.example", "user").json()
    assert first["member"]["user_id"] == second["member"]["user_id"]
    assert second["member"]["role"] == "user"
    body = {"token": first["invitation"]["token"], "new_password": NEW}
    problem(client.post("/v1/auth/password", json=body), 401, "invalid_one_time_token")
    redeem(client, second["invitation"]["token"])
    problem(add(client, alpha, "new@alpha.example"), 409, "already_member")


def test_a_new_token_is_audited_also_when_nothing_else_changes(client, alpha, admin_engine) -> None:
    made = [add(client, alpha, "new@alpha.example").json()["invitation"] for _ in range(3)]
    events = trail(admin_engine, "member.invited")
    assert len(events) == 3
    assert events[1].before == events[1].after == events[2].after
    assert len({event.object_id for event in events}) == 1
    told = str([event._mapping for event in events])
    assert not any(invitation["token"] in told for invitation in made)


def test_two_organizations_whose_tokens_are_used_at_once_make_one_account(
    client, world, alpha, beta, admin_engine
) -> None:
    for number in range(3):
        email = f"new{number}@x.example"
        tokens = [add(client, t, email).json()["invitation"]["token"] for t in (alpha, beta)]
        with ThreadPoolExecutor(2) as pool:
            answers = list(
                pool.map(
                    lambda token: (
                        client.post(
                            "/v1/auth/password", json={"token": token, "new_password": NEW}
                        ).status_code
                    ),
                    tokens,
                )
            )
        assert sorted(answers) == [204, 409]
        seen = client.get("/v1/auth/me", headers=world_login(client, email)).json()
        assert len(seen["organizations"]) == 1


def test_a_member_of_before_without_a_password_gets_a_new_token(
    client, world, alpha, admin_engine
) -> None:
    world.person("old@alpha.example", (alpha.id, Role.USER))
    with admin_engine.begin() as connection:
        connection.execute(
            text("UPDATE users SET password_hash = '!' WHERE email = 'old@alpha.example'")
        )
    token = add(client, alpha, "old@alpha.example", "viewer").json()["invitation"]["token"]
    listed = client.get(url(alpha), headers=alpha.headers, params={"q": "old@"}).json()["members"]
    assert [member["user_id"] for member in listed] == [str(world.user_id("old@alpha.example"))]
    redeem(client, token)
    seen = client.get("/v1/auth/me", headers=world_login(client, "old@alpha.example")).json()
    assert [organization["role"] for organization in seen["organizations"]] == ["user"]


def test_a_deleted_account_is_not_brought_back(client, world, alpha, admin_engine) -> None:
    world.person("gone@x.example")
    with admin_engine.begin() as connection:
        connection.execute(
            text("UPDATE users SET deleted_at = now() WHERE email = 'gone@x.example'")
        )
    token = add(client, alpha, "gone@x.example").json()["invitation"]["token"]
    body = {"token": token, "new_password": NEW}
    problem(client.post("/v1/auth/password", json=body), 409, "account_exists")


@pytest.mark.parametrize(
    "email", ["", "grace", "a@b", "a b@x.example", "é@x.example", "a@x.example\n@y", "a" * 300]
)
def test_what_is_no_mail_address_is_refused_unechoed(client, alpha, email: str) -> None:
    answer = add(client, alpha, email)
    found = problem(answer, 422, "validation_failed")
    assert [fault["pointer"] for fault in found["errors"]] == ["#/email"]


def test_the_tenants_role_makes_no_account_but_through_an_invitation(
    client, world, alpha, app_engine
) -> None:
    statements = (
        "INSERT INTO users (email, password_hash) VALUES ('x@x.example', 'x')",
        "UPDATE users SET password_hash = 'x'",
        "SELECT * FROM one_time_tokens",
        "SELECT password_hash FROM users",
        "SELECT token_sha256 FROM invitations",
        "SELECT invited_account('\\x00')",
    )
    for statement in statements:
        with tenant_session(app_engine, alpha.id) as session, pytest.raises(DBAPIError) as refused:
            session.execute(text(statement))
        assert refused.value.orig.sqlstate == "42501"
