"""An organization, a provider process, and a browser between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.api.conftest import Tenant
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


def people(admin_engine: Any) -> set[str]:
    with admin_engine.connect() as reading:
        return set(reading.scalars(text("SELECT email FROM users")))


@pytest.fixture
def hostile() -> Iterator[Provider]:
    """The provider of another organization's admin, who wrote its program as well."""
    with running_provider() as provider:
        yield provider


def client_sees(client: TestClient, tokens: Any) -> list[str]:
    me = client.get("/v1/auth/me", headers=bearer(tokens)).json()
    return [one["id"] for one in me["organizations"]]
