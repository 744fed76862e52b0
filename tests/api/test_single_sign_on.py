"""Signing on through a real provider process, one that is honest and one that is not."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlmodel import Session

from api import sign_on, throttles
from api.app import create_app
from api.providers import Providers
from core.egress import EgressPolicy
from core.permissions import Role
from db.queries import single_sign_on as queries
from db.queries.single_sign_on import Person, Standing
from runtime.adapters.provider_http import ProviderTransport
from runtime.users_cli import reset_password
from tests.api.conftest import Tenant, problem
from tests.sign_on_provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider

ADA: dict[str, Any] = {
    "sub": "ada-1",
    "email": "Ada@alpha.example",
    "email_verified": True,
    "given_name": "Ada",
    "family_name": "Byron",
}
NEW = ADA | {"sub": "new-1", "email": "new@alpha.example", "given_name": "Nell"}
TIMEOUT_S = 5.0  # a busy machine needs two for what is meant to be answered at once


@pytest.fixture(scope="module")
def process() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(process: Provider) -> Provider:
    process.behave(claims=ADA)
    return process


@pytest.fixture
def api_settings(settings: Any) -> Any:
    """As the tests' provider needs it: plain HTTP on this machine."""
    return settings.model_copy(
        update={
            "egress_allow_private": True,
            "public_url": "http://testserver",
            "sso_timeout_s": TIMEOUT_S,
        }
    )


def connection(provider: Provider, **changed: Any) -> dict[str, Any]:
    return {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "allowed_domains": ["alpha.example"],
    } | changed


def url_of(organization_id: UUID) -> str:
    return f"/v1/organizations/{organization_id}/single-sign-on"


def connect(client: TestClient, tenant: Tenant, provider: Provider, **changed: Any) -> Any:
    answer = client.put(
        url_of(tenant.id), headers=tenant.headers, json=connection(provider, **changed)
    )
    assert answer.status_code == 200, answer.text
    provider.register(answer.json()["redirect_uri"])
    return answer


def begin(client: TestClient, organization_id: UUID, **params: Any) -> Any:
    return client.get(
        f"/v1/auth/sso/{organization_id}/login", params=params, follow_redirects=False
    )


def back(client: TestClient, url: str) -> Any:
    """Follow a browser from the provider to us."""
    return client.get(url.removeprefix("http://testserver"), follow_redirects=False)


def sign_in(client: TestClient, organization_id: UUID, provider: Provider, **params: Any) -> Any:
    """Go the whole way; return the last answer."""
    sent = begin(client, organization_id, **params)
    assert sent.status_code == 302, sent.text
    return back(client, provider.authorize(sent.headers["location"]))


def bearer(tokens: Any) -> dict[str, str]:
    assert tokens.status_code == 200, tokens.text
    return {"Authorization": f"Bearer {tokens.json()['access_token']}"}


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


# -- what is refused -----------------------------------------------------------------------------


def test_another_state_and_another_browser_are_refused(client, alpha, provider) -> None:
    connect(client, alpha, provider)
    url = provider.authorize(begin(client, alpha.id).headers["location"])
    provider.behave(claims=ADA)
    state = parse_qs(urlsplit(url).query)["state"][0]
    problem(back(client, url.replace(state, "x" * len(state))), 400, "sso_state_invalid")
    client.cookies.clear()
    problem(back(client, url), 400, "sso_state_invalid")
    client.cookies.set(sign_on.COOKIE, "AAAA", path=f"/v1/auth/sso/{alpha.id}")
    problem(back(client, url), 400, "sso_state_invalid")
    assert "/token" not in provider.seen()


def test_a_cookie_is_good_for_ten_minutes(client, alpha, provider, monkeypatch) -> None:
    connect(client, alpha, provider)
    url = provider.authorize(begin(client, alpha.id).headers["location"])
    monkeypatch.setattr(sign_on, "LASTS_S", -1)
    problem(back(client, url), 400, "sso_state_invalid")


def test_a_replayed_answer_is_refused_and_its_provider_not_asked_again(
    client, alpha, provider
) -> None:
    connect(client, alpha, provider)
    url = provider.authorize(begin(client, alpha.id).headers["location"])
    cookie = client.cookies[sign_on.COOKIE]
    assert back(client, url).status_code == 200
    problem(back(client, url), 400, "sso_state_invalid")
    client.cookies.set(sign_on.COOKIE, cookie, path=f"/v1/auth/sso/{alpha.id}")
    problem(back(client, url), 400, "sso_state_invalid")
    assert provider.seen().count("/token") == 1


def test_a_state_nobody_gave_asks_the_provider_nothing(client, alpha, provider) -> None:
    connect(client, alpha, provider)
    url = provider.authorize(begin(client, alpha.id).headers["location"])
    provider.behave(claims=ADA)
    for state in ("", "x", "%00", "%C3%BC"):
        problem(back(client, f"{url}&state={state}"), 400, "sso_state_invalid")
        problem(back(client, f"{urlsplit(url).path}?state={state}"), 400, "sso_state_invalid")
    assert provider.seen() == []


def test_an_address_begins_and_ends_only_so_many_sign_ons(
    client, alpha, provider, monkeypatch
) -> None:
    connect(client, alpha, provider)
    monkeypatch.setattr(throttles, "SIGN_ON_REQUESTS_OF_ADDRESS", 3)
    monkeypatch.setattr(throttles, "SIGN_ON_REQUEST_BACK_EACH", dt.timedelta(hours=1))
    assert sign_in(client, alpha.id, provider).status_code == 200
    came = provider.authorize(begin(client, alpha.id).headers["location"])
    body = {"code": "x" * 43, "verifier": "x" * 43}
    for refused in (
        begin(client, alpha.id),
        back(client, came),
        client.post("/v1/auth/sso/token", json=body),
    ):
        problem(refused, 429, "too_many_attempts")
        assert int(refused.headers["retry-after"]) > 3000


def test_a_code_of_another_browsers_sign_on_fails_by_pkce(
    client, alpha, provider, api_settings, storage, pipeline
) -> None:
    connect(client, alpha, provider)
    other = provider.authorize(begin(client, alpha.id).headers["location"])
    stolen = parse_qs(urlsplit(other).query)
    client.cookies.clear()
    mine = provider.authorize(begin(client, alpha.id).headers["location"])
    code = parse_qs(urlsplit(mine).query)["code"][0]
    problem(back(client, mine.replace(code, stolen["code"][0])), 401, "sso_token_invalid")


@pytest.mark.parametrize(
    "behaviour",
    [
        {"nonce": "another"},
        {"forged": {"nonce": None}},
        {"forged": {"aud": "another-client"}},
        {"forged": {"aud": ["another-client", "third"]}},
        {"forged": {"aud": None}},
        {"forged": {"azp": "another-client"}},
        {"forged": {"iss": "https://another.example"}},
        {"forged": {"iss": None}},
        {"forged": {"exp": 1_600_000_000}},
        {"forged": {"exp": None}},
        {"forged": {"iat": 4_000_000_000}},
        {"forged": {"nbf": 4_000_000_000}},
        {"forged": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
        {"forged": {"sub": None}},
        {"forged": {"sub": ""}},
        {"forged": {"sub": 7}},
        {"forged": {"sub": "a\0b"}},
        {"forged": {"sub": "x" * 256}},
        {"signed": "none"},
        {"signed": "secret"},
        {"signed": "public"},
        {"signed": "other"},
        {"signed": "missing"},
    ],
    ids=str,
)
def test_an_id_token_that_differs_in_any_part_is_refused(
    client, alpha, provider, admin_engine, behaviour
) -> None:
    connect(client, alpha, provider)
    provider.behave(claims=NEW, **behaviour)
    problem(sign_in(client, alpha.id, provider), 401, "sso_token_invalid")
    assert people(admin_engine) == {alpha.email}


def people(admin_engine: Any) -> set[str]:
    with admin_engine.connect() as reading:
        return set(reading.scalars(text("SELECT email FROM users")))


@pytest.mark.parametrize("verified", [False, None, "true", 1, "yes"])
def test_a_mail_address_that_is_not_verified_is_refused(
    client, alpha, provider, admin_engine, verified
) -> None:
    connect(client, alpha, provider)
    provider.behave(claims=NEW, forged={"email_verified": verified})
    problem(sign_in(client, alpha.id, provider), 403, "sso_email_unverified")
    assert people(admin_engine) == {alpha.email}


@pytest.mark.parametrize(
    "email",
    [
        "bob@beta.example",
        "ada@sub.alpha.example",
        "ada@alpha.example.evil.example",
        "ada@evil.example@alpha.example",
        "ada@alpha.example@evil.example",
        "ada@xalpha.example",
        "ada@ɑlpha.example",
        "ada\n@alpha.example",
        "ada\u200b@alpha.example",
        "@alpha.example",
        "alpha.example",
        ["ada@alpha.example"],
        None,
    ],
)
def test_a_mail_address_of_another_domain_is_refused(
    client, alpha, provider, admin_engine, email
) -> None:
    connect(client, alpha, provider)
    provider.behave(claims=NEW, forged={"email": email})
    problem(sign_in(client, alpha.id, provider), 403, "sso_domain_not_allowed")
    assert people(admin_engine) == {alpha.email}


def test_a_provider_that_says_no_is_reported_without_its_words(client, alpha, provider) -> None:
    connect(client, alpha, provider)
    begin(client, alpha.id)
    answer = back(
        client, f"/v1/auth/sso/{alpha.id}/callback?error=<script>&error_description=words"
    )
    problem(answer, 403, "sso_denied")
    assert "script" not in answer.text
    assert "words" not in answer.text


def test_an_answer_that_names_another_issuer_is_refused(client, alpha, provider) -> None:
    connect(client, alpha, provider)
    url = provider.authorize(begin(client, alpha.id).headers["location"])
    problem(back(client, url + "&iss=https://another.example"), 400, "sso_state_invalid")


# -- one organization's provider and the others --------------------------------------------------


@pytest.fixture
def victim(world, alpha, beta) -> UUID:
    """Somebody with a password, of Beta alone."""
    world.person("victim@beta.example", (beta.id, Role.ADMIN))
    return world.user_id("victim@beta.example")


def test_a_hostile_provider_cannot_sign_on_as_anothers_member(
    client, world, alpha, beta, victim, provider, admin_engine
) -> None:
    # Alpha's admin claims Beta's domain and lets their own provider say whatever they like
    connect(client, alpha, provider, allowed_domains=["beta.example"])
    before = memberships(admin_engine)
    for email in ("victim@beta.example", " VICTIM@Beta.Example ", beta.email):
        provider.behave(claims=ADA | {"sub": email, "email": email})
        problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")
    assert memberships(admin_engine) == before
    with admin_engine.connect() as reading:
        assert reading.scalar(text("SELECT count(*) FROM sso_identities")) == 0
        made_by_password = reading.scalar(text(
            "SELECT count(*) FROM sessions WHERE only_organization_id IS NOT NULL"))  # fmt: skip
    assert made_by_password == 0


def memberships(admin_engine: Any) -> set[Any]:
    with admin_engine.connect() as reading:
        return set(
            map(
                tuple,
                reading.execute(
                    text("SELECT user_id, organization_id, role, deleted_at"
                         " FROM user_organization_roles")
                ),
            )
        )  # fmt: skip


def test_a_member_of_both_sees_only_the_organization_whose_provider_vouched(
    client, world, alpha, beta, victim, provider, admin_engine
) -> None:
    # even made a member of Alpha, the victim's account opens nothing of Beta through Alpha
    with world.engine.begin() as connection_:
        connection_.execute(
            text("INSERT INTO user_organization_roles (organization_id, user_id, role)"
                 " VALUES (:o, :u, 'viewer')"), {"o": alpha.id, "u": victim},
        )  # fmt: skip
    file_id = world.file(beta.id, "victim@beta.example")
    connect(client, alpha, provider, allowed_domains=["beta.example"])
    provider.behave(claims=ADA | {"sub": "v", "email": "victim@beta.example"})
    answer = sign_in(client, alpha.id, provider)
    headers = bearer(answer)
    assert answer.json()["user"]["id"] == str(victim)
    for shown in (answer.json()["user"], client.get("/v1/auth/me", headers=headers).json()):
        assert [one["id"] for one in shown["organizations"]] == [str(alpha.id)]
    listed = client.get("/v1/organizations?include=total", headers=headers).json()
    assert [one["id"] for one in listed["organizations"]] == [str(alpha.id)]
    assert listed["pagination"]["total"] == 1
    named = headers | {"X-Organization-Id": str(beta.id)}
    problem(client.get("/v1/files", headers=named), 404, "not_found")
    problem(client.get(f"/v1/files/{file_id}", headers=named), 404, "not_found")
    for path in ("", "/decisions", "/single-sign-on"):
        answer = client.get(f"/v1/organizations/{beta.id}{path}", headers=headers)
        problem(answer, 404, "not_found")
    assert client.get("/v1/files", headers=headers).json()["files"] == []  # of Alpha, by default
    # and a refresh does not widen it
    token = sign_in(client, alpha.id, provider).json()["refresh_token"]
    renewed = client.post("/v1/auth/refresh", json={"refresh_token": token})
    assert [o["id"] for o in renewed.json()["user"]["organizations"]] == [str(alpha.id)]
    problem(
        client.get("/v1/files", headers=bearer(renewed) | {"X-Organization-Id": str(beta.id)}),
        404,
        "not_found",
    )
    # while the password goes on to open both
    own = world.log_in("victim@beta.example")
    assert len(client.get("/v1/auth/me", headers=own).json()["organizations"]) == 2


def test_the_same_subject_at_two_organizations_is_two_identities(
    client, alpha, beta, provider
) -> None:
    connect(client, alpha, provider)
    connect(client, beta, provider, allowed_domains=["beta.example"])
    alphas = sign_in(client, alpha.id, provider).json()["user"]
    provider.behave(claims=ADA | {"email": beta.email})  # the same sub
    betas = sign_in(client, beta.id, provider).json()["user"]
    assert alphas["id"] != betas["id"]
    assert [one["id"] for one in betas["organizations"]] == [str(beta.id)]


def test_a_cookie_of_one_organization_does_not_end_anothers_sign_on(
    client, alpha, beta, provider
) -> None:
    connect(client, alpha, provider)
    connect(client, beta, provider, allowed_domains=["beta.example"])
    url = provider.authorize(begin(client, beta.id).headers["location"])
    cookie = client.cookies[sign_on.COOKIE]
    provider.behave(claims=ADA)
    for path in (f"/v1/auth/sso/{alpha.id}", "/"):  # as no browser would: sent to Alpha's callback
        client.cookies.clear()
        client.cookies.set(sign_on.COOKIE, cookie, path=path)
        answer = back(client, url.replace(str(beta.id), str(alpha.id)))
        problem(answer, 400, "sso_state_invalid")
    assert "/token" not in provider.seen()


def test_a_browser_may_be_on_its_way_to_two_organizations(client, alpha, beta, provider) -> None:
    connect(client, alpha, provider)
    connect(client, beta, provider, allowed_domains=["beta.example"])
    alphas = provider.authorize(begin(client, alpha.id).headers["location"])
    begin(client, beta.id)
    assert back(client, alphas).json()["user"]["email"] == alpha.email


@pytest.fixture
def hostile() -> Iterator[Provider]:
    """The provider of another organization's admin, who wrote its program as well."""
    with running_provider() as provider:
        yield provider


def mix_up(provider: Provider, hostile: Provider, asked: str, **changed: str) -> None:
    """Make the hostile provider send browsers to the honest one, as if `asked` had been there."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(asked).query).items()}
    del query["state"]  # of the victim's own sign-on: the hostile provider adds it
    hostile.behave(sends_on=f"{provider.issuer}/authorize", query=query | changed)


def test_no_provider_gets_the_code_of_anothers_people_by_sending_them_there(
    client, alpha, beta, provider, hostile, api_settings, storage, pipeline
) -> None:
    connect(client, alpha, provider)
    connect(client, beta, hostile, allowed_domains=["beta.example"])
    # 1. the attacker begins at Alpha and learns nonce and challenge that fit their own cookie
    attackers = begin(client, alpha.id).headers["location"]
    state = parse_qs(urlsplit(attackers).query)["state"][0]
    mix_up(provider, hostile, attackers)
    with TestClient(create_app(api_settings, storage=storage, pipeline=pipeline)) as victims:
        # 2. a browser that is signed on at Alpha's provider follows Beta's login_url
        sent = begin(victims, beta.id).headers["location"]
        came = provider.authorize(hostile.authorize(sent))
        assert urlsplit(came).path == f"/v1/auth/sso/{alpha.id}/callback"
        # 3. Alpha's provider knows Alpha's callback alone, and there nothing of Beta's counts
        problem(back(victims, came), 400, "sso_state_invalid")
    assert "/token" not in hostile.seen()  # or the attacker would know the code
    # 4. what the attacker can bring instead opens nothing
    stolen = f"/v1/auth/sso/{alpha.id}/callback?code=guessed&state={state}"
    problem(back(client, stolen), 401, "sso_token_invalid")


def test_a_provider_answers_to_no_other_organizations_callback(
    client, alpha, beta, hostile
) -> None:
    with running_provider() as honest:  # where Alpha's callback alone is registered
        honest.behave(claims=ADA)
        connect(client, alpha, honest)
        betas = connect(client, beta, hostile, allowed_domains=["beta.example"]).json()
        attackers = begin(client, alpha.id).headers["location"]
        mix_up(honest, hostile, attackers, redirect_uri=betas["redirect_uri"])
        sent = begin(client, beta.id).headers["location"]
        refused = httpx.get(hostile.authorize(sent))
        assert refused.status_code == 400
        assert "location" not in refused.headers


def test_another_subject_with_a_members_address_is_refused(client, alpha, provider) -> None:
    # the address was given to somebody else at the provider
    connect(client, alpha, provider)
    assert sign_in(client, alpha.id, provider).status_code == 200
    provider.behave(claims=ADA | {"sub": "ada-2"})
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")


def test_a_removed_member_stays_out_until_an_admin_adds_them_again(
    client, world, alpha, provider, admin_engine
) -> None:
    connect(client, alpha, provider)
    provider.behave(claims=NEW)
    headers = bearer(sign_in(client, alpha.id, provider))
    end = "UPDATE user_organization_roles SET deleted_at = {} WHERE user_id = :u"
    new = {"u": world.user_id("new@alpha.example")}
    with admin_engine.begin() as writing:
        writing.execute(text(end.format("now()")), new)
    problem(client.get("/v1/files", headers=headers), 404, "not_found")
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")
    provider.behave(claims=NEW | {"sub": "another"})  # nor as somebody new
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")
    with admin_engine.begin() as writing:
        writing.execute(text(end.format("NULL")), new)
    provider.behave(claims=NEW)
    assert sign_in(client, alpha.id, provider).status_code == 200


def test_an_identity_without_any_membership_is_no_members(
    client, world, alpha, provider, admin_engine
) -> None:
    connect(client, alpha, provider)
    provider.behave(claims=NEW)
    assert sign_in(client, alpha.id, provider).status_code == 200
    user_id = world.user_id("new@alpha.example")
    person = Person(provider.issuer, "new-1", "new@alpha.example")
    with Session(admin_engine) as session:  # whom row-level security hides nothing from
        found = queries.find_connection(session, alpha.id)
        assert found is not None
        known = queries.find_identity(session, alpha.id, found.id, person)
        assert known == (user_id, Standing.MEMBER)
        session.execute(
            text("DELETE FROM user_organization_roles WHERE user_id = :u"), {"u": user_id}
        )
        known = queries.find_identity(session, alpha.id, found.id, person)
        assert known == (user_id, Standing.STRANGER)
        session.commit()
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")


def invite(client: TestClient, tenant: Tenant, email: str) -> str:
    answer = client.post(
        f"/v1/organizations/{tenant.id}/members",
        headers=tenant.headers,
        json={"email": email, "role": "user"},
    )
    return str(answer.json()["invitation"]["token"])


def set_password(client: TestClient, token: str, password: str) -> Any:
    return client.post("/v1/auth/password", json={"token": token, "new_password": password})


def test_the_operator_gives_a_person_the_account_that_another_organization_made(
    client, world, alpha, beta, provider, hostile, api_settings
) -> None:
    # Beta's provider was the first to say the address of somebody whom Alpha has yet to meet
    connect(client, alpha, provider)
    connect(client, beta, hostile, allowed_domains=["alpha.example"])
    hostile.behave(claims=NEW | {"sub": "squatter"})
    squatter = bearer(sign_in(client, beta.id, hostile))
    its, words = invite(client, beta, "new@alpha.example"), "neon giraffe paints quietly"
    assert set_password(client, its, words).status_code == 204
    provider.behave(claims=NEW)
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")
    token = invite(client, alpha, "new@alpha.example")
    problem(set_password(client, token, "violet harbour sings"), 409, "account_exists")
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")
    # no more than an invitation, and what a password opens is not Alpha's until it is accepted
    reset, _ = reset_password(api_settings, "new@alpha.example")
    assert set_password(client, reset, "copper violin under bridges").status_code == 204
    problem(client.get("/v1/auth/me", headers=squatter), 401, "unauthenticated")
    log_in = {"email": "new@alpha.example", "password": words}
    problem(client.post("/v1/auth/login", json=log_in), 401, "invalid_credentials")
    own = bearer(
        client.post("/v1/auth/login", json=log_in | {"password": "copper violin under bridges"})
    )
    assert client.post("/v1/auth/join", headers=own, json={"token": token}).status_code == 200
    assert client_sees(client, sign_in(client, alpha.id, provider)) == [str(alpha.id)]
    assert client_sees(client, sign_in(client, beta.id, hostile)) == [str(beta.id)]
    problem(set_password(client, its, "lemon tractor at midnight"), 401, "invalid_one_time_token")
    where = f"/v1/organizations/{beta.id}/members/{world.user_id('new@alpha.example')}"
    assert client.delete(where, headers=beta.headers).status_code == 200
    theirs = invite(client, beta, "new@alpha.example")  # nor by beginning anew
    problem(set_password(client, theirs, "lemon tractor at midnight"), 409, "account_exists")


@pytest.mark.parametrize("column", ["disabled_at", "deleted_at"])
@pytest.mark.parametrize("bound", [True, False])
def test_a_disabled_or_deleted_account_stays_out(
    client, world, alpha, provider, admin_engine, column, bound
) -> None:
    connect(client, alpha, provider)
    world.person("new@alpha.example", (alpha.id, Role.USER))
    provider.behave(claims=NEW)
    if bound:
        assert sign_in(client, alpha.id, provider).status_code == 200
    with admin_engine.begin() as writing:
        writing.execute(
            text(f"UPDATE users SET {column} = now() WHERE email = 'new@alpha.example'")
        )
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")


@pytest.mark.parametrize(
    "change",
    [
        {"enabled": False},
        {"client_id": "other"},
        {"allowed_domains": ["other.example"]},
        None,
    ],
)
def test_a_connection_that_stands_for_less_ends_its_sessions(
    client, world, alpha, provider, change
) -> None:
    connect(client, alpha, provider)
    provider.behave(claims=NEW)
    answer = sign_in(client, alpha.id, provider)
    headers = bearer(answer)
    if change is None:
        gone = client.delete(url_of(alpha.id), headers=alpha.headers)
        assert gone.status_code == 204
        problem(begin(client, alpha.id), 404, "not_found")
    else:
        connect(client, alpha, provider, **change)
    problem(client.get("/v1/auth/me", headers=headers), 401, "unauthenticated")
    refresh = {"refresh_token": answer.json()["refresh_token"]}
    problem(client.post("/v1/auth/refresh", json=refresh), 401, "invalid_refresh_token")
    assert client.get("/v1/auth/me", headers=alpha.headers).status_code == 200  # by password


def test_a_deleted_connection_keeps_no_secret_and_may_be_made_anew(
    client, alpha, provider, admin_engine
) -> None:
    connect(client, alpha, provider)
    first = sign_in(client, alpha.id, provider).json()["user"]["id"]
    client.delete(url_of(alpha.id), headers=alpha.headers)
    with admin_engine.connect() as reading:
        assert reading.scalar(text("SELECT client_secret FROM sso_connections")) is None
    connect(client, alpha, provider)
    assert sign_in(client, alpha.id, provider).json()["user"]["id"] == first


def test_a_sign_on_on_its_way_ends_with_the_connection(client, alpha, provider) -> None:
    connect(client, alpha, provider)
    url = provider.authorize(begin(client, alpha.id).headers["location"])
    connect(client, alpha, provider, enabled=False)
    problem(back(client, url), 400, "sso_state_invalid")


# -- providers that are away, slow or sent elsewhere ---------------------------------------------


def forget(client: TestClient) -> None:
    """Make the application forget what providers publish."""
    client.app.state.services.providers._remembered.clear()  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        ({"slow_s": TIMEOUT_S + 1}, 503, "unavailable"),
        ({"breaks": 500}, 503, "unavailable"),
        ({"breaks": 429}, 503, "unavailable"),
        ({"breaks": 404}, 502, "sso_provider_unusable"),
        ({"redirects": True}, 502, "sso_provider_unusable"),
        ({"floods": True}, 503, "unavailable"),
        ({"nests": True}, 502, "sso_provider_unusable"),
    ],
    ids=str,
)
def test_a_provider_that_does_not_answer_well_is_no_defect_of_ours(
    client, alpha, provider, path, behaviour, status, code
) -> None:
    connect(client, alpha, provider)
    url = provider.authorize(begin(client, alpha.id).headers["location"])
    forget(client)
    [(name, value)] = behaviour.items()
    said: dict[str, Any] = {"claims": ADA}
    match name:
        case "slow_s":
            said["slow_s"] = {path: value}
        case "breaks":
            said |= {"breaks": [path], "status": value}
        case _:
            said[name] = [path]
    provider.behave(**said)
    answer = back(client, url)
    assert answer.status_code == status, (answer.text, behaviour)
    problem(answer, status, code)
    assert status != 503 or int(answer.headers["retry-after"]) > 0
    assert "/elsewhere" not in provider.seen()


def test_a_provider_that_is_away_is_503_at_every_step(client, alpha) -> None:
    with running_provider() as gone:
        gone.behave(claims=ADA)
        connect(client, alpha, gone)
        url = gone.authorize(begin(client, alpha.id).headers["location"])
    forget(client)
    for answer in (
        back(client, url),
        begin(client, alpha.id),
        client.put(url_of(alpha.id), headers=alpha.headers, json=connection(gone)),
    ):
        problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0


def test_the_words_of_a_document_never_configure_our_client(client, alpha, provider) -> None:
    provider.behave(
        claims=ADA,
        metadata={
            "proxy": "http://127.0.0.1:9", "verify": False, "follow_redirects": True,
            "client_id": "other", "client_secret": "other", "scope": "everything",
            "jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}, "base_url": "http://127.0.0.1:9",
        },
    )  # fmt: skip
    connect(client, alpha, provider)
    assert sign_in(client, alpha.id, provider).status_code == 200


def guarded(client: TestClient, *addresses: str) -> list[str]:
    """Make the application judge addresses as in production; names lead where we say."""
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return [addresses[min(len(asked), len(addresses)) - 1]]

    policy = EgressPolicy(allow_private=False)
    transport = ProviderTransport(policy, resolver=resolver)
    services = client.app.state.services  # type: ignore[attr-defined]
    client.app.state.services = replace(  # type: ignore[attr-defined]
        services, providers=Providers(policy, transport, TIMEOUT_S)
    )
    return asked


@pytest.mark.parametrize(
    "issuer",
    ["http://id.alpha.example", "https://127.0.0.1", "https://[::1]", "https://169.254.169.254",
     "https://10.0.0.1", "https://0x7f.1", "https://id.alpha.example:22"],
)  # fmt: skip
def test_issuers_that_no_stranger_could_call_are_refused(client, alpha, provider, issuer) -> None:
    asked = guarded(client, "127.0.0.1")
    body = connection(provider, issuer=issuer)
    answer = client.put(url_of(alpha.id), headers=alpha.headers, json=body)
    problem(answer, 422, "validation_failed")
    assert asked == []


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1",
                                     "::ffff:127.0.0.1", "64:ff9b::7f00:1"])  # fmt: skip
def test_names_that_lead_inside_are_not_connected_to(client, alpha, provider, address) -> None:
    asked = guarded(client, address)
    body = connection(provider, issuer="https://id.alpha.example")
    answer = client.put(url_of(alpha.id), headers=alpha.headers, json=body)
    problem(answer, 503, "unavailable")
    assert asked == ["id.alpha.example"]
    assert provider.seen() == []


# -- a page that gets a code ---------------------------------------------------------------------

VERIFIER = "a-verifier-that-only-the-page-knows-0123456789"
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)


@pytest.fixture
def with_page(api_settings, storage, pipeline, client, alpha, provider) -> Iterator[TestClient]:
    """A client of a deployment that sends browsers to a page."""
    connect(client, alpha, provider)
    settings = api_settings.model_copy(update={"sso_return_to": "https://app.example/in?a=b"})
    with TestClient(create_app(settings, storage=storage, pipeline=pipeline)) as found:
        yield found


def exchange(client: TestClient, code: str, verifier: str = VERIFIER) -> Any:
    return client.post("/v1/auth/sso/token", json={"code": code, "verifier": verifier})


def test_a_page_gets_a_code_and_never_tokens_in_an_address(with_page, alpha, provider) -> None:
    answer = sign_in(with_page, alpha.id, provider, challenge=CHALLENGE)
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    query = parse_qs(where.query)
    assert f"{where.scheme}://{where.netloc}{where.path}" == "https://app.example/in"
    assert set(query) == {"a", "code"}
    tokens = exchange(with_page, query["code"][0])
    assert client_sees(with_page, tokens) == [str(alpha.id)]
    assert tokens.json()["refresh_expires_in"] == 7 * 24 * 3600
    refresh = {"refresh_token": query["code"][0]}
    problem(with_page.post("/v1/auth/refresh", json=refresh), 401, "invalid_refresh_token")


def client_sees(client: TestClient, tokens: Any) -> list[str]:
    me = client.get("/v1/auth/me", headers=bearer(tokens)).json()
    return [one["id"] for one in me["organizations"]]


def code_for(client: TestClient, alpha: Tenant, provider: Provider) -> str:
    answer = sign_in(client, alpha.id, provider, challenge=CHALLENGE)
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


def test_a_code_needs_the_verifier_of_the_page_that_began(with_page, alpha, provider) -> None:
    code = code_for(with_page, alpha, provider)
    problem(exchange(with_page, code, "x" * 43), 401, "sso_code_invalid")
    problem(exchange(with_page, "A" * 43), 401, "sso_code_invalid")
    assert exchange(with_page, code).status_code == 200


def test_a_code_works_once_and_its_second_use_ends_the_session(
    with_page, alpha, provider, admin_engine
) -> None:
    code = code_for(with_page, alpha, provider)
    tokens = exchange(with_page, code)
    with admin_engine.begin() as writing:
        writing.execute(text("UPDATE refresh_tokens SET used_at = used_at - interval '11 s'"))
    problem(exchange(with_page, code), 401, "sso_code_invalid")
    answer = with_page.get("/v1/auth/me", headers=bearer(tokens))
    problem(answer, 401, "unauthenticated")


def test_a_code_is_good_for_a_minute(with_page, alpha, provider, admin_engine) -> None:
    code = code_for(with_page, alpha, provider)
    with admin_engine.begin() as writing:
        left = writing.scalar(
            text("SELECT max(t.expires_at) - now() FROM refresh_tokens t JOIN sessions s"
                 " ON s.id = t.session_id WHERE s.only_organization_id IS NOT NULL")
        )  # fmt: skip
        assert left.total_seconds() <= 60
        writing.execute(text("UPDATE refresh_tokens SET expires_at = now()"))
    problem(exchange(with_page, code), 401, "sso_code_invalid")


def test_a_challenge_is_needed_exactly_where_there_is_a_page(client, with_page, alpha) -> None:
    problem(begin(with_page, alpha.id), 422, "validation_failed")
    problem(begin(with_page, alpha.id, challenge="short"), 422, "validation_failed")
    problem(begin(client, alpha.id, challenge=CHALLENGE), 422, "validation_failed")
