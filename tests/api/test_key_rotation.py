"""The secret key changes: nothing that was signed before fails while the old one is still named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BytesIO
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from api.app import create_app
from core.permissions import Role
from runtime import wiring
from runtime.passwords import Passwords
from tests.api.conftest import PASSWORD, World, problem

A, B = "the-first-key-0123456789-abcdefghijkl", "the-second-key-zyxwvutsrqponm-987654321"


@pytest.fixture
def restart(api_settings: Any, pipeline: Any, clean_database: None) -> Iterator[Callable[..., Any]]:
    """Return a function that starts the application with a key and previous ones."""
    with ExitStack() as running:

        def start(key: str, *previous: str) -> TestClient:
            settings = api_settings.model_copy(
                update={
                    "secret_key": SecretStr(key),
                    "secret_keys_previous": tuple(SecretStr(one) for one in previous),
                    "public_url": "http://testserver",
                }
            )
            app = create_app(settings, storage=wiring.make_storage(settings), pipeline=pipeline)
            return running.enter_context(TestClient(app))

        yield start


def refresh(client: TestClient, token: str) -> Any:
    return client.post("/v1/auth/refresh", json={"refresh_token": token})


def link_of(client: TestClient) -> str:
    """Return a download link as a finished report would get it."""
    storage: Any = client.app.state.services.storage  # type: ignore[attr-defined]
    storage.put("reports/year.csv", BytesIO(b"kg\n1\n"))
    url: str = storage.signed_url(
        "reports/year.csv", filename="year.csv", content_type="text/csv", expires_s=60
    )
    return url.removeprefix("http://testserver")


@pytest.fixture
def signed(restart: Any, platform_engine: Any, settings: Any) -> dict[str, Any]:
    """What key A signed for a person: tokens, a cursor, a link."""
    client = restart(A)
    world = World(platform_engine, client, Passwords(settings).hash(PASSWORD))
    own = world.organization("Alpha"), world.organization("Beta")
    email = "ada@alpha.example"
    world.person(email, *((one, Role.ADMIN) for one in own))
    tokens = client.post("/v1/auth/login", json={"email": email, "password": PASSWORD}).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    page = client.get("/v1/organizations?limit=1", headers=headers).json()
    return {
        "headers": headers,
        "refresh": tokens["refresh_token"],
        "cursor": page["pagination"]["next_cursor"],
        "link": link_of(client),
        "client": client,
    }


def test_with_the_old_key_named_nothing_fails(restart, signed) -> None:
    client = restart(B, A)
    assert client.get("/v1/auth/me", headers=signed["headers"]).status_code == 200
    params = {"limit": 1, "cursor": signed["cursor"]}
    page = client.get("/v1/organizations", headers=signed["headers"], params=params)
    assert [o["name"] for o in page.json()["organizations"]] == ["Beta"]
    assert client.get(signed["link"]).content == b"kg\n1\n"
    renewed = refresh(client, signed["refresh"])
    assert renewed.status_code == 200
    again = refresh(client, renewed.json()["refresh_token"])
    assert again.status_code == 200


def test_a_refresh_repeated_over_the_change_gets_the_same_child(restart, signed) -> None:
    child = refresh(signed["client"], signed["refresh"]).json()["refresh_token"]
    client = restart(B, A)
    repeated = refresh(client, signed["refresh"])
    assert repeated.json()["refresh_token"] == child
    assert refresh(client, child).status_code == 200


def test_a_repetition_whose_key_is_gone_is_refused_and_ends_nothing(restart, signed) -> None:
    child = refresh(signed["client"], signed["refresh"]).json()["refresh_token"]
    client = restart(B)
    problem(refresh(client, signed["refresh"]), 401, "invalid_refresh_token")
    assert refresh(client, child).status_code == 200


def test_reuse_after_the_grace_ends_the_session_whatever_key(restart, signed, admin_engine) -> None:
    child = refresh(signed["client"], signed["refresh"]).json()["refresh_token"]
    with admin_engine.begin() as connection:
        connection.execute(text("UPDATE refresh_tokens SET used_at = used_at - interval '11 s'"))
    client = restart(B)
    problem(refresh(client, signed["refresh"]), 401, "invalid_refresh_token")
    problem(refresh(client, child), 401, "invalid_refresh_token")


def test_a_process_that_knows_the_next_key_serves_beside_one_that_signs_with_it(
    restart, signed
) -> None:
    ahead, behind = restart(B, A), restart(A, B)
    tokens = refresh(ahead, signed["refresh"]).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert behind.get("/v1/auth/me", headers=headers).status_code == 200
    assert behind.get(link_of(ahead)).status_code == 200
    assert refresh(behind, signed["refresh"]).json()["refresh_token"] == tokens["refresh_token"]


def test_with_the_old_key_dropped_all_it_signed_is_refused_and_sessions_go_on(
    restart, signed
) -> None:
    client = restart(B)
    problem(client.get("/v1/auth/me", headers=signed["headers"]), 401, "unauthenticated")
    problem(client.get(signed["link"]), 404, "not_found")
    renewed = refresh(client, signed["refresh"])
    headers = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    params = {"limit": 1, "cursor": signed["cursor"]}
    page = client.get("/v1/organizations", headers=headers, params=params)
    problem(page, 422, "cursor_invalid")
