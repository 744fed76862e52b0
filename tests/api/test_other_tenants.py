"""Every operation, with another organization's ids: nothing is there."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from db.models import (
    ApiKey,
    ColumnMapping,
    Recalculation,
    RememberedDecision,
    SsoConnection,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
)

DELIVERIES = "/v1/organizations/{organization_id}/webhooks/{webhook_id}/deliveries"

# (method, path) → whose id stands last in it. Organizations in paths are the caller's own unless
# nothing else has an id.
OPERATIONS = {
    ("get", "/v1/files/{file_id}"): "file",
    ("delete", "/v1/files/{file_id}"): "file",
    ("post", "/v1/files/{file_id}/cancel"): "file",
    ("post", "/v1/files/{file_id}/retry"): "file",
    ("delete", "/v1/emissions/{emission_id}"): "emission",
    ("get", "/v1/files/{file_id}/status"): "file",
    ("get", "/v1/files/{file_id}/events"): "file",
    ("get", "/v1/files/{file_id}/issues"): "file",
    ("get", "/v1/emissions/{emission_id}"): "emission",
    ("post", "/v1/emissions/{emission_id}/verify"): "emission",
    ("get", "/v1/emissions/reviews/{review_id}"): "review",
    ("post", "/v1/emissions/reviews/{review_id}"): "review",
    ("get", "/v1/emissions/reports/{report_id}"): "report",
    ("delete", "/v1/emissions/reports/{report_id}"): "report",
    ("post", "/v1/emissions/reports/{report_id}/cancel"): "report",
    ("post", "/v1/emissions/reports/{report_id}/retry"): "report",
    ("get", "/v1/emissions/recalculations/{recalculation_id}"): "recalculation",
    ("get", "/v1/emissions/recalculations/{recalculation_id}/rows"): "recalculation",
    ("post", "/v1/emissions/recalculations/{recalculation_id}/commit"): "recalculation",
    ("post", "/v1/emissions/recalculations/{recalculation_id}/cancel"): "recalculation",
    ("delete", "/v1/emissions/recalculations/{recalculation_id}"): "recalculation",
    ("get", "/v1/emission-factors/{emission_factor_id}"): "factor",
    ("delete", "/v1/emission-factors/{emission_factor_id}"): "factor",
    ("get", "/v1/organizations/{organization_id}"): "organization",
    ("patch", "/v1/organizations/{organization_id}"): "organization",
    ("get", "/v1/organizations/{organization_id}/audit"): "organization",
    ("get", "/v1/organizations/{organization_id}/decisions"): "organization",
    ("get", "/v1/organizations/{organization_id}/single-sign-on"): "organization",
    ("put", "/v1/organizations/{organization_id}/single-sign-on"): "organization",
    ("delete", "/v1/organizations/{organization_id}/single-sign-on"): "organization",
    # knows no caller: whoever is to sign on begins here
    ("get", "/v1/auth/sso/{organization_id}/login"): "unconnected",
    ("get", "/v1/auth/sso/{organization_id}/callback"): "unconnected",
    ("delete", "/v1/organizations/{organization_id}/decisions/{decision_id}"): "remembered",
    ("get", "/v1/organizations/{organization_id}/mappings"): "organization",
    ("delete", "/v1/organizations/{organization_id}/mappings/{mapping_id}"): "mapping",
    ("get", "/v1/organizations/{organization_id}/members"): "organization",
    ("post", "/v1/organizations/{organization_id}/members"): "organization",
    ("get", "/v1/organizations/{organization_id}/members/{user_id}"): "user",
    ("put", "/v1/organizations/{organization_id}/members/{user_id}"): "user",
    ("delete", "/v1/organizations/{organization_id}/members/{user_id}"): "user",
    ("get", "/v1/organizations/{organization_id}/projects"): "organization",
    ("post", "/v1/organizations/{organization_id}/projects"): "organization",
    ("get", "/v1/organizations/{organization_id}/projects/{project_id}"): "project",
    ("patch", "/v1/organizations/{organization_id}/projects/{project_id}"): "project",
    ("delete", "/v1/organizations/{organization_id}/projects/{project_id}"): "project",
    ("get", "/v1/organizations/{organization_id}/webhooks"): "organization",
    ("post", "/v1/organizations/{organization_id}/webhooks"): "organization",
    ("get", "/v1/organizations/{organization_id}/webhooks/{webhook_id}"): "webhook",
    ("patch", "/v1/organizations/{organization_id}/webhooks/{webhook_id}"): "webhook",
    ("delete", "/v1/organizations/{organization_id}/webhooks/{webhook_id}"): "webhook",
    ("post", "/v1/organizations/{organization_id}/webhooks/{webhook_id}/rotate-secret"): "webhook",
    ("post", "/v1/organizations/{organization_id}/webhooks/{webhook_id}/test"): "webhook",
    ("get", "/v1/organizations/{organization_id}/webhooks/{webhook_id}/deliveries"): "webhook",
    ("post", DELIVERIES + "/{delivery_id}/resend"): "delivery",
    ("delete", "/v1/auth/sessions/{session_id}"): "session",
    ("get", "/v1/organizations/{organization_id}/api-keys"): "organization",
    ("post", "/v1/organizations/{organization_id}/api-keys"): "organization",
    ("delete", "/v1/organizations/{organization_id}/api-keys/{key_id}"): "key",
}
BODIES = {
    "/v1/organizations/{organization_id}/api-keys": {"name": "Import", "role": "user"},
    "/v1/organizations/{organization_id}/projects": {"name": "Theirs"},
    "/v1/organizations/{organization_id}/projects/{project_id}": {"name": "Taken"},
    "/v1/organizations/{organization_id}/members": {"email": "eve@x.example", "role": "user"},
    "/v1/organizations/{organization_id}/members/{user_id}": {"role": "user"},
    "/v1/organizations/{organization_id}": {"name": "Taken"},
    "/v1/organizations/{organization_id}/single-sign-on": {
        "issuer": "https://id.x.example",
        "client_id": "c",
        "client_secret": "s",
        "allowed_domains": ["x.example"],
    },
    "/v1/emissions/reviews/{review_id}": {"action": "reject"},
    "/v1/organizations/{organization_id}/webhooks": {
        "url": "https://hooks.example.org/",
        "events": ["file.completed"],
    },
    "/v1/organizations/{organization_id}/webhooks/{webhook_id}": {"description": "Taken"},
}


def url_of(path: str, row_id: UUID, own: UUID) -> str:
    """Fill the last id of a path with `row_id`, an organization before it with `own`."""
    *before, last = re.findall(r"\{\w+\}", path)
    for name in before:
        path = path.replace(name, str(own))
    return path.replace(last, str(row_id))


@pytest.fixture
def theirs(world, beta) -> dict[str, UUID]:
    """What the other organization has."""
    project = world.project(beta.id, "Theirs")
    file_id = world.file(beta.id, beta.email, project_id=project, sha256="f" * 64)
    decision = world.decision(beta.id, file_id, "k")
    remembered = world.add(
        RememberedDecision, organization_id=beta.id, memory_key="k", activity={"name": "x"},
        decided_by=world.user_id(beta.email),
    )  # fmt: skip
    world.add(
        SsoConnection, organization_id=beta.id, issuer="https://id.x.example", client_id="c",
        client_secret=b"sealed", allowed_domains=["x.example"],
    )  # fmt: skip
    webhook = world.add(
        Webhook, organization_id=beta.id, created_by=world.user_id(beta.email),
        url="https://hooks.example.org/", events=["file.completed"],
    )  # fmt: skip
    event = world.add(WebhookEvent, organization_id=beta.id, type="file.completed", payload="{}")
    return {
        "webhook": webhook,
        "delivery": world.add(
            WebhookDelivery,
            organization_id=beta.id,
            webhook_id=webhook,
            event_id=event,
            event_type="file.completed",
            status="delivered",
        ),
        "organization": beta.id,
        "user": world.user_id(beta.email),
        "unconnected": world.organization("Gamma"),
        "key": world.add(
            ApiKey,
            organization_id=beta.id,
            name="Import",
            role="user",
            secret_sha256=b"x",
            created_by=world.user_id(beta.email),
            expires_at="2099-01-01T00:00:00Z",
        ),
        "session": UUID(
            world.client.get("/v1/auth/sessions", headers=beta.headers).json()["sessions"][0]["id"]
        ),
        "factor": world.factor(beta.id),
        "remembered": remembered,
        "mapping": world.add(
            ColumnMapping,
            organization_id=beta.id,
            signature="s",
            headings=["A"],
            mapping={"A": "volume"},
            filename="a.csv",
            confirmed_by=world.user_id(beta.email),
        ),
        "project": project,
        "file": file_id,
        "emission": world.emission(beta.id, file_id, 2),
        "review": world.review(beta.id, file_id, decision),
        "issue": world.issue(beta.id, file_id, 3),
        "report": world.report(beta.id, beta.email),
        "recalculation": world.add(
            Recalculation,
            organization_id=beta.id,
            user_id=world.user_id(beta.email),
            releases=["desnz-2025"],
            releases_before=["desnz-2024"],
            filter={},
            status="previewed",
        ),
    }


def test_the_table_names_every_operation_with_an_id_in_its_path(client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    found = {(method, path) for path in paths if "{" in path for method in paths[path]}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_anothers_id_and_an_unknown_id_look_the_same(client, alpha, theirs, method, path) -> None:
    bodies = []
    for row_id in (theirs[OPERATIONS[method, path]], uuid4()):
        url = url_of(path, row_id, alpha.id)
        answer = client.request(method, url, headers=alpha.headers, json=BODIES.get(path))
        # who comes back has no cookie of a sign-on there, whether there is an organization or not
        expected = 400 if path.endswith("/callback") else 404
        assert answer.status_code == expected, answer.text
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
    for (method, path), kind in OPERATIONS.items():
        if method == "get" and not path.endswith(("/events", "/login", "/callback")):
            url = url_of(path, theirs[kind], beta.id)
            assert client.get(url, headers=beta.headers).status_code == 200, url
