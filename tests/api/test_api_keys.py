"""API keys: what they open, what they never open, and how they end."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sqlalchemy import text

from core.permissions import Role

UPLOAD = {"file": ("a.csv", b"a,b\n1,2\n")}


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return dict(answer.json())


def url(tenant, key_id: Any = None) -> str:
    base = f"/v1/organizations/{tenant.id}/api-keys"
    return base if key_id is None else f"{base}/{key_id}"


def make(client, tenant, role: str = "user", headers: Any = None, **body: Any) -> Any:
    sent = {"name": "Import", "role": role, **body}
    return client.post(url(tenant), headers=headers or tenant.headers, json=sent)


def bearer(made: Any) -> dict[str, str]:
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['secret']}"}


def execute(admin_engine, statement: str, **values: Any) -> Any:
    with admin_engine.begin() as connection:
        return connection.execute(text(statement), values)


def test_a_key_works_without_naming_the_organization_and_is_shown_once(
    client, alpha, beta, admin_engine
) -> None:
    made = make(client, alpha)
    machine, secret = bearer(made), made.json()["secret"]
    assert made.headers["cache-control"] == "no-store"
    assert client.get("/v1/files", headers=machine).status_code == 200
    named = machine | {"X-Organization-Id": str(alpha.id)}
    assert client.get("/v1/files", headers=named).status_code == 200
    other = machine | {"X-Organization-Id": str(beta.id)}
    problem(client.get("/v1/files", headers=other), 404, "not_found")
    problem(client.get(f"/v1/organizations/{beta.id}", headers=machine), 404, "not_found")
    listed = client.get(url(alpha), headers=alpha.headers)
    assert secret not in listed.text
    [stored] = execute(admin_engine, "SELECT secret_sha256 FROM api_keys").scalars()
    random = secret.removeprefix("tng_").partition("_")[2]
    assert bytes(stored) == hashlib.sha256(random.encode()).digest()
    [trail] = execute(admin_engine, "SELECT json_agg(a)::text FROM audit_events a").scalars()
    assert random not in trail


def test_what_a_key_does_is_its_own_in_the_trail_and_its_creators_otherwise(
    client, world, alpha, admin_engine
) -> None:
    made = make(client, alpha)
    answer = client.post("/v1/files", headers=bearer(made), files=UPLOAD)
    assert answer.status_code == 202
    query = "SELECT actor, actor_user_id FROM audit_events WHERE action = 'file.uploaded'"
    [event] = execute(admin_engine, query)
    me = world.user_id(alpha.email)
    assert (event.actor, event.actor_user_id) == (f"api_key:{made.json()['api_key']['id']}", me)
    assert execute(admin_engine, "SELECT user_id FROM files").scalar_one() == me


@pytest.mark.parametrize("role", ["viewer", "user", "manager"])
def test_a_key_opens_no_account_and_makes_neither_members_nor_keys(client, alpha, role) -> None:
    machine = bearer(make(client, alpha, role))
    for path in ("/v1/auth/me", "/v1/auth/sessions", "/v1/organizations"):
        problem(client.get(path, headers=machine), 401, "unauthenticated")
    problem(client.post("/v1/auth/logout", headers=machine), 401, "unauthenticated")
    change = {"old_password": "x", "new_password": "neon giraffe paints quietly"}
    problem(client.post("/v1/auth/password", headers=machine, json=change), 401, "unauthenticated")
    member = {"email": "new@x.example", "role": "admin"}
    members = f"/v1/organizations/{alpha.id}/members"
    problem(client.post(members, headers=machine, json=member), 403, "permission_denied")
    problem(make(client, alpha, headers=machine), 403, "permission_denied")
    problem(client.get(url(alpha), headers=machine), 403, "permission_denied")


def test_a_key_is_limited_by_its_role_and_projects(client, world, alpha) -> None:
    problem(make(client, alpha, "admin"), 422, "validation_failed")
    viewer = bearer(make(client, alpha, "viewer"))
    problem(client.post("/v1/files", headers=viewer, files=UPLOAD), 403, "permission_denied")
    project = world.project(alpha.id, "Fleet")
    world.file(alpha.id, alpha.email, project_id=project, filename="in.csv")
    world.file(alpha.id, alpha.email, filename="out.csv")
    limited = bearer(make(client, alpha, permissions={"projects": [str(project)]}))
    files = client.get("/v1/files", headers=limited).json()["files"]
    assert [file["filename"] for file in files] == ["in.csv"]


def test_a_key_never_may_more_than_its_creator_at_that_moment(client, world, alpha) -> None:
    bea = world.person("bea@alpha.example", (alpha.id, Role.ADMIN))
    machine = bearer(make(client, alpha, "manager", headers=bea))
    member = f"/v1/organizations/{alpha.id}/members/{world.user_id('bea@alpha.example')}"
    project = str(world.project(alpha.id, "Fleet"))
    world.file(alpha.id, alpha.email, filename="out.csv")

    def creator(role: str, **permissions: Any) -> None:
        body = {"role": role, "permissions": permissions}
        assert client.put(member, headers=alpha.headers, json=body).status_code == 200

    creator("viewer")
    problem(client.post("/v1/files", headers=machine, files=UPLOAD), 403, "permission_denied")
    creator("manager", projects=[project])
    assert client.get("/v1/files", headers=machine).json()["files"] == []
    creator("admin")
    assert len(client.get("/v1/files", headers=machine).json()["files"]) == 1
    problem(client.get(url(alpha), headers=machine), 403, "permission_denied")


def test_with_its_creator_a_key_goes_for_good(client, world, alpha) -> None:
    bea = world.person("bea@alpha.example", (alpha.id, Role.ADMIN))
    machine = bearer(make(client, alpha, headers=bea))
    member = f"/v1/organizations/{alpha.id}/members/{world.user_id('bea@alpha.example')}"
    client.delete(member, headers=alpha.headers)
    problem(client.get("/v1/files", headers=machine), 401, "unauthenticated")
    client.put(member, headers=alpha.headers, json={"role": "admin"})
    problem(client.get("/v1/files", headers=machine), 401, "unauthenticated")
    assert client.get(url(alpha), headers=alpha.headers).json()["api_keys"] == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE api_keys SET expires_at = now()",
        "UPDATE users SET disabled_at = now()",
        "UPDATE users SET deleted_at = now()",
        "UPDATE organizations SET deleted_at = now()",
        "UPDATE api_keys SET secret_sha256 = '\\x00'",
    ],
)
def test_a_key_that_is_over_is_refused_at_once(client, alpha, admin_engine, statement) -> None:
    machine = bearer(make(client, alpha))
    execute(admin_engine, statement)
    problem(client.get("/v1/files", headers=machine), 401, "unauthenticated")


def test_a_revoked_key_is_refused_with_the_next_request(client, alpha, admin_engine) -> None:
    made = make(client, alpha)
    where = url(alpha, made.json()["api_key"]["id"])
    assert client.delete(where, headers=alpha.headers).json()["revoked"] is True
    problem(client.get("/v1/files", headers=bearer(made)), 401, "unauthenticated")
    problem(client.delete(where, headers=alpha.headers), 404, "not_found")
    actions = execute(
        admin_engine, "SELECT action FROM audit_events WHERE object_type = 'api_key' ORDER BY 1"
    )
    assert list(actions.scalars()) == ["api_key.created", "api_key.revoked"]


@pytest.mark.parametrize("change", ["id", "secret", "short", "upper", "plain"])
def test_a_key_that_differs_anywhere_is_refused(client, alpha, change) -> None:
    secret = make(client, alpha).json()["secret"]
    last = "A" if secret[-1] != "A" else "B"
    forged = {
        "id": "tng_" + "0" * 32 + secret[36:],
        "secret": secret[:-1] + last,
        "short": secret[:-1],
        "upper": secret.upper(),
        "plain": "tng_",
    }[change]
    answer = client.get("/v1/files", headers={"Authorization": f"Bearer {forged}"})
    problem(answer, 401, "unauthenticated")


def test_the_last_use_is_kept_to_the_minute(client, alpha, admin_engine) -> None:
    machine = bearer(make(client, alpha))
    last = "SELECT last_used_at FROM api_keys"
    assert execute(admin_engine, last).scalar_one() is None
    client.get("/v1/files", headers=machine)
    first = execute(admin_engine, last).scalar_one()
    client.get("/v1/files", headers=machine)
    assert execute(admin_engine, last).scalar_one() == first
    execute(admin_engine, "UPDATE api_keys SET last_used_at = now() - interval '61 s'")
    client.get("/v1/files", headers=machine)
    assert execute(admin_engine, last).scalar_one() > first


@pytest.mark.parametrize("role", [Role.VIEWER, Role.USER, Role.MANAGER])
def test_only_admins_manage_keys(client, world, alpha, role) -> None:
    headers = world.person(f"{role}@alpha.example", (alpha.id, role))
    problem(client.get(url(alpha), headers=headers), 403, "permission_denied")
    problem(make(client, alpha, headers=headers), 403, "permission_denied")
    key_id = make(client, alpha).json()["api_key"]["id"]
    problem(client.delete(url(alpha, key_id), headers=headers), 403, "permission_denied")
