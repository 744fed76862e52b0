"""Answers of a provider, or of somebody in its place, that let nobody in."""

from __future__ import annotations

import datetime as dt
from urllib.parse import parse_qs, urlsplit

import pytest

from api import sign_on, throttles
from tests.api.conftest import problem
from tests.api.sign_on_kit import (  # noqa: F401  (fixtures)
    ADA,
    NEW,
    api_settings,
    back,
    begin,
    connect,
    people,
    process,
    provider,
    sign_in,
)

# ruff: noqa: F811  (pytest's fixtures are parameters of the same name)


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
