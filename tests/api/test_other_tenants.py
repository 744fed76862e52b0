"""Every operation, with another organization's ids: nothing is there."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

PATHS_WITH_AN_ID = {
    "/v1/files/{file_id}": "file",
    "/v1/files/{file_id}/status": "file",
    "/v1/files/{file_id}/events": "file",
    "/v1/files/{file_id}/issues": "file",
    "/v1/emissions/{emission_id}": "emission",
    "/v1/emissions/reports/{report_id}": "report",
}


@pytest.fixture
def theirs(world, beta) -> dict[str, UUID]:
    """What the other organization has."""
    project = world.project(beta.id, "Theirs")
    file_id = world.file(beta.id, beta.email, project_id=project, sha256="f" * 64)
    decision = world.decision(beta.id, file_id, "k")
    return {
        "project": project,
        "file": file_id,
        "emission": world.emission(beta.id, file_id, 2),
        "review": world.review(beta.id, file_id, decision),
        "issue": world.issue(beta.id, file_id, 3),
        "report": world.report(beta.id, beta.email),
    }


def test_the_table_names_every_operation_with_an_id_in_its_path(client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {path for path in paths if "{" in path} == set(PATHS_WITH_AN_ID)


@pytest.mark.parametrize("path", PATHS_WITH_AN_ID)
def test_anothers_id_and_an_unknown_id_look_the_same(client, alpha, theirs, path) -> None:
    bodies = []
    for row_id in (theirs[PATHS_WITH_AN_ID[path]], uuid4()):
        name = path[path.index("{") + 1 : path.index("}")]
        url = path.replace(f"{{{name}}}", str(row_id))
        answer = client.get(url, headers=alpha.headers)
        assert answer.status_code == 404, answer.text
        body: dict[str, Any] = answer.json()
        bodies.append({k: v for k, v in body.items() if k not in ("request_id", "instance")})
    assert bodies[0] == bodies[1]


def test_lists_show_nothing_of_another_organization(client, alpha, theirs) -> None:
    get = client.get
    assert get("/v1/files", headers=alpha.headers).json()["files"] == []
    emissions = get("/v1/emissions", headers=alpha.headers).json()
    assert (emissions["results"], emissions["summary"]["count"]) == ([], 0)
    assert get("/v1/emissions/reviews", headers=alpha.headers).json()["reviews"] == []
    assert get("/v1/emissions/reports", headers=alpha.headers).json()["reports"] == []
    named = {"file_id": str(theirs["file"]), "project_id": str(theirs["project"])}
    assert get("/v1/emissions", headers=alpha.headers, params=named).json()["results"] == []
    [only] = get("/v1/organizations", headers=alpha.headers).json()["organizations"]
    assert only["id"] == str(alpha.id)


def test_the_owner_does_see_all_of_it(client, beta, theirs) -> None:
    for path, kind in PATHS_WITH_AN_ID.items():
        if path.endswith("/events"):
            continue
        name = path[path.index("{") + 1 : path.index("}")]
        url = path.replace(f"{{{name}}}", str(theirs[kind]))
        assert client.get(url, headers=beta.headers).status_code == 200, url
