"""A client that is generated from /openapi.json, used as somebody would use it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from runtime.dev import script

# Where people will look for what they do most: module → operation.
MAIN = {
    "auth": ("login", "refresh", "logout", "get_me"),
    "files": ("upload_file", "list_files", "get_file", "get_file_status", "list_file_issues"),
    "emissions": ("list_emissions", "get_emission", "verify_emission"),
    "reviews": ("list_reviews", "get_review", "resolve_review"),
    "reports": ("create_report", "list_reports", "get_report", "delete_report"),
    "organizations": ("list_organizations", "get_organization", "change_organization"),
}
NAME = "tonnage_client"
PASSWORD = "a pass phrase of several words"  # of the people whom `world` makes


@pytest.fixture
def generated(client, tmp_path: Path) -> Iterator[ModuleType]:
    """The package, generated without a warning."""
    (tmp_path / "openapi.json").write_text(client.get("/openapi.json").text)
    (tmp_path / "config.yaml").write_text("post_hooks: []\n")
    made = subprocess.run(
        [
            *(script("openapi-python-client"), "generate", "--meta", "none", "--fail-on-warning"),
            *("--path", tmp_path / "openapi.json", "--output-path", tmp_path / NAME),
            *("--config", tmp_path / "config.yaml"),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(tmp_path))
    try:
        yield importlib.import_module(NAME)
    finally:
        sys.path.remove(str(tmp_path))
        for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
            del sys.modules[name]


def operation(area: str, name: str) -> Any:
    return importlib.import_module(f"{NAME}.api.{area}.{name}")


def test_a_generated_client_reads_well_and_works(generated, client, world, alpha) -> None:
    for area, names in MAIN.items():
        for name in names:
            assert callable(operation(area, name).sync_detailed)
    models = importlib.import_module(f"{NAME}.models")
    types = importlib.import_module(f"{NAME}.types")
    assert [name for name in models.__all__ if name.startswith(("Body", "HTTP"))] == []

    asking = generated.Client(base_url="http://testserver").set_httpx_client(client)
    given = models.Login(email=alpha.email, password=PASSWORD)
    tokens = operation("auth", "login").sync(client=asking, body=given)
    assert isinstance(tokens, models.Tokens)
    client.headers["Authorization"] = f"Bearer {tokens.access_token}"

    content = types.File(BytesIO(b"Activity,Amount,Unit\nDiesel,2,l\n"), "a.csv", "text/csv")
    body = models.UploadFileBody(file=content, region="GB", reporting_year=2024)
    taken = operation("files", "upload_file").sync(client=asking, body=body)
    assert isinstance(taken, models.FileAccepted), taken
    assert taken.status == models.FileStatus.UPLOADED
    again = operation("files", "upload_file").sync(
        client=asking,
        body=models.UploadFileBody(
            file=types.File(BytesIO(b"Activity,Amount,Unit\nDiesel,2,l\n"), "a.csv", "text/csv")
        ),
    )
    assert isinstance(again, models.Problem)
    assert again.code == "duplicate_file"

    listed = operation("files", "list_files").sync(client=asking, limit=10)
    assert [file.id for file in listed.files] == [taken.file_id]
    assert listed.pagination.next_cursor is None
    world.emission(alpha.id, UUID(str(taken.file_id)), 2)
    figures = operation("emissions", "list_emissions").sync(client=asking, file_id=taken.file_id)
    assert figures.summary.count == 1

    decision = world.decision(alpha.id, taken.file_id, "k")
    review_id = world.review(alpha.id, taken.file_id, decision)
    waiting = operation("reviews", "list_reviews").sync(client=asking)
    assert [review.id for review in waiting.reviews] == [review_id]
    asked = models.ReportRequest(
        name="Year", report_type=models.ReportType.EMISSION_SUMMARY,
        file_format=models.ReportFormat.CSV,
    )  # fmt: skip
    report = operation("reports", "create_report").sync(client=asking, body=asked)
    assert isinstance(report, models.ReportAccepted), report


def test_every_operation_says_what_it_takes_who_may_and_what_comes_back(client) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert [n for n in schemas if n.startswith(("Body_", "HTTPValidation"))] == []
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            name = (method, path)
            assert told["summary"], name
            assert told["tags"], name
            assert "Roles: " in told["description"], name
            for media in told.get("requestBody", {}).get("content", {}).values():
                schema = media["schema"]
                if "$ref" in schema:
                    schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
                assert "example" in str(schema) or "examples" in media, name
