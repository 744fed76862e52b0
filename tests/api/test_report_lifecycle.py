"""Reports that are cancelled, retried, or were never begun: nothing half-written, nothing twice."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from temporalio.testing import ActivityEnvironment

from activities.report import GenerateReports
from core.contracts import ReportRef
from core.keys import report_key
from core.permissions import Role
from core.reporting import ReportFormat
from runtime.adapters.renderer_csv import CsvRenderer
from tests.api.conftest import problem

REPORTS = "/v1/emissions/reports"
WANTED = {"name": "Year", "file_format": "csv", "criteria": {"scope": [1]}}


@pytest.fixture
def report_id(client, alpha) -> str:
    return str(client.post(REPORTS, headers=alpha.headers, json=WANTED).json()["report_id"])


@pytest.fixture
def work(worker_engine, storage, tmp_path, alpha):
    """Do what the worker does."""
    renderers = {ReportFormat.CSV: CsvRenderer()}
    activity = GenerateReports(worker_engine, storage, renderers, work_dir=tmp_path / "work")

    def run(report_id: str) -> Any:
        ref = ReportRef(organization_id=alpha.id, report_id=UUID(report_id))
        return ActivityEnvironment().run(activity.generate_report, ref)

    return run


def act(client, who: dict[str, str], report_id: str, what: str) -> Any:
    return client.post(f"{REPORTS}/{report_id}/{what}", headers=who)


def test_a_cancelled_report_ends_as_failed_and_its_workflow_is_told(
    client, alpha, report_id, pipeline
) -> None:
    answer = act(client, alpha.headers, report_id, "cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "failed")
    shown = client.get(f"{REPORTS}/{report_id}", headers=alpha.headers).json()
    assert (shown["status"], shown["download_url"]) == ("failed", None)
    assert "cancelled" in shown["error_message"]
    assert [ref.report_id for ref in pipeline.cancelled] == [UUID(report_id)]
    assert [event["action"] for event in shown["audit"]] == ["report.requested", "report.cancelled"]
    problem(act(client, alpha.headers, report_id, "cancel"), 409, "report_not_running")


def test_a_worker_that_goes_on_after_the_cancellation_publishes_nothing(
    client, alpha, storage, report_id, work
) -> None:
    act(client, alpha.headers, report_id, "cancel")
    assert work(report_id).status == "failed"
    assert not storage.exists(report_key(alpha.id, UUID(report_id), "csv"))


def test_a_retry_writes_the_same_criteria_once_more(
    client, alpha, report_id, pipeline, work
) -> None:
    problem(act(client, alpha.headers, report_id, "retry"), 409, "report_not_failed")
    act(client, alpha.headers, report_id, "cancel")
    answer = act(client, alpha.headers, report_id, "retry")
    assert (answer.status_code, answer.json()["status"]) == (202, "generating")
    assert [ref.report_id for ref in pipeline.reports] == [UUID(report_id)] * 2
    assert work(report_id).status == "completed"
    shown = client.get(f"{REPORTS}/{report_id}", headers=alpha.headers).json()
    assert (shown["status"], shown["criteria"]) == ("completed", {"scope": [1]})
    assert shown["error_message"] is None
    problem(act(client, alpha.headers, report_id, "retry"), 409, "report_not_failed")


def test_with_temporal_away_a_cancellation_holds_and_a_retry_waits_for_the_sweep(
    client, alpha, report_id, pipeline
) -> None:
    pipeline.away = True
    assert act(client, alpha.headers, report_id, "cancel").status_code == 202
    assert act(client, alpha.headers, report_id, "retry").status_code == 202
    shown = client.get(f"{REPORTS}/{report_id}", headers=alpha.headers).json()
    # never begun: what the sweep looks for
    assert (shown["status"], shown["generation_started_at"]) == ("generating", None)


def test_users_stop_and_retry_their_own_reports_and_managers_any(client, world, alpha) -> None:
    one = world.person("one@alpha.example", (alpha.id, Role.USER))
    two = world.person("two@alpha.example", (alpha.id, Role.USER))
    boss = world.person("boss@alpha.example", (alpha.id, Role.MANAGER))
    theirs = client.post(REPORTS, headers=one, json=WANTED).json()["report_id"]
    problem(act(client, two, theirs, "cancel"), 403, "permission_denied")
    assert act(client, boss, theirs, "cancel").status_code == 202
    problem(act(client, two, theirs, "retry"), 403, "permission_denied")
    assert act(client, one, theirs, "retry").status_code == 202
