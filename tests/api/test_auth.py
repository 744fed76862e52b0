"""Logins, refresh chains, sessions."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlalchemy import Engine, text

from api.security import AccessTokens
from core.derivation import derive_key
from core.errors import Unauthenticated
from core.permissions import Role

PASSWORD = "a pass phrase of several words"


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return dict(answer.json())


def log_in(client, email: str, password: str = PASSWORD):
    return client.post("/v1/auth/login", json={"email": email, "password": password})


def test_a_login_returns_both_tokens_and_the_profile(client, alpha) -> None:
    answer = log_in(client, " ADA@alpha.example ")
    body = answer.json()
    assert answer.status_code == 200
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert body["refresh_expires_in"] == 7 * 24 * 3600
    assert body["user"]["email"] == "ada@alpha.example"
    assert body["user"]["organizations"] == [
        {"id": str(alpha.id), "name": "Alpha", "role": "admin"}
    ]
    assert answer.headers["cache-control"] == "no-store"


def test_wrong_mail_and_wrong_password_cannot_be_told_apart(client, alpha) -> None:
    wrong_password = log_in(client, alpha.email, "something else")
    wrong_mail = log_in(client, "nobody@alpha.example", "something else")
    bodies = [problem(a, 401, "invalid_credentials") for a in (wrong_password, wrong_mail)]
    assert wrong_mail.headers["cache-control"] == "no-store"
    for body in bodies:
        del body["request_id"]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("column", ["disabled_at", "deleted_at"])
def test_a_disabled_or_deleted_user_is_out_at_once(client, alpha, admin_engine, column) -> None:
    assert client.get("/v1/auth/me", headers=alpha.headers).status_code == 200
    with admin_engine.begin() as connection:
        connection.execute(text(f"UPDATE users SET {column} = now()"))
    problem(client.get("/v1/auth/me", headers=alpha.headers), 401, "unauthenticated")
    problem(log_in(client, alpha.email), 401, "invalid_credentials")


@pytest.mark.parametrize(
    "body",
    [
        {"email": "a@b.example"},
        {"email": "a@b.example", "password": "x" * 1025},
        {"email": "a\0@b.example", "password": "x"},
        {"email": "a@b.example", "password": "x", "admin": True},
        {"email": ["a"], "password": "x"},
        [],
        "text",
    ],
)
def test_a_malformed_login_is_422_and_echoes_nothing(client, world, body) -> None:
    answer = client.post("/v1/auth/login", json=body)
    found = problem(answer, 422, "validation_failed")
    assert found["errors"]
    assert "b.example" not in answer.text
    assert "xxxx" not in answer.text


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b'{"email": "a@b.example", "password": NaN}', 400),
        (b'{"email": "a@b.example", "password": 1e999}', 422),
        (b'{"email": "a@b.example", "password": "\\ud800"}', 422),
        (b'{"email": "a@b.example", "password": "\\u0000"}', 422),
        (b'{"email": "a@b.example", "password": ' + b"1" * 5000 + b"}", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 10_000, 400),
    ],
)
def test_json_that_breaks_parsers_is_the_callers_fault(client, world, raw, status) -> None:
    answer = client.post(
        "/v1/auth/login", content=raw, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_login_that_is_not_json_is_415(client, world) -> None:
    problem(client.post("/v1/auth/login", data={"email": "a"}), 415, "unsupported_media_type")


def test_five_failures_are_free_then_the_account_waits(client, alpha) -> None:
    # the fifth failure sets the first wait, of 1 s
    for _ in range(5):
        problem(log_in(client, alpha.email, "wrong"), 401, "invalid_credentials")
    answer = log_in(client, alpha.email)
    problem(answer, 429, "too_many_attempts")
    assert 1 <= int(answer.headers["retry-after"]) <= 2


def test_an_unknown_account_is_throttled_just_the_same(client, world) -> None:
    for _ in range(5):
        problem(log_in(client, "nobody@alpha.example"), 401, "invalid_credentials")
    problem(log_in(client, "nobody@alpha.example"), 429, "too_many_attempts")


def test_a_throttled_place_opens_again_and_forgets_after_success(
    client, alpha, admin_engine
) -> None:
    for _ in range(5):
        log_in(client, alpha.email, "wrong")
    with admin_engine.begin() as connection:
        connection.execute(
            text("UPDATE login_throttles SET blocked_until = now() - interval '1 s'")
        )
    assert log_in(client, alpha.email).status_code == 200
    for _ in range(5):
        problem(log_in(client, alpha.email, "wrong"), 401, "invalid_credentials")


def test_the_wait_grows_to_a_quarter_of_an_hour_and_no_further(client, alpha, admin_engine) -> None:
    log_in(client, alpha.email, "wrong")
    with admin_engine.begin() as connection:
        connection.execute(text("UPDATE login_throttles SET failures = 1000"))
    log_in(client, alpha.email, "wrong")
    answer = log_in(client, alpha.email)
    problem(answer, 429, "too_many_attempts")
    assert 895 <= int(answer.headers["retry-after"]) <= 901


def test_a_refresh_rotates_both_tokens(client, alpha) -> None:
    first = log_in(client, alpha.email).json()
    second = client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert second.headers["cache-control"] == "no-store"
    bearer = {"Authorization": f"Bearer {second.json()['access_token']}"}
    assert client.get("/v1/auth/me", headers=bearer).status_code == 200


def test_the_same_refresh_within_ten_seconds_returns_the_same_child(client, alpha) -> None:
    token = log_in(client, alpha.email).json()["refresh_token"]
    children = [
        client.post("/v1/auth/refresh", json={"refresh_token": token}).json()["refresh_token"]
        for _ in range(2)
    ]
    assert children[0] == children[1]
    assert client.post("/v1/auth/refresh", json={"refresh_token": children[0]}).status_code == 200


def test_an_old_refresh_token_ends_the_whole_family(client, alpha, admin_engine: Engine) -> None:
    first = log_in(client, alpha.email).json()
    second = client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]}).json()
    with admin_engine.begin() as connection:
        connection.execute(text("UPDATE refresh_tokens SET used_at = used_at - interval '11 s'"))
    again = client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    problem(again, 401, "invalid_refresh_token")
    child = client.post("/v1/auth/refresh", json={"refresh_token": second["refresh_token"]})
    problem(child, 401, "invalid_refresh_token")
    bearer = {"Authorization": f"Bearer {second['access_token']}"}
    problem(client.get("/v1/auth/me", headers=bearer), 401, "unauthenticated")


def test_a_grandparent_has_no_grace(client, alpha) -> None:
    first = log_in(client, alpha.email).json()["refresh_token"]
    second = client.post("/v1/auth/refresh", json={"refresh_token": first}).json()["refresh_token"]
    third = client.post("/v1/auth/refresh", json={"refresh_token": second}).json()["refresh_token"]
    problem(
        client.post("/v1/auth/refresh", json={"refresh_token": first}),
        401,
        "invalid_refresh_token",
    )
    problem(
        client.post("/v1/auth/refresh", json={"refresh_token": third}),
        401,
        "invalid_refresh_token",
    )


def test_reuse_in_one_session_leaves_the_users_other_sessions_alone(client, alpha) -> None:
    other = log_in(client, alpha.email).json()["refresh_token"]
    first = log_in(client, alpha.email).json()["refresh_token"]
    second = client.post("/v1/auth/refresh", json={"refresh_token": first}).json()["refresh_token"]
    client.post("/v1/auth/refresh", json={"refresh_token": second})
    client.post("/v1/auth/refresh", json={"refresh_token": first})
    assert client.post("/v1/auth/refresh", json={"refresh_token": other}).status_code == 200


def test_an_expired_or_unknown_refresh_token_is_refused(client, alpha, admin_engine) -> None:
    token = log_in(client, alpha.email).json()["refresh_token"]
    with admin_engine.begin() as connection:
        connection.execute(text("UPDATE refresh_tokens SET expires_at = now()"))
    for refused in (token, "A" * 43):
        answer = client.post("/v1/auth/refresh", json={"refresh_token": refused})
        problem(answer, 401, "invalid_refresh_token")


def test_only_the_hash_of_a_refresh_token_is_stored(client, alpha, admin_engine) -> None:
    token = log_in(client, alpha.email).json()["refresh_token"]
    with admin_engine.connect() as connection:
        stored = connection.scalars(text("SELECT token_sha256 FROM refresh_tokens")).all()
    assert hashlib.sha256(token.encode()).digest() in [bytes(value) for value in stored]


def test_after_logout_the_access_token_is_dead_at_once(client, alpha) -> None:
    assert client.post("/v1/auth/logout", headers=alpha.headers).status_code == 204
    problem(client.get("/v1/auth/me", headers=alpha.headers), 401, "unauthenticated")
    problem(client.get("/v1/files", headers=alpha.headers), 401, "unauthenticated")


def test_me_shows_role_projects_and_features(client, world, alpha) -> None:
    project = world.project(alpha.id, "Fleet")
    world.project(alpha.id, "Offices")
    limited = world.person(
        "vi@alpha.example", (alpha.id, Role.VIEWER), permissions={"projects": [str(project)]}
    )
    [organization] = client.get("/v1/auth/me", headers=limited).json()["organizations"]
    assert organization["role"] == "viewer"
    assert organization["projects"] == [{"id": str(project), "name": "Fleet"}]
    assert organization["features"]["read"] is True
    assert organization["features"]["upload_files"] is False
    [whole] = client.get("/v1/auth/me", headers=alpha.headers).json()["organizations"]
    assert [p["name"] for p in whole["projects"]] == ["Fleet", "Offices"]
    assert whole["features"]["manage_members"] is True


def test_a_role_changes_with_the_next_request(client, alpha, admin_engine) -> None:
    with admin_engine.begin() as connection:
        connection.execute(text("UPDATE user_organization_roles SET role = 'viewer'"))
    answer = client.post("/v1/files", headers=alpha.headers, files={"file": ("a.csv", b"a,b")})
    problem(answer, 403, "permission_denied")


def test_without_a_token_the_answer_says_how_to_authenticate(client, world) -> None:
    answer = client.get("/v1/auth/me")
    problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


SECRET = b"0123456789-abcdefghijklmnop-secret"
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def forged(header: dict[str, Any], claims: dict[str, Any], key: OctKey) -> str:
    return jwt.encode(header, claims, key, ["HS256", "HS512"])


@pytest.fixture
def genuine(settings) -> dict[str, Any]:
    """The parts of a token that this deployment would issue."""
    tokens = AccessTokens([settings.secret_key.get_secret_value().encode()])
    now = dt.datetime.now(dt.UTC)
    token = tokens.issue(uuid4(), uuid4(), now)
    key = OctKey.import_key(
        derive_key(settings.secret_key.get_secret_value().encode(), "access-token")
    )
    decoded = jwt.decode(token, key, ["HS256"])
    tokens.read(token)
    return {"header": decoded.header, "claims": decoded.claims, "key": key, "tokens": tokens}


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"typ": "JWT"}, {}),
        ({"typ": "rt+jwt"}, {}),
        ({"alg": "HS512"}, {}),
        ({"kid": "0" * 16}, {}),
        ({}, {"exp": 1}),
        ({}, {"exp": None}),
        ({}, {"aud": "another"}),
        ({}, {"iss": "another"}),
        ({}, {"sub": "not-a-uuid"}),
        ({}, {"sid": None}),
        ({}, {"iat": 32503680000}),
    ],
)
def test_a_token_that_differs_in_any_part_is_refused(genuine, header, claims) -> None:
    changed = {k: v for k, v in (genuine["claims"] | claims).items() if v is not None}
    token = forged(genuine["header"] | header, changed, genuine["key"])
    with pytest.raises(Unauthenticated):
        genuine["tokens"].read(token)


def test_a_rotated_key_still_verifies_and_no_longer_signs() -> None:
    user_id, session_id, now = uuid4(), uuid4(), dt.datetime.now(dt.UTC)
    old = AccessTokens([SECRET]).issue(user_id, session_id, now)
    both = AccessTokens([b"another" + SECRET, SECRET])
    assert both.read(old).user_id == user_id
    with pytest.raises(Unauthenticated):
        AccessTokens([SECRET]).read(both.issue(user_id, session_id, now))


@pytest.mark.parametrize("known", [True, False])
def test_known_and_unknown_addresses_cost_exactly_one_verification(
    client, alpha, monkeypatch, known
) -> None:
    # equal time by construction: one argon2 run with the same parameters, whoever asks
    passwords = client.app.state.services.passwords
    runs: list[str | None] = []
    verify = passwords.verify

    def counted(stored_hash: str | None, password: str) -> bool:
        runs.append(stored_hash)
        return bool(verify(stored_hash, password))

    monkeypatch.setattr(passwords, "verify", counted)
    problem(log_in(client, alpha.email if known else "no@x.example", "wrong"), 401,
            "invalid_credentials")  # fmt: skip
    assert len(runs) == 1
    assert (runs[0] is not None) is known


def test_a_hash_of_weaker_parameters_is_renewed_by_the_login(client, alpha, admin_engine) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash(PASSWORD)
    with admin_engine.begin() as connection:
        connection.execute(text("UPDATE users SET password_hash = :h"), {"h": weak})
    assert log_in(client, alpha.email).status_code == 200
    with admin_engine.connect() as connection:
        renewed = connection.scalar(text("SELECT password_hash FROM users"))
    assert "m=64," in renewed
    assert log_in(client, alpha.email).status_code == 200


def test_composed_and_decomposed_letters_are_the_same_password(settings) -> None:
    from runtime.passwords import Passwords

    passwords = Passwords(settings)
    stored = passwords.hash("café au lait d'été")
    assert passwords.verify(stored, "cafe\u0301 au lait d'e\u0301te\u0301")
    assert not passwords.verify(stored, "cafe au lait d'ete")
    assert not passwords.verify("not a hash", "x")
    assert not passwords.verify(None, "nobody has this password")
