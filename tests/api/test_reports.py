"""Reports: asked for, generated, listed, downloaded, deleted."""

from __future__ import annotations

import csv
import datetime as dt
import io
from dataclasses import fields
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from activities.report import GenerateReports
from api.app import create_app
from api.schemas.reports import ReportCriteria
from core.contracts import ReportProgress, ReportRef
from core.permissions import Role
from core.reporting import MEDIA_TYPES, ReportFormat
from db.queries.emissions import EmissionFilter
from runtime.adapters.renderer_csv import CsvRenderer

REPORTS = "/v1/emissions/reports"
WANTED = {"name": "Footprint 2024", "file_format": "csv"}


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return dict(answer.json())


@pytest.fixture
def ask(client, alpha):
    """Ask for a report; return the answer."""

    def post(headers: Any = None, **body: Any) -> Any:
        return client.post(REPORTS, headers=headers or alpha.headers, json=WANTED | body)

    return post


@pytest.fixture
def generate(worker_engine, storage, tmp_path):
    """Do what the worker does; return the rows of the report."""
    activity = GenerateReports(
        worker_engine, storage, {ReportFormat.CSV: CsvRenderer()}, work_dir=tmp_path / "work"
    )

    def run(ref: ReportRef) -> Any:
        return ActivityEnvironment().run(activity.generate_report, ref)

    return run


@pytest.fixture
def figures(world, alpha) -> dict[str, UUID]:
    """0.1 + 0.2 of scope 1, 8850 of scope 2, 500 biogenic; one project."""
    project = world.project(alpha.id, "Fleet")
    file_id = world.file(alpha.id, alpha.email, project_id=project)
    rows = (
        {"calculated_emission": 0.1, "activity_on": dt.date(2024, 3, 1)},
        {"calculated_emission": 0.2},
        {"calculated_emission": 8850.0, "scope": 2, "activity_name": "=cmd"},
        {"calculated_emission": 500.0, "scope": None, "biogenic": True},
    )
    for number, row in enumerate(rows, start=2):
        world.emission(alpha.id, file_id, number, project_id=project, **row)
    return {"project": project, "file": file_id}


def shown(client, who, report_id: str) -> dict[str, Any]:
    answer = client.get(f"{REPORTS}/{report_id}", headers=who.headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def download(client, url: str) -> list[dict[str, str]]:
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment;")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def test_a_report_is_taken_and_its_workflow_started(client, alpha, ask, pipeline) -> None:
    answer = ask(description="For the board", group_by=["scope", "month"])
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert answer.headers["location"] == f"{REPORTS}/{body['report_id']}"
    assert body["status"] == "generating"
    due = dt.datetime.fromisoformat(body["estimated_completion"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(0) < due < dt.timedelta(seconds=10)
    ref = ReportRef(organization_id=alpha.id, report_id=body["report_id"], file_format="csv")
    assert pipeline.reports == [ref]
    report = shown(client, alpha, body["report_id"])
    assert report["status"] == "generating"
    assert (report["description"], report["group_by"]) == ("For the board", ["scope", "month"])
    assert report["progress"] == {"rows_written": None, "rows_total": None, "percent": 0.0}
    assert (report["download_url"], report["size_bytes"]) == (None, None)
    assert report["permissions"] == {"delete": True}
    assert [event["action"] for event in report["audit"]] == ["report.requested"]


def test_without_temporal_a_report_is_kept_for_the_sweep(
    client, alpha, ask, pipeline, world
) -> None:
    pipeline.away = True
    body = ask().json()
    assert shown(client, alpha, body["report_id"])["generation_started_at"] is None
    with world.engine.connect() as connection:
        started = connection.scalar(text("SELECT generation_started_at FROM reports"))
    assert started is None


def test_the_figures_are_those_of_the_list_to_the_last_digit(
    client, alpha, ask, generate, figures
) -> None:
    criteria = {"scope": [1, 2], "project_id": str(figures["project"]).upper()}
    body = ask(criteria=criteria, group_by=["scope"], include_details=True).json()
    ref = ReportRef(organization_id=alpha.id, report_id=body["report_id"])
    assert generate(ref).status == "completed"
    report = shown(client, alpha, body["report_id"])
    assert report["criteria"] == criteria  # verbatim, capitals and all
    assert (report["status"], report["progress"]["percent"]) == ("completed", 100.0)
    assert report["estimated_completion"] is None
    assert [event["action"] for event in report["audit"]] == [
        "report.requested", "report.completed",
    ]  # fmt: skip
    rows = download(client, report["download_url"])
    summary = client.get("/v1/emissions", headers=alpha.headers, params=criteria).json()["summary"]
    [total] = [row for row in rows if row["record"] == "total"]
    # 0.1 + 0.2 + 8850
    assert float(total["kg_co2e"]) == summary["total_kg_co2e"] == 8850.3
    assert int(total["emissions"]) == summary["count"] == 3
    groups = {row["scope"]: float(row["kg_co2e"]) for row in rows if row["record"] == "group"}
    assert groups == {str(p["scope"]): p["kg_co2e"] for p in summary["by_scope"]}
    names = [row["name"] for row in rows if row["record"] == "emission"]
    assert names == ["Diesel", "Diesel", "'=cmd"]


def test_the_criteria_are_the_filters_of_the_list(client, world) -> None:
    named = {field.name for field in fields(EmissionFilter)}
    assert set(ReportCriteria.model_fields) == named
    parameters = client.get("/openapi.json").json()["paths"]["/v1/emissions"]["get"]["parameters"]
    paging = {"limit", "cursor", "include", "sort"}
    assert {p["name"] for p in parameters if p["in"] == "query"} - paging == named


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"file_format": "docx"}, "#/file_format"),
        ({"report_type": "yearly"}, "#/report_type"),
        ({"name": ""}, "#/name"),
        ({"name": "a\0b"}, "#/name"),
        ({"name": None}, "#/name"),
        ({"group_by": ["colour"]}, "#/group_by/0"),
        ({"group_by": "scope"}, "#/group_by"),
        ({"criteria": {"scope": [4]}}, "#/criteria/scope/0"),
        ({"criteria": {"min_confidence": 2}}, "#/criteria/min_confidence"),
        ({"criteria": {"date_from": "soon"}}, "#/criteria/date_from"),
        ({"criteria": {"file_id": "x"}}, "#/criteria/file_id"),
        ({"criteria": {"colour": "red"}}, "#/criteria/colour"),
        ({"criteria": [1]}, "#/criteria"),
        ({"include_details": "perhaps"}, "#/include_details"),
        ({"colour": "red"}, "#/colour"),
    ],
)
def test_every_fault_is_named_and_nothing_is_kept(
    client, alpha, ask, pipeline, body, pointer
) -> None:
    answer = ask(**body)
    faults = problem(answer, 422, "validation_failed")["errors"]
    assert [fault["pointer"] for fault in faults] == [pointer]
    assert client.get(REPORTS, headers=alpha.headers).json()["reports"] == []
    assert pipeline.reports == []


def test_a_body_that_is_no_json_is_400(client, alpha) -> None:
    headers = alpha.headers | {"Content-Type": "application/json"}
    problem(client.post(REPORTS, headers=headers, content=b"{"), 400, "malformed_request")
    problem(client.post(REPORTS, json=WANTED), 401, "unauthenticated")


@pytest.mark.parametrize("role", list(Role))
def test_all_but_viewers_ask_for_reports(world, alpha, ask, role) -> None:
    headers = world.person(f"{role}@alpha.example", (alpha.id, role))
    assert ask(headers).status_code == (403 if role is Role.VIEWER else 202)


def test_reports_are_listed_newest_first_and_filtered(client, world, alpha, ask) -> None:
    for n in range(5):
        kind = "detailed" if n == 3 else "emission_summary"
        assert ask(name=f"R{n}", report_type=kind).status_code == 202
    with world.engine.begin() as connection:
        connection.execute(
            text("UPDATE reports SET status = 'failed', error_message = 'x' WHERE name = 'R1'")
        )
        connection.execute(
            text("UPDATE reports SET created_at = '2025-01-01T00:00Z' WHERE name = 'R0'")
        )

    def names(**query: Any) -> list[str]:
        found: list[str] = []
        while True:
            answer = client.get(REPORTS, headers=alpha.headers, params=query | {"limit": 2})
            assert answer.status_code == 200, answer.text
            body = answer.json()
            found += [report["name"] for report in body["reports"]]
            if not body["pagination"]["has_more"]:
                return found
            query["cursor"] = body["pagination"]["next_cursor"]

    assert names() == ["R4", "R3", "R2", "R1", "R0"]
    assert names(status="failed") == ["R1"]
    assert names(report_type="detailed") == ["R3"]
    assert names(created_from="2025-01-01T00:00:00Z", created_to="2025-01-02T00:00:00Z") == ["R0"]
    assert names(created_to="2025-01-01T00:00:00") == []
    answer = client.get(REPORTS, headers=alpha.headers, params={"include": "total"})
    assert answer.json()["pagination"]["total"] == 5
    problem(
        client.get(REPORTS, headers=alpha.headers, params={"status": "x"}), 422,
        "validation_failed",
    )  # fmt: skip


def test_progress_is_what_the_worker_said_last(client, world, alpha, ask, pipeline) -> None:
    report_id = ask().json()["report_id"]
    with world.engine.begin() as connection:
        connection.execute(
            text("UPDATE reports SET generation_started_at = now() - interval '30 s'")
        )
    pipeline.written = ReportProgress(rows_written=250, rows_total=1000)
    report = shown(client, alpha, report_id)
    assert report["progress"] == {"rows_written": 250, "rows_total": 1000, "percent": 25.0}
    # a quarter took 30 s, so all of it takes 120 s: 90 more
    left = dt.datetime.fromisoformat(report["estimated_completion"]) - dt.datetime.now(dt.UTC)
    assert 85 < left.total_seconds() < 95
    pipeline.written = ReportProgress(rows_written=1000, rows_total=1000)
    assert shown(client, alpha, report_id)["progress"]["percent"] == 99.0
    pipeline.away = True
    assert shown(client, alpha, report_id)["progress"]["percent"] == 0.0


def test_a_deleted_report_is_gone_with_its_object_and_its_workflow(
    client, world, alpha, ask, generate, storage, pipeline
) -> None:
    body = ask().json()
    ref = ReportRef(organization_id=alpha.id, report_id=body["report_id"])
    generate(ref)
    url = shown(client, alpha, body["report_id"])["download_url"]
    path = f"{REPORTS}/{body['report_id']}"
    answer = client.delete(path, headers=alpha.headers)
    assert (answer.status_code, answer.json()) == (
        200, {"deleted": True, "report_id": body["report_id"]},
    )  # fmt: skip
    assert list(storage.list(f"{alpha.id}/reports/")) == []
    assert pipeline.cancelled == [ref]
    for gone in (client.get(path, headers=alpha.headers), client.get(url),
                 client.delete(path, headers=alpha.headers)):  # fmt: skip
        problem(gone, 404, "not_found")
    assert client.get(REPORTS, headers=alpha.headers).json()["reports"] == []
    with world.engine.connect() as connection:
        row = connection.execute(
            text("SELECT deleted_at IS NOT NULL AS gone, object_storage_path FROM reports")
        ).one()
        last = connection.scalar(
            text("SELECT action FROM audit_events ORDER BY sequence DESC LIMIT 1")
        )
    assert (row.gone, row.object_storage_path, last) == (True, None, "report.deleted")


def test_the_annex_of_a_pdf_is_deleted_with_it(
    client, alpha, ask, storage, worker_engine, tmp_path, figures
) -> None:
    class Pages(CsvRenderer):  # laying out pages is not what this is about
        content_type = MEDIA_TYPES[ReportFormat.PDF]

    renderers = {ReportFormat.CSV: CsvRenderer(), ReportFormat.PDF: Pages()}
    generate = GenerateReports(worker_engine, storage, renderers, work_dir=tmp_path)
    report_id = ask(file_format="pdf", include_details=True).json()["report_id"]
    ref = ReportRef(organization_id=alpha.id, report_id=report_id)
    assert ActivityEnvironment().run(generate.generate_report, ref).status == "completed"
    url = shown(client, alpha, report_id)["annex_url"]
    assert client.get(url).status_code == 200
    assert len(list(storage.list(f"{alpha.id}/reports/"))) == 2
    client.delete(f"{REPORTS}/{report_id}", headers=alpha.headers)
    assert list(storage.list(f"{alpha.id}/reports/")) == []
    problem(client.get(url), 404, "not_found")


def test_deleting_while_temporal_is_away_deletes(client, alpha, ask, pipeline) -> None:
    report_id = ask().json()["report_id"]
    pipeline.away = True
    answer = client.delete(f"{REPORTS}/{report_id}", headers=alpha.headers)
    assert answer.status_code == 200


def test_own_reports_are_ones_own_to_delete_and_any_a_managers(client, world, alpha, ask) -> None:
    people = {role: world.person(f"{role}@alpha.example", (alpha.id, role)) for role in Role}

    def delete(report_id: str, role: Role) -> int:
        return int(client.delete(f"{REPORTS}/{report_id}", headers=people[role]).status_code)

    mine = ask(people[Role.USER]).json()["report_id"]
    theirs = ask().json()["report_id"]
    seen = client.get(f"{REPORTS}/{theirs}", headers=people[Role.USER]).json()
    assert seen["permissions"] == {"delete": False}
    assert delete(theirs, Role.VIEWER) == 403
    assert delete(theirs, Role.USER) == 403
    assert delete(mine, Role.USER) == 200
    assert delete(theirs, Role.MANAGER) == 200


def test_another_organization_neither_sees_nor_deletes(client, alpha, beta, ask) -> None:
    path = f"{REPORTS}/{ask().json()['report_id']}"
    for call in (client.get, client.delete):
        ours = problem(call(path, headers=beta.headers), 404, "not_found")
        none = problem(call(f"{REPORTS}/{uuid4()}", headers=beta.headers), 404, "not_found")
        assert ours["detail"] == none["detail"]
    assert client.get(REPORTS, headers=beta.headers).json()["reports"] == []
    assert client.get(path, headers=alpha.headers).status_code == 200


def test_a_member_limited_to_projects_sees_reports_of_these_alone(
    client, world, alpha, ask, generate, figures
) -> None:
    other = world.project(alpha.id, "Other")
    limited = world.person(
        "fleet@alpha.example", (alpha.id, Role.USER),
        permissions={"projects": [str(figures["project"])]},
    )  # fmt: skip
    elsewhere = world.person(
        "other@alpha.example", (alpha.id, Role.USER), permissions={"projects": [str(other)]}
    )
    ask(name="all")
    ask(name="fleet", criteria={"project_id": str(figures["project"])})
    ask(name="other", criteria={"project_id": str(other)})
    own = ask(limited, name="own").json()["report_id"]

    def names(headers: dict[str, str]) -> set[str]:
        reports = client.get(REPORTS, headers=headers).json()["reports"]
        return {report["name"] for report in reports}

    assert names(limited) == {"fleet", "own"}
    assert names(elsewhere) == {"other"}
    assert names(alpha.headers) == {"all", "fleet", "other", "own"}
    problem(client.get(f"{REPORTS}/{own}", headers=elsewhere), 404, "not_found")
    # asking for what lies beyond one's reach gives an empty report, as the list is empty
    beyond = ask(elsewhere, criteria={"project_id": str(figures["project"])}).json()["report_id"]
    generate(ReportRef(organization_id=alpha.id, report_id=UUID(beyond)))
    answer = client.get(f"{REPORTS}/{beyond}", headers=elsewhere).json()
    rows = download(client, answer["download_url"])
    assert [row["emissions"] for row in rows if row["record"] == "total"] == ["0"]


@pytest.mark.parametrize(
    ("name", "filename"),
    [("Year 2024", "Year 2024.csv"), ("../..\\x", "x.csv"), ("a\u202eb\n", "ab.csv"),
     ("???", "report.csv"), ("ü", "ü.csv")],
)  # fmt: skip
def test_the_downloads_name_is_a_plain_file_name(
    client, alpha, ask, generate, storage, name, filename
) -> None:
    body = ask(name=name).json()
    generate(ReportRef(organization_id=alpha.id, report_id=body["report_id"]))
    url = shown(client, alpha, body["report_id"])["download_url"]
    assert storage.read_token(url.rpartition("token=")[2]).filename == filename


def test_without_a_pipeline_reports_are_taken(api_settings, storage, alpha) -> None:
    from fastapi.testclient import TestClient

    with TestClient(create_app(api_settings, storage=storage)) as client:
        answer = client.post(REPORTS, headers=alpha.headers, json=WANTED)
        assert answer.status_code == 202
        path = answer.headers["location"]
        assert client.get(path, headers=alpha.headers).json()["progress"]["percent"] == 0.0
        assert client.delete(path, headers=alpha.headers).status_code == 200
