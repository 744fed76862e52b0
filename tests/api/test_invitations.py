"""Invitations: shown once, the same for everybody, accepted by whom they were meant for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.permissions import Role
from db.engine import tenant_session
from db.ids import uuid7
from tests.api.member_kit import (
    NEW,
    add,
    problem,
    trail,
    url,
)


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
