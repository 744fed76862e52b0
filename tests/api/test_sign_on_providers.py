"""Providers that are away, slow, wrong, or sent where they must not lead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.providers import Providers
from core.egress import EgressPolicy
from runtime.adapters.provider_http import ProviderTransport
from tests.api.conftest import problem
from tests.api.sign_on_kit import (  # noqa: F401  (fixtures)
    ADA,
    TIMEOUT_S,
    api_settings,
    back,
    begin,
    connect,
    connection,
    process,
    provider,
    sign_in,
    url_of,
)
from tests.sign_on_provider import running_provider

# ruff: noqa: F811  (pytest's fixtures are parameters of the same name)


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
