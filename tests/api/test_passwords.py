"""Passwords: changed, set with a one-time token; and the logins of one's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from core.errors import NotFound
from core.permissions import Role
from runtime.users_cli import reset_password

PASSWORD = "a pass phrase of several words"
NEW = "neon giraffe paints quietly"


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return dict(answer.json())


def log_in(client, email: str, password: str) -> Any:
    return client.post("/v1/auth/login", json={"email": email, "password": password})


def bearer(answer: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def change(client, headers: dict[str, str], old: str = PASSWORD, new: str = NEW) -> Any:
    body = {"old_password": old, "new_password": new}
    return client.post("/v1/auth/password", headers=headers, json=body)


def redeem(client, token: str, new: str = NEW) -> Any:
    return client.post("/v1/auth/password", json={"token": token, "new_password": new})


@pytest.fixture
def invited(client, alpha) -> str:
    """The token of a new member of Alpha."""
    answer = client.post(
        f"/v1/organizations/{alpha.id}/members", headers=alpha.headers,
        json={"email": "grace@alpha.example", "role": "user", "last_name": "Hopper"},
    )  # fmt: skip
    return str(answer.json()["invitation"]["token"])


def test_a_change_ends_the_other_sessions_and_keeps_this_one(client, alpha) -> None:
    other = log_in(client, alpha.email, PASSWORD)
    answer = change(client, alpha.headers)
    assert (answer.status_code, answer.headers["cache-control"]) == (204, "no-store")
    assert client.get("/v1/auth/me", headers=alpha.headers).status_code == 200
    problem(client.get("/v1/auth/me", headers=bearer(other)), 401, "unauthenticated")
    refreshed = client.post(
        "/v1/auth/refresh", json={"refresh_token": other.json()["refresh_token"]}
    )
    problem(refreshed, 401, "invalid_refresh_token")
    problem(log_in(client, alpha.email, PASSWORD), 401, "invalid_credentials")
    assert log_in(client, alpha.email, NEW).status_code == 200


def test_a_wrong_old_password_changes_nothing_and_is_throttled_as_logins_are(client, alpha) -> None:
    for _ in range(5):
        found = problem(change(client, alpha.headers, old="guess"), 422, "validation_failed")
        assert [(e["pointer"], e["code"]) for e in found["errors"]] == [
            ("#/old_password", "password_wrong")
        ]
    waits = change(client, alpha.headers)
    problem(waits, 429, "too_many_attempts")
    assert 1 <= int(waits.headers["retry-after"]) <= 2


def test_the_right_old_password_is_no_failure(client, alpha, admin_engine) -> None:
    for new in (NEW, PASSWORD) * 4:
        old = PASSWORD if new == NEW else NEW
        assert change(client, alpha.headers, old=old, new=new).status_code == 204
    with admin_engine.connect() as connection:
        assert connection.scalar(text("SELECT coalesce(max(failures), 0) FROM login_throttles")) < 2


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("too short", "password_too_short"),
        ("ada@alpha.example", "password_guessable"),
        ("AlphaAlphaAlpha2026", "password_guessable"),  # the organization's name
        ("passwordpassword", "password_guessable"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(client, alpha, new: str, code: str) -> None:
    answer = change(client, alpha.headers, new=new)
    found = problem(answer, 422, "validation_failed")
    assert [(e["pointer"], e["code"]) for e in found["errors"]] == [("#/new_password", code)]
    assert new not in answer.text
    assert log_in(client, alpha.email, PASSWORD).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"new_password": NEW},
        {"new_password": NEW, "old_password": PASSWORD, "token": "A" * 43},
        {"old_password": PASSWORD},
        {"new_password": NEW, "token": "short"},
        {"new_password": "x" * 1025, "old_password": PASSWORD},
        {"new_password": "x\0" * 10, "old_password": PASSWORD},
        {"new_password": NEW, "old_password": PASSWORD, "user_id": "x"},
    ],
)
def test_a_malformed_body_is_refused_unechoed(client, alpha, body: dict[str, Any]) -> None:
    answer = client.post("/v1/auth/password", headers=alpha.headers, json=body)
    problem(answer, 422, "validation_failed")
    assert NEW not in answer.text


def test_without_an_access_token_the_old_password_is_not_enough(client, alpha) -> None:
    problem(change(client, {}), 401, "unauthenticated")


def test_an_invited_person_sets_the_password_once_and_is_in(client, alpha, invited) -> None:
    assert redeem(client, invited).status_code == 204
    problem(redeem(client, invited, "another phrase of words"), 401, "invalid_one_time_token")
    login = log_in(client, "grace@alpha.example", NEW)
    assert [o["role"] for o in login.json()["user"]["organizations"]] == ["user"]
    members = client.get(f"/v1/organizations/{alpha.id}/members", headers=alpha.headers).json()
    assert {m["email"]: m["status"] for m in members["members"]}["grace@alpha.example"] == "active"


def test_a_refused_password_does_not_use_the_token_up(client, invited) -> None:
    weak = redeem(client, invited, "grace hopper 2026")
    assert problem(weak, 422, "validation_failed")["errors"][0]["code"] == "password_guessable"
    assert redeem(client, invited).status_code == 204


def test_of_two_at_once_one_sets_the_password(client, invited) -> None:
    phrases = [f"neon giraffe paints quietly {n}" for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda p: redeem(client, invited, p).status_code, phrases))
    assert sorted(answers)[0] == 204
    assert set(sorted(answers)[1:]) <= {401, 409}  # used, or overtaken by the account
    [winner] = [p for p, status in zip(phrases, answers, strict=True) if status == 204]
    assert log_in(client, "grace@alpha.example", winner).status_code == 200


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE one_time_tokens SET expires_at = now()",
        "UPDATE users SET deleted_at = now() WHERE email LIKE 'ada@%'",
        "UPDATE users SET disabled_at = now() WHERE email LIKE 'ada@%'",
        "DELETE FROM one_time_tokens",
    ],
)
def test_a_token_that_is_over_is_as_good_as_none(
    client, alpha, settings, admin_engine, statement: str
) -> None:
    reset, _ = reset_password(settings, alpha.email)
    with admin_engine.begin() as connection:
        connection.execute(text(statement))
    bodies = []
    for token in (reset, "A" * 43):
        body = problem(redeem(client, token), 401, "invalid_one_time_token")
        bodies.append({k: v for k, v in body.items() if k != "request_id"})
    assert bodies[0] == bodies[1]


def test_invitations_live_for_72_hours_and_resets_for_one(
    client, alpha, invited, settings, admin_engine
) -> None:
    def lives(table: str) -> list[float]:
        with admin_engine.connect() as connection:
            query = f"SELECT extract(epoch FROM expires_at - created_at) / 3600 FROM {table}"
            return [round(float(hours), 1) for hours in connection.scalars(text(query))]

    assert lives("invitations") == [72.0]
    reset_password(settings, alpha.email)
    assert lives("one_time_tokens") == [1.0]


def test_a_reset_by_the_operator_ends_every_session(client, alpha, settings) -> None:
    old, _ = reset_password(settings, " ADA@alpha.example")
    token, _ = reset_password(settings, alpha.email)
    assert log_in(client, alpha.email, PASSWORD).status_code == 200  # nobody is locked out yet
    problem(redeem(client, old), 401, "invalid_one_time_token")
    assert redeem(client, token).status_code == 204
    problem(client.get("/v1/auth/me", headers=alpha.headers), 401, "unauthenticated")
    problem(log_in(client, alpha.email, PASSWORD), 401, "invalid_credentials")
    assert log_in(client, alpha.email, NEW).status_code == 200


def test_a_change_kills_a_reset_that_is_under_way(client, alpha, settings) -> None:
    token, _ = reset_password(settings, alpha.email)
    assert change(client, alpha.headers).status_code == 204
    problem(redeem(client, token), 401, "invalid_one_time_token")


def test_a_login_that_a_change_overtakes_is_refused(
    client, alpha, admin_engine, monkeypatch
) -> None:
    # verified with the old password, it would begin a session after the others were ended, and
    # the renewal of a weak hash would even bring the old password back
    passwords = client.app.state.services.passwords
    verify = passwords.verify

    def slow(stored_hash: str | None, password: str) -> bool:
        right = bool(verify(stored_hash, password))
        with admin_engine.begin() as connection:
            connection.execute(text("UPDATE users SET password_hash = 'another'"))
        return right

    monkeypatch.setattr(passwords, "verify", slow)
    problem(log_in(client, alpha.email, PASSWORD), 401, "invalid_credentials")
    with admin_engine.connect() as connection:
        assert connection.scalar(text("SELECT password_hash FROM users")) == "another"


def test_there_is_no_reset_for_nobody(client, alpha, settings) -> None:
    with pytest.raises(NotFound):
        reset_password(settings, "nobody@alpha.example")


def test_guessing_tokens_is_throttled_by_address(client, alpha, invited) -> None:
    for _ in range(20):
        problem(redeem(client, "A" * 43), 401, "invalid_one_time_token")
    problem(redeem(client, invited), 429, "too_many_attempts")


def test_the_own_logins_are_listed_and_ended(client, world, alpha) -> None:
    other = log_in(client, alpha.email, PASSWORD)
    gone = log_in(client, alpha.email, PASSWORD)
    client.post("/v1/auth/logout", headers=bearer(gone))
    world.person("carl@alpha.example", (alpha.id, Role.USER))
    query = {"include": "total", "limit": 1}
    first = client.get("/v1/auth/sessions", headers=alpha.headers, params=query).json()
    assert first["pagination"]["total"] == 2
    query["cursor"] = first["pagination"]["next_cursor"]
    second = client.get("/v1/auth/sessions", headers=alpha.headers, params=query).json()
    listed = first["sessions"] + second["sessions"]
    assert [one["current"] for one in listed] == [False, True]  # the newest first
    where = f"/v1/auth/sessions/{listed[0]['id']}"
    assert client.delete(where, headers=alpha.headers).status_code == 204
    problem(client.get("/v1/auth/me", headers=bearer(other)), 401, "unauthenticated")
    problem(client.delete(where, headers=alpha.headers), 404, "not_found")


def test_a_refreshed_login_is_one_login(client, alpha) -> None:
    token = log_in(client, alpha.email, PASSWORD).json()["refresh_token"]
    renewed = client.post("/v1/auth/refresh", json={"refresh_token": token})
    listed = client.get("/v1/auth/sessions", headers=bearer(renewed)).json()["sessions"]
    assert len(listed) == 2  # and the fixture's
    current = next(one for one in listed if one["current"])
    assert current["last_used_at"] >= current["created_at"]
