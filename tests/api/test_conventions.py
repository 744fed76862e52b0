"""What holds for every operation: organizations, problems, headers, health, OpenAPI."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

import api.schemas
from api.app import create_app
from api.errors import CATALOG
from core.errors import Unavailable
from core.permissions import ALLOWED, Operation, Role, may
from core.ports import StoredObject
from runtime.adapters.storage_local import LocalStorage

LISTS = ["/v1/files", "/v1/emissions", "/v1/emissions/reviews", "/v1/emissions/reports"]


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return dict(answer.json())


@pytest.mark.parametrize("path", LISTS)
def test_with_one_membership_the_header_may_be_left_out(client, alpha, path) -> None:
    assert client.get(path, headers=alpha.headers).status_code == 200
    named = alpha.headers | {"X-Organization-Id": str(alpha.id).upper()}
    assert client.get(path, headers=named).status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_with_several_memberships_the_header_is_required(client, world, alpha, beta, path) -> None:
    both = world.person("both@x.example", (alpha.id, Role.USER), (beta.id, Role.USER))
    problem(client.get(path, headers=both), 400, "organization_required")
    named = both | {"X-Organization-Id": str(beta.id)}
    assert client.get(path, headers=named).status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_foreign_unknown_and_malformed_organizations_look_the_same(
    client, alpha, beta, path
) -> None:
    bodies = []
    for wanted in (str(beta.id), str(uuid4()), "none", ""):
        answer = client.get(path, headers=alpha.headers | {"X-Organization-Id": wanted})
        body = problem(answer, 404, "not_found")
        del body["request_id"]
        bodies.append(body)
    assert all(body == bodies[0] for body in bodies)


def test_an_ended_membership_ends_access(client, world, alpha) -> None:
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE user_organization_roles SET deleted_at = now()"))
    problem(client.get("/v1/files", headers=alpha.headers), 404, "not_found")
    assert client.get("/v1/auth/me", headers=alpha.headers).json()["organizations"] == []


def test_a_deleted_organization_is_gone(client, world, alpha) -> None:
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE organizations SET deleted_at = now()"))
    problem(client.get("/v1/files", headers=alpha.headers), 404, "not_found")


def test_organizations_are_listed_by_name_with_the_membership(client, world, alpha) -> None:
    ids = [world.organization(name) for name in ("Delta", "Charlie", "Echo")]
    headers = world.person(
        "many@x.example", (alpha.id, Role.VIEWER), *[(i, Role.MANAGER) for i in ids]
    )
    seen, query = [], {"limit": 3, "include": "total"}
    while True:
        body = client.get("/v1/organizations", headers=headers, params=query).json()
        seen += [(item["name"], item["role"]) for item in body["organizations"]]
        if not body["pagination"]["has_more"]:
            break
        query["cursor"] = body["pagination"]["next_cursor"]
    assert body["pagination"]["total"] == 4
    assert seen == [
        ("Alpha", "viewer"), ("Charlie", "manager"), ("Delta", "manager"), ("Echo", "manager"),
    ]  # fmt: skip

    def names(**query: Any) -> list[str]:
        answer = client.get("/v1/organizations", headers=headers, params=query)
        return [item["name"] for item in answer.json()["organizations"]]

    assert names(role="viewer") == ["Alpha"]
    assert names(name="de") == ["Delta"]
    assert names(country="FR") == []
    assert names(industry="steel") == []


def test_organizations_are_filtered_by_what_they_are(client, world, alpha, admin_engine) -> None:
    steel = world.organization("Steel works")
    headers = world.person("two@x.example", (alpha.id, Role.USER), (steel, Role.MANAGER))
    with admin_engine.begin() as connection:
        connection.execute(
            text("UPDATE organizations SET country = 'FR', industry = 'steel' WHERE id = :id"),
            {"id": steel},
        )
    for query in ("country=FR", "industry=steel", "role=manager", "name=Ste"):
        answer = client.get(f"/v1/organizations?{query}", headers=headers)
        assert [item["id"] for item in answer.json()["organizations"]] == [str(steel)], query


def test_the_table_of_roles_is_the_contracts() -> None:
    # contract.md: viewer reads; user also uploads, deletes own, reports, resolves; manager also
    # deletes anything, manages projects and factors; admin also manages members
    expected = {
        Role.VIEWER: {Operation.READ},
        Role.USER: {
            Operation.UPLOAD_FILES,
            Operation.DELETE_OWN,
            Operation.CREATE_REPORTS,
            Operation.RESOLVE_REVIEWS,
        },
        Role.MANAGER: {
            Operation.DELETE_ANY,
            Operation.MANAGE_PROJECTS,
            Operation.MANAGE_FACTORS,
            Operation.RECALCULATE,
            Operation.READ_MEMBERS,
            Operation.READ_AUDIT,
        },
        Role.ADMIN: {
            Operation.MANAGE_MEMBERS,
            Operation.MANAGE_API_KEYS,
            Operation.MANAGE_ORGANIZATION,
            Operation.MANAGE_SINGLE_SIGN_ON,
            Operation.MANAGE_WEBHOOKS,
        },
    }
    so_far: set[Operation] = set()
    for role, more in expected.items():
        so_far |= more
        assert {operation for operation in Operation if may(role, operation)} == so_far
    assert set(ALLOWED) == set(Operation)


@pytest.mark.parametrize("role", list(Role))
def test_every_role_reads_and_all_but_viewers_upload(client, world, alpha, role) -> None:
    headers = world.person(f"{role}@alpha.example", (alpha.id, role))
    for path in LISTS:
        assert client.get(path, headers=headers).status_code == 200
    answer = client.post(
        "/v1/files", headers=headers, files={"file": ("a.csv", f"a,b\n{role},1\n".encode())}
    )
    assert answer.status_code == (403 if role is Role.VIEWER else 202)


def test_unknown_paths_and_wrong_methods_are_problems(client, world) -> None:
    problem(client.get("/v1/nothing"), 404, "not_found")
    problem(client.get("/v1/files/"), 404, "not_found")
    answer = client.put("/v1/files")
    problem(answer, 405, "method_not_allowed")
    assert {m.strip() for m in answer.headers["allow"].split(",")} <= {"GET", "POST"}


def test_a_path_id_that_is_none_is_422(client, alpha) -> None:
    answer = client.get("/v1/files/zzz", headers=alpha.headers)
    body = problem(answer, 422, "validation_failed")
    assert body["errors"] == [
        {"pointer": "path/file_id", "code": "uuid_parsing", "detail": "must be a UUID"}
    ]


@pytest.mark.parametrize("given", ["abc-123", "A.b_c", "x" * 64])
def test_a_good_request_id_is_kept(client, world, given) -> None:
    answer = client.get("/livez", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["x" * 65, "a b", "a\tb", "<script>", ""])
def test_a_bad_request_id_is_replaced(client, world, given) -> None:
    answer = client.get("/nowhere", headers={"X-Request-Id": given})
    made = answer.headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert answer.json()["request_id"] == made


def test_a_json_body_over_a_megabyte_is_413(client, world) -> None:
    body = b'{"email": "' + b"a" * 1024**2 + b'"}'
    headers = {"Content-Type": "application/json"}
    answer = client.post("/v1/auth/login", content=body, headers=headers)
    problem(answer, 413, "body_too_large")
    pieces = (b"a" * 65536 for _ in range(20))
    answer = client.post("/v1/auth/login", content=pieces, headers=headers)
    problem(answer, 413, "body_too_large")


def test_a_defect_is_500_without_a_stack_and_is_logged(client, alpha, monkeypatch, caplog) -> None:
    import api.routes.files

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(api.routes.files.queries, "list_files", broken)
    with caplog.at_level(logging.ERROR, "tonnage.api"):
        answer = client.get("/v1/files", headers=alpha.headers)
    body = problem(answer, 500, "internal_error")
    assert "secret detail" not in answer.text
    assert body["request_id"] in caplog.text


def test_an_exhausted_pool_is_503_and_recovers(
    api_settings, storage, world, alpha, monkeypatch
) -> None:
    small = api_settings.model_copy(
        update={"database_pool_size": 1, "database_pool_timeout_s": 0.05}
    )
    with TestClient(create_app(small, storage=storage)) as client:
        with client.app.state.services.app_engine.connect():
            answer = client.get("/v1/files", headers=alpha.headers)
            problem(answer, 503, "busy")
            assert int(answer.headers["retry-after"]) > 0
        assert client.get("/v1/files", headers=alpha.headers).status_code == 200


def test_a_database_that_is_away_is_503_and_not_ready(api_settings, storage, alpha) -> None:
    nowhere = "postgresql://tonnage@127.0.0.1:1/none"
    away = api_settings.model_copy(update={"database_url": nowhere})
    with TestClient(create_app(away, storage=storage)) as client:
        answer = client.get("/v1/files", headers=alpha.headers)
        problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"]
        assert client.get("/livez").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "away")


def test_killed_connections_are_replaced_without_an_error(client, alpha, admin_engine) -> None:
    assert client.get("/v1/files", headers=alpha.headers).status_code == 200
    with admin_engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE 'tonnage-api-%' AND datname = current_database()"
            )
        )
    assert client.get("/v1/files", headers=alpha.headers).status_code == 200


def test_ready_means_database_schema_and_storage(client, world, pipeline) -> None:
    body = client.get("/readyz").json()
    assert body == {
        "status": "ready",
        "checks": {"database": "ok", "storage": "ok", "temporal": "ok"},
    }
    pipeline.away = True
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")


class FullStore(LocalStorage):
    """Answers, and takes nothing."""

    def put(self, *_: Any, **__: Any) -> StoredObject:
        raise Unavailable("no space left")


def test_a_store_that_takes_nothing_is_not_ready(api_settings, world, pipeline, tmp_path) -> None:
    full = FullStore(tmp_path, public_url="http://testserver", secret=b"s" * 32)
    with TestClient(create_app(api_settings, storage=full, pipeline=pipeline)) as client:
        for _ in range(2):
            answer = client.get("/readyz")
            assert (answer.status_code, answer.json()["checks"]["storage"]) == (503, "away")


def test_a_store_is_written_to_and_left_as_it_was(client, world, storage) -> None:
    for _ in range(2):
        assert client.get("/readyz").json()["checks"]["storage"] == "ok"
    assert list(storage.list("")) == []


def test_a_schema_of_another_revision_is_not_ready(client, world, admin_engine) -> None:
    with admin_engine.begin() as connection:
        current = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = 'other'"))
    try:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "behind")
    finally:
        with admin_engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": current})


def test_a_role_that_bypasses_row_level_security_stops_the_process(api_settings, storage) -> None:
    from core.errors import Misconfigured

    dangerous = api_settings.model_copy(
        update={"app_database_url": api_settings.database_url}  # the superuser
    )
    with pytest.raises(Misconfigured), TestClient(create_app(dangerous, storage=storage)):
        pass


def operations(client) -> list[tuple[str, str, dict[str, Any]]]:
    document = client.get("/openapi.json").json()
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_documents_its_errors_roles_and_security(client, world) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for method, path, operation in operations(client):
        if not path.startswith("/v1/"):
            continue
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation["operationId"]), operation
        assert operation["summary"]
        for status in ("422", "500", "503"):
            content = operation["responses"][status]["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            for code, shown in content["examples"].items():
                assert CATALOG[code].status == int(status)
                assert shown["value"]["code"] == code
        public = path.startswith("/v1/auth/sso/") or path in (
            "/v1/auth/login", "/v1/auth/refresh", "/v1/downloads",
        )  # fmt: skip
        assert ("security" in operation) is not public, (method, path)
        assert ("401" in operation["responses"]) is (
            path != "/v1/downloads" and not path.endswith("/login")
        ) or path == "/v1/auth/login"
        if path.startswith(("/v1/files", "/v1/emissions")):
            assert operation["x-roles"]
            assert {"400", "403", "404"} <= set(operation["responses"])


def test_operation_ids_are_unique_and_read_well(client, world) -> None:
    names = [operation["operationId"] for _, _, operation in operations(client)]
    assert len(names) == len(set(names))
    assert {"login", "upload_file", "list_files", "get_file_status", "list_emissions"} <= set(names)


def test_the_documentation_page_is_served(client, world) -> None:
    assert client.get("/docs").status_code == 200


def test_every_answer_has_an_example_that_its_own_schema_accepts(client, world) -> None:
    modules = [
        importlib.import_module(f"api.schemas.{found.name}")
        for found in pkgutil.iter_modules(api.schemas.__path__)
    ]
    document = client.get("/openapi.json").json()
    seen = 0
    for method, path, operation in operations(client):
        good = (r for s, r in operation["responses"].items() if s.startswith("2"))
        success = next(good, {})  # none where a browser is sent elsewhere
        schema = success.get("content", {}).get("application/json", {}).get("schema", {})
        if not path.startswith("/v1/") or "$ref" not in schema:
            continue
        name = schema["$ref"].rsplit("/", 1)[1]
        model = next(getattr(m, name) for m in modules if hasattr(m, name))
        [example] = document["components"]["schemas"][name]["examples"]
        assert model.model_validate(example, extra="forbid"), (method, path)
        assert set(example) == set(model.model_fields), name
        seen += 1
    assert seen >= 21


NASTY = [
    "\0", "%ED%A0%80", "\u202e", "'; DROP TABLE files; --", "NaN", "-Infinity", "1e999",
    "9" * 400, "-1", "0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "(" * 400, '"', "\\", "a & | ! b", "👩‍🚀", "", " ", "null", "[]",
]  # fmt: skip


@pytest.mark.parametrize("nasty", NASTY)
def test_no_parameter_of_any_list_can_break_it(client, alpha, nasty) -> None:
    for method, path, operation in operations(client):
        if method != "get" or "{" in path or not path.startswith("/v1/"):
            continue
        allowed = {int(status) for status in operation["responses"]}
        for parameter in operation.get("parameters", []):
            if parameter["in"] != "query":
                continue
            url = f"{path}?{parameter['name']}="
            raw = url + nasty if nasty.startswith("%") else None
            answer = (
                client.get(raw, headers=alpha.headers)
                if raw
                else client.get(path, headers=alpha.headers, params={parameter["name"]: nasty})
            )
            assert answer.status_code in allowed, (url, nasty, answer.text)
            assert answer.status_code < 500, (url, nasty, answer.text)


def test_the_documentation_needs_no_other_server(client) -> None:
    page = client.get("/docs").text
    assert "https://" not in page
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        assert f"/docs/assets/{name}" in page
        assert client.get(f"/docs/assets/{name}").status_code == 200
    problem(client.get("/docs/assets/../../app.py"), 404, "not_found")
