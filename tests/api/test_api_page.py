"""docs/api.md names every operation of the API with the least role that may call it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from core.permissions import Role

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
ROW = re.compile(r"^\| ([A-Z, ]+) \| `(/[^`]+)` \| (\S+) \| (.+) \|$", re.M)


def least(operation: dict[str, Any]) -> str:
    """Return who may call an operation, as the page's table says it."""
    roles = [role.value for role in Role if role.value in operation.get("x-roles", [])]
    if roles:
        assert roles == [role.value for role in Role][-len(roles) :], "a role without the next"
        return roles[0]
    return "login" if operation.get("security") else "—"


def test_the_table_of_the_page_is_that_of_the_api(client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    expected = {
        (method.upper(), path.removeprefix("/v1")): least(operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith("/v1/")
    }
    rows = ROW.findall(PAGE.read_text())
    told = {(method, path): who for ms, path, who, _ in rows for method in ms.split(", ")}
    assert told == expected
    assert len(told) == sum(len(methods.split(", ")) for methods, *_ in rows), "a row twice"


def test_what_stands_outside_of_v1_is_there(client) -> None:
    [last] = re.findall(r"^Outside of `/v1`.*$", PAGE.read_text(), re.M)
    for path in re.findall(r"`(/\w[\w.]+)`", last)[1:]:
        assert client.get(path).status_code in (200, 503), path
