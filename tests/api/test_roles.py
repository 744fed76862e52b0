"""Role by operation, cell by cell, at the actual endpoints; and what a limit to projects hides."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from core.permissions import ALLOWED, WHOLE_ORGANIZATION, Operation, Role, may, reach_of

HERE = "/v1/organizations/{organization_id}"
# Every operation that changes something, and every reading one that not everybody may.
OPERATIONS: dict[tuple[str, str], Operation] = {
    ("patch", HERE): Operation.MANAGE_ORGANIZATION,
    ("get", f"{HERE}/members"): Operation.READ_MEMBERS,
    ("post", f"{HERE}/members"): Operation.MANAGE_MEMBERS,
    ("get", f"{HERE}/members/{{user_id}}"): Operation.READ_MEMBERS,
    ("put", f"{HERE}/members/{{user_id}}"): Operation.MANAGE_MEMBERS,
    ("delete", f"{HERE}/members/{{user_id}}"): Operation.MANAGE_MEMBERS,
    ("post", f"{HERE}/projects"): Operation.MANAGE_PROJECTS,
    ("patch", f"{HERE}/projects/{{project_id}}"): Operation.MANAGE_PROJECTS,
    ("delete", f"{HERE}/projects/{{project_id}}"): Operation.MANAGE_PROJECTS,
    ("get", f"{HERE}/audit"): Operation.READ_AUDIT,
    ("get", f"{HERE}/api-keys"): Operation.MANAGE_API_KEYS,
    ("post", f"{HERE}/api-keys"): Operation.MANAGE_API_KEYS,
    ("delete", f"{HERE}/api-keys/{{key_id}}"): Operation.MANAGE_API_KEYS,
    ("delete", f"{HERE}/decisions/{{decision_id}}"): Operation.RESOLVE_REVIEWS,
    ("delete", f"{HERE}/mappings/{{mapping_id}}"): Operation.UPLOAD_FILES,
    ("get", f"{HERE}/single-sign-on"): Operation.MANAGE_SINGLE_SIGN_ON,
    ("put", f"{HERE}/single-sign-on"): Operation.MANAGE_SINGLE_SIGN_ON,
    ("delete", f"{HERE}/single-sign-on"): Operation.MANAGE_SINGLE_SIGN_ON,
    ("get", f"{HERE}/webhooks"): Operation.MANAGE_WEBHOOKS,
    ("post", f"{HERE}/webhooks"): Operation.MANAGE_WEBHOOKS,
    ("get", f"{HERE}/webhooks/{{webhook_id}}"): Operation.MANAGE_WEBHOOKS,
    ("patch", f"{HERE}/webhooks/{{webhook_id}}"): Operation.MANAGE_WEBHOOKS,
    ("delete", f"{HERE}/webhooks/{{webhook_id}}"): Operation.MANAGE_WEBHOOKS,
    ("post", f"{HERE}/webhooks/{{webhook_id}}/rotate-secret"): Operation.MANAGE_WEBHOOKS,
    ("post", f"{HERE}/webhooks/{{webhook_id}}/test"): Operation.MANAGE_WEBHOOKS,
    ("get", f"{HERE}/webhooks/{{webhook_id}}/deliveries"): Operation.MANAGE_WEBHOOKS,
    ("post", f"{HERE}/webhooks/{{webhook_id}}/deliveries/{{delivery_id}}/resend"): (
        Operation.MANAGE_WEBHOOKS
    ),
    ("post", "/v1/files"): Operation.UPLOAD_FILES,
    ("delete", "/v1/files/{file_id}"): Operation.DELETE_OWN,
    ("post", "/v1/files/{file_id}/cancel"): Operation.UPLOAD_FILES,
    ("post", "/v1/files/{file_id}/retry"): Operation.UPLOAD_FILES,
    ("delete", "/v1/emissions/{emission_id}"): Operation.DELETE_OWN,
    ("post", "/v1/emissions/reviews/{review_id}"): Operation.RESOLVE_REVIEWS,
    ("post", "/v1/emissions/recalculations"): Operation.RECALCULATE,
    ("delete", "/v1/emissions/recalculations/{recalculation_id}"): Operation.RECALCULATE,
    ("post", "/v1/emissions/recalculations/{recalculation_id}/commit"): Operation.RECALCULATE,
    ("post", "/v1/emissions/recalculations/{recalculation_id}/cancel"): Operation.RECALCULATE,
    ("post", "/v1/emissions/reports"): Operation.CREATE_REPORTS,
    ("delete", "/v1/emissions/reports/{report_id}"): Operation.DELETE_OWN,
    ("post", "/v1/emissions/reports/{report_id}/cancel"): Operation.CREATE_REPORTS,
    ("post", "/v1/emissions/reports/{report_id}/retry"): Operation.CREATE_REPORTS,
    ("post", "/v1/emissions/{emission_id}/verify"): Operation.READ,
    ("post", "/v1/emission-factors"): Operation.MANAGE_FACTORS,
    ("delete", "/v1/emission-factors/{emission_factor_id}"): Operation.MANAGE_FACTORS,
}


def paths_of(client) -> dict[str, Any]:
    document = client.get("/openapi.json").json()
    return {path: m for path, m in document["paths"].items() if not path.startswith("/v1/auth")}


def test_every_restricted_operation_is_in_the_table(client) -> None:
    found = {
        (method, path)
        for path, methods in paths_of(client).items()
        for method, operation in methods.items()
        if path.startswith("/v1/")
        and (method != "get" or Role.VIEWER not in operation.get("x-roles", [Role.VIEWER]))
    }
    assert found == set(OPERATIONS)


def test_the_documentation_names_the_roles_of_the_table(client) -> None:
    paths = paths_of(client)
    for (method, path), operation in OPERATIONS.items():
        assert paths[path][method]["x-roles"] == sorted(ALLOWED[operation]), (method, path)


def refused(client, alpha, headers: dict[str, str]) -> set[tuple[str, str]]:
    """Return the operations that answer 403, with ids of nothing; the others get past that."""
    found = set()
    for method, path in OPERATIONS:
        url = path.replace("{organization_id}", str(alpha.id))
        url = re.sub(r"\{\w+\}", str(uuid4()), url)
        answer = client.request(method, url, headers=headers)
        assert answer.status_code in (200, 403, 404, 415, 422), (method, path, answer.text)
        if answer.status_code == 403:
            assert answer.json()["code"] == "permission_denied"
            found.add((method, path))
    return found


def expected(role: Role, limits: Any = None) -> set[tuple[str, str]]:
    reach = reach_of(limits)
    return {place for place, what in OPERATIONS.items() if not may(role, what, reach)}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_exactly_what_the_table_says(client, world, alpha, role: Role) -> None:
    headers = world.person("carl@alpha.example", (alpha.id, role))
    assert refused(client, alpha, headers) == expected(role)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.USER, Role.MANAGER])
def test_a_key_may_exactly_what_its_role_may(client, alpha, role: Role) -> None:
    made = client.post(
        f"/v1/organizations/{alpha.id}/api-keys", headers=alpha.headers,
        json={"name": "Import", "role": role},
    )  # fmt: skip
    machine = {"Authorization": f"Bearer {made.json()['secret']}"}
    assert refused(client, alpha, machine) == expected(role)


@pytest.mark.parametrize("role", [Role.MANAGER, Role.ADMIN])
def test_whoever_is_limited_to_projects_does_nothing_to_the_whole(
    client, world, alpha, role: Role
) -> None:
    limits = {"projects": [str(world.project(alpha.id, "Fleet"))]}
    headers = world.person("lim@alpha.example", (alpha.id, role), permissions=limits)
    found = refused(client, alpha, headers)
    # what is remembered and published belongs to the whole too; those routes say so themselves
    beyond = {place for place in found if OPERATIONS[place] in WHOLE_ORGANIZATION}
    assert beyond == {place for place, what in OPERATIONS.items() if what in WHOLE_ORGANIZATION}
    assert expected(role, limits) <= found


@pytest.mark.parametrize("role", list(Role))
def test_a_limit_hides_files_figures_reviews_and_reports(client, world, alpha, role: Role) -> None:
    ids: dict[str, dict[str, Any]] = {}
    for name in ("mine", "other", "none"):
        project = None if name == "none" else world.project(alpha.id, name)
        file_id = world.file(alpha.id, alpha.email, project_id=project)
        decision = world.decision(alpha.id, file_id, name)
        criteria = {
            "criteria": {}, "filter": {}, "projects": [str(project)] if project else None,
            "group_by": [], "include_details": False, "rows_expected": 0,
            "estimated_completion": "2026-11-22T14:00:00+00:00",
        }  # fmt: skip
        ids[name] = {
            "project": project,
            "files": file_id,
            "emissions": world.emission(alpha.id, file_id, 2, project_id=project),
            "emissions/reviews": world.review(alpha.id, file_id, decision),
            "emissions/reports": world.report(alpha.id, alpha.email, query_criteria=criteria),
        }
    limits = {"projects": [str(ids["mine"].pop("project"))]}
    headers = world.person("lim@alpha.example", (alpha.id, role), permissions=limits)
    for kind, mine in ids["mine"].items():
        assert client.get(f"/v1/{kind}/{mine}", headers=headers).status_code == 200, kind
        for name in ("other", "none"):
            answer = client.get(f"/v1/{kind}/{ids[name][kind]}", headers=headers)
            assert answer.status_code == 404, (kind, name)
        listed = client.get(f"/v1/{kind}", headers=headers).json()
        rows = next(value for value in listed.values() if isinstance(value, list))
        assert len(rows) == 1, kind
        assert str(mine) in str(rows[0]), kind
