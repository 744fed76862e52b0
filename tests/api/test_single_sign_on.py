"""Signing on through a real provider process: the connection, and the way through."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from api import sign_on
from api.app import create_app
from core.permissions import Role
from tests.api.conftest import problem
from tests.api.sign_on_kit import (  # noqa: F401  (fixtures)
    NEW,
    api_settings,
    back,
    bearer,
    begin,
    connect,
    connection,
    process,
    provider,
    sign_in,
    url_of,
)
from tests.sign_on_provider import CLIENT_SECRET

# ruff: noqa: F811  (pytest's fixtures are parameters of the same name)


# -- the connection ------------------------------------------------------------------------------


def test_a_connection_is_shown_without_its_secret_which_is_stored_sealed(
    client, alpha, provider, admin_engine
) -> None:
    made = connect(client, alpha, provider, allowed_domains=[" ALPHA.example", "alpha.example"])
    shown = client.get(url_of(alpha.id), headers=alpha.headers)
    assert shown.json() == made.json()
    assert shown.json()["allowed_domains"] == ["alpha.example"]
    assert shown.json()["login_url"] == f"http://testserver/v1/auth/sso/{alpha.id}/login"
    assert shown.json()["redirect_uri"] == f"http://testserver/v1/auth/sso/{alpha.id}/callback"
    assert CLIENT_SECRET not in made.text + shown.text
    with admin_engine.connect() as reading:
        everything = reading.execute(
            text("SELECT c::text, (SELECT string_agg(a::text, ' ') FROM audit_events a)"
                 " FROM sso_connections c")
        ).one()  # fmt: skip
        stored = reading.scalar(text("SELECT client_secret FROM sso_connections"))
    assert CLIENT_SECRET not in " ".join(everything)
    assert CLIENT_SECRET.encode() not in bytes(stored)


def test_only_admins_see_and_set_it(client, world, alpha, provider) -> None:
    manager = world.person("max@alpha.example", (alpha.id, Role.MANAGER))
    for method in ("get", "put", "delete"):
        answer = client.request(
            method, url_of(alpha.id), headers=manager, json=connection(provider)
        )
        problem(answer, 403, "permission_denied")


def test_without_a_connection_there_is_nothing_to_see_delete_or_begin(client, alpha) -> None:
    for method in ("get", "delete"):
        answer = client.request(method, url_of(alpha.id), headers=alpha.headers)
        problem(answer, 404, "not_found")
    for organization_id in (alpha.id, uuid4()):
        problem(begin(client, organization_id), 404, "not_found")


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"issuer": "ftp://x.example"}, "#/issuer"),
        ({"issuer": "https://u:p@x.example"}, "#/issuer"),
        ({"issuer": "https://x.example/?a=b"}, "#/issuer"),
        ({"client_secret": None}, "#/client_secret"),
        ({"allowed_domains": []}, "#/allowed_domains"),
        ({"allowed_domains": ["*.example"]}, "#/allowed_domains/0"),
        ({"allowed_domains": ["alpha.example", "münchen.example"]}, "#/allowed_domains/1"),
        ({"allowed_domains": ["localhost"]}, "#/allowed_domains/0"),
        ({"default_role": "admin"}, "#/default_role"),
        ({"verify": False}, "#/verify"),
    ],
)
def test_a_connection_that_cannot_be_right_is_422(
    client, alpha, provider, changed, pointer
) -> None:
    body = connection(provider, **changed)
    answer = client.put(url_of(alpha.id), headers=alpha.headers, json=body)
    found = problem(answer, 422, "validation_failed")
    assert [fault["pointer"] for fault in found["errors"]] == [pointer]


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://another.example"},
        {"token_endpoint": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": 7},
        {"jwks_uri": None},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
        {"code_challenge_methods_supported": ["plain"]},
    ],
)
def test_a_provider_whose_document_cannot_be_used_is_refused_when_it_is_set(
    client, alpha, provider, metadata
) -> None:
    provider.behave(metadata=metadata)
    answer = client.put(url_of(alpha.id), headers=alpha.headers, json=connection(provider))
    found = problem(answer, 422, "validation_failed")
    assert [fault["code"] for fault in found["errors"]] == ["issuer_unusable"]


def test_the_secret_stays_when_left_out_but_not_for_another_issuer_or_client(
    client, alpha, provider
) -> None:
    connect(client, alpha, provider)
    kept = connection(provider, default_role="viewer")
    del kept["client_secret"]
    changed = client.put(url_of(alpha.id), headers=alpha.headers, json=kept)
    assert changed.json()["default_role"] == "viewer"
    assert sign_in(client, alpha.id, provider).status_code == 200
    for name, value in (("client_id", "other"), ("issuer", provider.issuer + "/")):
        provider.behave(metadata={"issuer": provider.issuer + "/"} if name == "issuer" else {})
        answer = client.put(url_of(alpha.id), headers=alpha.headers, json=kept | {name: value})
        found = problem(answer, 422, "validation_failed")
        assert found["errors"][0]["code"] == "client_secret_required"


# -- the way through -----------------------------------------------------------------------------


def test_a_new_person_signs_on_with_pkce_and_gets_the_default_role(
    client, alpha, provider, admin_engine
) -> None:
    connect(client, alpha, provider, default_role="manager")
    provider.behave(claims=NEW)
    sent = begin(client, alpha.id)
    asked = parse_qs(urlsplit(sent.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["scope"] == ["openid email profile"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    assert CLIENT_SECRET not in sent.headers["location"] + sent.headers["set-cookie"]
    answer = back(client, provider.authorize(sent.headers["location"]))
    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert body["user"]["email"] == "new@alpha.example"
    assert (body["user"]["first_name"], body["user"]["last_name"]) == ("Nell", "Byron")
    assert body["user"]["organizations"] == [
        {"id": str(alpha.id), "name": "Alpha", "role": "manager"}
    ]
    assert client.get("/v1/files", headers=bearer(answer)).status_code == 200
    with admin_engine.connect() as reading:
        events = reading.scalars(text("SELECT action FROM audit_events ORDER BY sequence")).all()
    assert events == ["single_sign_on.added", "member.added", "member.sign_on_bound"]


def test_the_second_time_it_is_the_same_account_whatever_the_mail_address(
    client, alpha, provider
) -> None:
    connect(client, alpha, provider)
    provider.behave(claims=NEW)
    first = sign_in(client, alpha.id, provider).json()["user"]
    provider.behave(claims=NEW | {"email": "married@alpha.example"})
    again = sign_in(client, alpha.id, provider).json()["user"]
    assert again["id"] == first["id"]
    assert again["email"] == "new@alpha.example"


def test_a_member_with_a_password_signs_on_as_themselves(client, world, alpha, provider) -> None:
    connect(client, alpha, provider)
    user = sign_in(client, alpha.id, provider).json()["user"]
    assert user["id"] == str(world.user_id(alpha.email))
    assert user["organizations"][0]["role"] == "admin"
    assert world.log_in(alpha.email)  # the password goes on


def test_an_account_without_a_password_has_none_to_guess(client, alpha, provider) -> None:
    connect(client, alpha, provider)
    provider.behave(claims=NEW)
    assert sign_in(client, alpha.id, provider).status_code == 200
    for guess in ("!", "", " "):
        answer = client.post(
            "/v1/auth/login", json={"email": "new@alpha.example", "password": guess}
        )
        assert answer.status_code in (401, 422)


def test_a_session_is_refreshed_and_ended_like_any_other(client, alpha, provider) -> None:
    connect(client, alpha, provider)
    token = sign_in(client, alpha.id, provider).json()["refresh_token"]
    renewed = client.post("/v1/auth/refresh", json={"refresh_token": token})
    headers = bearer(renewed)
    assert client.post("/v1/auth/logout", headers=headers).status_code == 204
    problem(client.get("/v1/auth/me", headers=headers), 401, "unauthenticated")


def test_the_cookie_is_for_this_way_only_and_goes_when_it_ends(client, alpha, provider) -> None:
    connect(client, alpha, provider)
    sent = begin(client, alpha.id)
    cookie = sent.headers["set-cookie"].lower()
    for part in ("httponly", "samesite=lax", f"path=/v1/auth/sso/{alpha.id};", "max-age=600"):
        assert part in cookie
    assert "secure" not in cookie  # this deployment is plain HTTP
    ended = back(client, provider.authorize(sent.headers["location"]))
    assert "max-age=0" in ended.headers["set-cookie"].lower()
    assert ended.headers["referrer-policy"] == "no-referrer"


def test_over_https_the_cookie_is_secure(
    api_settings, storage, pipeline, clean_database, world, alpha, provider
) -> None:
    settings = api_settings.model_copy(update={"public_url": "https://testserver"})
    connect(world.client, alpha, provider)
    with TestClient(create_app(settings, storage=storage, pipeline=pipeline)) as secure:
        cookie = begin(secure, alpha.id).headers["set-cookie"]
    assert cookie.startswith(f"__Secure-{sign_on.COOKIE}=")
    assert "; Secure" in cookie
