"""Whether a report still shows what its criteria let through."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from sqlalchemy import text

from api import reports
from api.shares import Turns
from core.contracts import ReportRef
from tests.api.test_reports import ask, download, figures, generate, shown  # noqa: F401  (fixtures)

# ruff: noqa: F811  (pytest's fixtures are parameters of the same name)


def test_a_report_says_when_its_figures_are_not_those_of_now_any_more(
    client, world, alpha, ask, generate, figures, admin_engine
) -> None:
    body = ask(criteria={"scope": [1, 2]}).json()
    assert shown(client, alpha, body["report_id"])["snapshot"] is None  # nothing to compare yet
    generate(ReportRef(organization_id=alpha.id, report_id=body["report_id"]))
    whole = {"figures_shown": 3, "kg_co2e_shown": 8850.3}
    same = {"outdated": False, **whole, "figures_now": 3, "kg_co2e_now": 8850.3}
    assert shown(client, alpha, body["report_id"])["snapshot"] == same
    query = {"scope": 2}
    listed = client.get("/v1/emissions", headers=alpha.headers, params=query).json()["results"]
    assert len(listed) == 1
    gone = client.delete(f"/v1/emissions/{listed[0]['id']}", headers=alpha.headers)
    assert gone.status_code == 200
    now = {"outdated": True, **whole, "figures_now": 2, "kg_co2e_now": 0.3}
    assert shown(client, alpha, body["report_id"])["snapshot"] == now
    with admin_engine.begin() as connection:  # as the purge does, a month later
        connection.execute(text("DELETE FROM emissions WHERE deleted_at IS NOT NULL"))
    assert shown(client, alpha, body["report_id"])["snapshot"] == now
    client.delete(f"/v1/files/{figures['file']}", headers=alpha.headers)
    now |= {"figures_now": 0, "kg_co2e_now": 0.0}
    assert shown(client, alpha, body["report_id"])["snapshot"] == now


@pytest.mark.parametrize(
    ("criteria", "figures_now"),
    [({}, 4), ({"q": "diesel"}, 3), ({"name": "Die"}, 3), ({"date_to": "2024-12-31"}, 1)],
)
def test_the_comparison_counts_as_the_report_does(
    client, alpha, ask, generate, figures, criteria, figures_now
) -> None:
    body = ask(criteria=criteria).json()
    generate(ReportRef(organization_id=alpha.id, report_id=body["report_id"]))
    found = shown(client, alpha, body["report_id"])["snapshot"]
    assert (found["outdated"], found["figures_shown"]) == (False, figures_now)


def test_a_comparison_that_takes_long_keeps_no_report_from_being_shown(
    client, alpha, ask, generate, figures, admin_engine, monkeypatch
) -> None:
    monkeypatch.setattr(reports, "COMPARED_WITHIN_MS", 50)
    report_id = ask().json()["report_id"]
    generate(ReportRef(organization_id=alpha.id, report_id=report_id))
    with admin_engine.begin() as connection:
        connection.execute(text("LOCK TABLE emission_totals IN ACCESS EXCLUSIVE MODE"))
        found = shown(client, alpha, report_id)
    assert found["snapshot"] is None
    assert download(client, found["download_url"])
    assert shown(client, alpha, report_id)["snapshot"] is not None


def test_a_comparison_waits_its_turn_among_the_searches(
    client, alpha, ask, generate, figures
) -> None:
    report_id = ask().json()["report_id"]
    generate(ReportRef(organization_id=alpha.id, report_id=report_id))
    services, turns, stack = client.app.state.services, Turns(1, 0.01), AsyncExitStack()
    client.app.state.services = replace(services, lists=turns)
    client.portal.call(stack.enter_async_context, turns.take(alpha.id))
    found = shown(client, alpha, report_id)
    assert (found["status"], found["snapshot"]) == ("completed", None)
    client.portal.call(stack.aclose)
    assert shown(client, alpha, report_id)["snapshot"] is not None


def test_a_report_of_before_is_not_compared(client, world, alpha) -> None:
    old = world.report(alpha.id, alpha.email, status="completed")
    assert shown(client, alpha, str(old))["snapshot"] is None
