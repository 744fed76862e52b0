"""Signing on for a page, which gets a code and never tokens."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from api.app import create_app
from tests.api.conftest import Tenant, problem
from tests.api.sign_on_kit import (  # noqa: F401  (fixtures)
    api_settings,
    bearer,
    begin,
    client_sees,
    connect,
    process,
    provider,
    sign_in,
)
from tests.sign_on_provider import Provider

# ruff: noqa: F811  (pytest's fixtures are parameters of the same name)


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
