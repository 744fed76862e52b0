"""What is shown once stays out of every cache: answers that hold a secret say `no-store`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

SECRET = re.compile(r"(^|_)(secret|token|password|key)$")
HERE = "/v1/organizations/{organization_id}"
WEBHOOK = {"url": "https://hooks.example.org/", "events": ["file.completed"]}
# Operation outside of /v1/auth whose answer shows a secret → the body of a request to it.
SHOWN: dict[str, dict[str, Any] | None] = {
    f"POST {HERE}/members": {"email": "grace@alpha.example", "role": "user"},
    f"POST {HERE}/api-keys": {"name": "Import", "role": "user"},
    f"POST {HERE}/webhooks": WEBHOOK,
    f"POST {HERE}/webhooks/{{webhook_id}}/rotate-secret": None,
}


def secrets_of(document: dict[str, Any], schema: Any, seen: frozenset[str]) -> Iterator[str]:
    """Yield the fields of an answer, at any depth, that are named like a secret."""
    if isinstance(schema, list):
        for part in schema:
            yield from secrets_of(document, part, seen)
    elif isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            yield from secrets_of(document, document["components"]["schemas"][name], seen | {name})
        yield from (field for field in schema.get("properties", {}) if SECRET.search(field))
        for key, part in schema.items():
            if key not in ("examples", "example"):
                yield from secrets_of(document, part, seen)


def showing(document: dict[str, Any]) -> set[str]:
    """Return the operations whose answer to a success shows a secret."""
    return {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for status, told in operation["responses"].items()
        if str(status).startswith("2")
        for media in told.get("content", {}).values()
        if any(secrets_of(document, media.get("schema"), frozenset()))
    }


def test_every_answer_that_shows_a_secret_is_known_here(client) -> None:
    found = showing(client.get("/openapi.json").json())
    below_auth = {name for name in found if " /v1/auth/" in name}
    assert found - below_auth == set(SHOWN)
    assert {"POST /v1/auth/login", "POST /v1/auth/refresh", "POST /v1/auth/sso/token"} <= below_auth


@pytest.mark.parametrize("shown", SHOWN)
def test_an_answer_that_shows_a_secret_is_kept_by_no_cache(client, alpha, shown) -> None:
    method, path = shown.split()
    url = path.replace("{organization_id}", str(alpha.id))
    if "{webhook_id}" in url:
        hooks = f"/v1/organizations/{alpha.id}/webhooks"
        made = client.post(hooks, headers=alpha.headers, json=WEBHOOK).json()
        url = url.replace("{webhook_id}", made["id"])
    answer = client.request(method, url, headers=alpha.headers, json=SHOWN[shown])
    assert answer.status_code in (200, 201), answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers


def test_nothing_below_auth_is_kept_by_any_cache_not_even_an_error(client, alpha) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    asked = 0
    for path, methods in paths.items():
        for method in methods if path.startswith("/v1/auth/") else ():
            url = re.sub(r"\{\w+\}", str(alpha.id), path)
            answer = client.request(method, url, headers=alpha.headers, follow_redirects=False)
            assert answer.headers["cache-control"] == "no-store", (method, path)
            asked += 1
    assert asked >= 11
