"""Members and invitations as an admin asks for them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from core.permissions import Role

NEW = "neon giraffe paints quietly"


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return dict(answer.json())


def url(tenant, user_id: Any = None) -> str:
    base = f"/v1/organizations/{tenant.id}/members"
    return base if user_id is None else f"{base}/{user_id}"


def put(client, tenant, user_id: UUID, headers: dict[str, str] | None = None, **body: Any) -> Any:
    sent = tenant.headers | (headers or {})
    return client.put(url(tenant, user_id), headers=sent, json=body)


def add(client, tenant, email: str, role: str = "user", **body: Any) -> Any:
    sent = {"email": email, "role": role, **body}
    return client.post(url(tenant), headers=tenant.headers, json=sent)


def trail(admin_engine, action: str) -> list[Any]:
    with admin_engine.connect() as connection:
        return list(
            connection.execute(
                text("SELECT * FROM audit_events WHERE action = :a ORDER BY sequence"),
                {"a": action},
            )
        )


@pytest.fixture
def carl(world, alpha) -> dict[str, str]:
    """A user of Alpha."""
    return world.person("carl@alpha.example", (alpha.id, Role.USER))


def first_column(engine: Any, query: str) -> Any:
    with engine.connect() as connection:
        return connection.scalar(text(query))
