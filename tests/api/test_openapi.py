"""The OpenAPI document as people and generators read it: words, examples, no misleading default."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.openapi_words import FIELDS, RENAMED, summary_of

# What everybody meets first is described to the last field.
READ_FIRST = {
    "AuditEntry", "DecidedBy", "EmissionDetail", "EmissionItem", "EmissionList", "EmissionSummary",
    "FacetValue", "FactorAnswer", "FactorDetail", "FactorFacets", "FactorItem", "FactorList",
    "FileAccepted", "FileDetail", "FileItem", "FileList", "FileStatusAnswer", "GasItem",
    "HistoryEntry", "LinkedTotals", "Login", "MatchDetail", "NewFactor", "NewGas", "Pagination",
    "PendingRetry", "PinnedRelease", "Problem", "ProblemFault", "ReleaseItem", "ReleaseList",
    "RememberedItem", "ReportAccepted", "ReportCriteria", "ReportDetail", "ReportDuplicates",
    "ReportItem", "ReportList", "ReportProgressAnswer", "ReportRequest", "ReportSnapshot",
    "Resolution", "ReviewItem", "ReviewList", "Revision", "RowCounts", "RowIssueItem",
    "RowIssueList", "ScopeTotal", "SourceFile", "TypeTotal", "Verified",
}  # fmt: skip


@pytest.fixture
def document(client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def has_example(document: dict[str, Any], media: dict[str, Any]) -> bool:
    """Tell whether a body comes with an example, its own or that of its schema."""
    name = media.get("schema", {}).get("$ref", "").rpartition("/")[2]
    schema = document["components"]["schemas"].get(name, {})
    return bool({"example", "examples"} & (set(media) | set(schema)))


def test_every_body_and_every_answer_has_an_example(document) -> None:
    # an export of metrics, and whatever a signed link holds, is not ours to show
    without = {"GET /v1/downloads", "GET /metrics"}
    missing = [
        (name, kind)
        for name, operation in operations(document)
        for kind, told in [
            ("body", operation.get("requestBody", {})),
            *operation["responses"].items(),
        ]
        for media in told.get("content", {}).values()
        if name not in without and not has_example(document, media)
    ]
    assert missing == []


def test_every_parameter_says_what_it_is(document) -> None:
    missing = [
        (name, parameter["name"])
        for name, operation in operations(document)
        for parameter in operation.get("parameters", [])
        if not parameter.get("description")
    ]
    assert missing == []


def test_the_example_of_an_error_is_the_error_that_comes(client, document) -> None:
    login = document["paths"]["/v1/auth/login"]["post"]["responses"]["401"]["content"]
    [example] = [
        one["value"]
        for code, one in login["application/problem+json"]["examples"].items()
        if code == "invalid_credentials"
    ]
    body = {"email": "nobody@x.example", "password": "not the one"}
    told = client.post("/v1/auth/login", json=body).json()
    own = ("instance", "request_id")
    assert {k: v for k, v in told.items() if k not in own} == {
        k: v for k, v in example.items() if k not in own
    }


def test_the_callback_of_a_sign_on_says_what_a_provider_sends(document) -> None:
    callback = document["paths"]["/v1/auth/sso/{organization_id}/callback"]["get"]
    told = {(p["name"], p["in"]) for p in callback["parameters"]}
    assert told == {("organization_id", "path")} | {
        (name, "query") for name in ("state", "code", "iss", "error", "error_description")
    }
    assert "303" in callback["responses"]


def test_a_field_that_may_be_left_out_of_a_patch_shows_no_default(document) -> None:
    bodies = {
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for name, operation in operations(document)
        if name.startswith("PATCH ")
    }
    assert {"OrganizationPatch", "ProjectPatch", "WebhookPatch"} <= bodies
    for name in bodies:
        schema = document["components"]["schemas"][name]
        assert "required" not in schema
        for field, told in schema["properties"].items():
            assert "default" not in told, (name, field)


def test_the_document_has_the_packages_version_and_says_what_each_tag_holds(document) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert document["info"]["version"] == project["project"]["version"]
    used = {tag for _, operation in operations(document) for tag in operation["tags"]}
    assert {tag["name"] for tag in document["tags"] if tag["description"]} == used


def test_a_summary_says_what_an_operation_does(document) -> None:
    for name, operation in operations(document):
        assert operation["description"].startswith(operation["summary"].split(" ")[0]), name
        assert len(operation["summary"]) <= 100, name
        words = operation["operationId"].replace("_", " ").title()
        assert operation["summary"] != words or " " not in words, name


@pytest.mark.parametrize(
    ("told", "summary"),
    [
        ("Make a key. Its secret is shown once.", "Make a key"),
        ("Upload a file; it is\nwatched.", "Upload a file"),
        ("Send the event `webhook.test`, now.", "Send the event `webhook.test`, now"),
    ],
)  # fmt: skip
def test_the_first_clause_is_the_summary(told: str, summary: str) -> None:
    assert summary_of(told) == summary


def test_no_schema_has_a_name_that_says_nothing_by_itself(document) -> None:
    schemas = document["components"]["schemas"]
    assert not {"Action", "Basis", "Me", "OneFigure", "Status", *RENAMED} & set(schemas)
    assert set(RENAMED.values()) <= set(schemas)
    text = str(document)
    for name in RENAMED:
        assert f"#/components/schemas/{name}'" not in text


def test_what_figures_files_reviews_reports_and_factors_hold_is_described(document) -> None:
    every = [
        (name, field, shape)
        for name, schema in document["components"]["schemas"].items()
        for field, shape in schema.get("properties", {}).items()
    ]
    assert {field for _, field, _ in every} >= set(FIELDS)
    silent = [(name, field) for name, field, shape in every if "description" not in shape]
    assert len(silent) < len(every) * 0.2
    assert [(name, field) for name, field in silent if name in READ_FIRST] == []


def test_what_is_wrong_with_a_file_is_not_described_as_an_error_of_http(
    client, document, world, alpha
) -> None:
    file_id = world.file(
        alpha.id, alpha.email, status="failed", error_code="zip_bomb", error_message="Too large."
    )
    [told] = client.get(f"/v1/files/{file_id}/status", headers=alpha.headers).json()["errors"]
    schemas = document["components"]["schemas"]
    errors = schemas["FileStatusAnswer"]["properties"]["errors"]
    described = schemas[errors["items"]["$ref"].rpartition("/")[2]]
    assert told.keys() == described["properties"].keys()
    assert set(described["required"]) <= told.keys()
    assert {"type", "status", "instance"} <= schemas["Problem"]["properties"].keys()
