"""Recalculations over the API: asked for, read, committed once, cancelled, deleted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, text
from sqlmodel import Session

from core.permissions import Role
from db.models import (
    FactorRelease,
    Recalculation,
    RecalculationDecision,
    RecalculationFile,
    RecalculationRow,
)

PATH = "/v1/emissions/recalculations"
# 50,000 kWh of UK electricity x 0.20705 (DESNZ 2024) and x 0.177 (2025); 1,200 l of diesel
OLD = {"Electricity": 10_352.5, "Diesel": 3_015.348}
NEW = {"Electricity": 8_850.0, "Diesel": 3_084.984}


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return dict(answer.json())


@pytest.fixture
def releases(world) -> None:
    """Two editions are loaded."""
    for name in ("desnz-2024", "desnz-2025"):
        with Session(world.engine) as session:
            session.execute(
                insert(FactorRelease).values(
                    name=name, publisher="DESNZ", title="Factors", version=name[-4:],
                    source_year=int(name[-4:]), licence="OGL-3.0", sha256=name, factor_count=2,
                )
            )  # fmt: skip
            session.commit()


@pytest.fixture
def truncated(admin_engine, clean_database) -> None:
    """Releases are nobody's and stay when organizations go."""
    with admin_engine.begin() as connection:
        connection.execute(text("TRUNCATE factor_releases CASCADE"))


class Previewed:
    """A preview of two figures as its workers would have left it."""

    def __init__(self, world: Any, tenant: Any, **values: Any) -> None:
        self.world, self.tenant = world, tenant
        self.file = world.file(tenant.id, tenant.email, project_id=values.pop("project_id", None))
        decision = world.decision(tenant.id, self.file, "k")
        self.emissions = {
            name: world.emission(
                tenant.id, self.file, row, activity_name=name, calculated_emission=kg,
                decision_id=decision,
            )
            for row, (name, kg) in enumerate(OLD.items(), start=2)
        }  # fmt: skip
        self.id = world.add(
            Recalculation, organization_id=tenant.id, user_id=world.user_id(tenant.email),
            releases=["desnz-2025"], releases_before=["desnz-2024"], filter={},
            **({"status": "previewed", "activities": 1, "rows": 2} | values),
        )  # fmt: skip
        mine = {"organization_id": tenant.id, "recalculation_id": self.id, "file_id": self.file}
        self.insert(RecalculationFile, **mine)
        at = self.sql("SELECT updated_at FROM decisions WHERE id = :id", id=decision)
        self.insert(
            RecalculationDecision, **mine, decision_id=decision, number=0, held=False,
            row_count=2, old_updated_at=at,
        )  # fmt: skip
        for name, emission_id in self.emissions.items():
            at = self.sql("SELECT updated_at FROM emissions WHERE id = :id", id=emission_id)
            old, new = self.factor("2024", name), self.factor("2025", name)
            self.insert(
                RecalculationRow, **mine, emission_id=emission_id, decision_id=decision,
                old_updated_at=at, old_kg=OLD[name], new_kg=NEW[name], old_factor_id=old,
                new_factor_id=new, old_scope=2, new_scope=2, old_biogenic=False,
                new_biogenic=False, changed=True,
                reason_code="newer_release" if name == "Electricity" else "other_factor",
            )  # fmt: skip

    def factor(self, year: str, name: str) -> UUID:
        values = {"Electricity": {"2024": 0.20705, "2025": 0.177},
                  "Diesel": {"2024": 2.51279, "2025": 2.57082}}  # fmt: skip
        return self.world.factor(
            self.tenant.id, name=f"{name} {year}", source_id=name, value_per_unit=values[name][year]
        )

    def insert(self, table: Any, **values: Any) -> None:
        with Session(self.world.engine) as session:
            session.execute(insert(table).values(**values))
            session.commit()

    def sql(self, statement: str, **values: Any) -> Any:
        with Session(self.world.engine) as session:
            done = session.execute(text(statement), values)
            found = done.scalar() if done.returns_rows else None
            session.commit()
        return found


@pytest.fixture
def previewed(world, alpha) -> Previewed:
    return Previewed(world, alpha)


def status(client: Any, who: Any, recalculation_id: UUID) -> str:
    answer = client.get(f"{PATH}/{recalculation_id}", headers=who.headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["status"])


@pytest.mark.usefixtures("truncated", "releases")
def test_a_recalculation_is_taken_and_started(client, alpha, pipeline, world) -> None:
    file_id = world.file(alpha.id, alpha.email, status="completed")
    body = {
        "releases": ["desnz-2025", "desnz-2025"],
        "file_ids": [str(file_id)],
        "filters": {"year_from": 2024, "year_to": 2024},
        "reason": "the new edition",
    }
    answer = client.post(PATH, headers=alpha.headers, json=body)
    assert answer.status_code == 202, answer.text
    recalculation_id = answer.json()["recalculation_id"]
    assert answer.json()["status"] == "previewing"
    assert answer.headers["location"] == f"{PATH}/{recalculation_id}"
    [started] = pipeline.previews
    assert str(started.recalculation_id) == recalculation_id
    shown = client.get(answer.headers["location"], headers=alpha.headers).json()
    assert shown["releases"] == ["desnz-2025"]
    assert shown["releases_before"] == []  # a worker says what the figures stand on
    assert shown["selection"] == {
        "file_ids": [str(file_id)], "year_from": 2024, "year_to": 2024,
    }  # fmt: skip
    assert (shown["totals"], shown["progress"]["percent"]) == (None, 0.0)
    assert [event["action"] for event in shown["audit"]] == ["recalculation.requested"]


@pytest.mark.usefixtures("truncated", "releases")
def test_without_temporal_it_is_kept_for_the_sweep(client, alpha, pipeline) -> None:
    pipeline.away = True
    answer = client.post(PATH, headers=alpha.headers, json={"releases": ["desnz-2025"]})
    assert answer.status_code == 202
    assert status(client, alpha, answer.json()["recalculation_id"]) == "previewing"


@pytest.mark.usefixtures("truncated", "releases")
def test_what_cannot_be_recalculated_is_refused_by_its_place(client, alpha, beta, world) -> None:
    def ask(**body: Any) -> Any:
        return client.post(PATH, headers=alpha.headers, json={"releases": ["desnz-2025"]} | body)

    faults = problem(ask(releases=["desnz-2025", "x"]), 422, "validation_failed")["errors"]
    assert [(f["pointer"], f["code"]) for f in faults] == [("#/releases/1", "release_unknown")]
    parsing = world.file(alpha.id, alpha.email, status="parsing")
    faults = problem(ask(file_ids=[str(parsing)]), 422, "validation_failed")["errors"]
    assert [(f["pointer"], f["code"]) for f in faults] == [("#/file_ids/0", "file_not_completed")]
    theirs = world.file(beta.id, beta.email, status="completed")
    problem(ask(file_ids=[str(theirs)]), 404, "not_found")
    problem(ask(file_ids=[str(uuid4())]), 404, "not_found")
    problem(ask(releases=[]), 422, "validation_failed")
    backwards = {"year_from": 2025, "year_to": 2024}
    problem(ask(filters=backwards), 422, "validation_failed")


@pytest.mark.usefixtures("truncated", "releases")
def test_managers_recalculate_and_everybody_reads(client, alpha, world, previewed) -> None:
    for role in (Role.VIEWER, Role.USER, Role.MANAGER):
        headers = world.person(f"{role}@alpha.example", (alpha.id, role))
        one = f"{PATH}/{previewed.id}"
        for path in (PATH, one, f"{one}/rows"):
            assert client.get(path, headers=headers).status_code == 200
        answers = [
            client.post(PATH, headers=headers, json={"releases": ["desnz-2025"]}),
            client.post(f"{one}/cancel", headers=headers),
            client.delete(one, headers=headers),
        ]
        if role is Role.MANAGER:
            assert [a.status_code for a in answers] == [202, 200, 200]
        else:
            for answer in (*answers, client.post(f"{one}/commit", headers=headers)):
                problem(answer, 403, "permission_denied")


def test_rows_show_old_new_and_why_the_largest_difference_first(client, alpha, previewed) -> None:
    def rows(**query: Any) -> Any:
        answer = client.get(f"{PATH}/{previewed.id}/rows", headers=alpha.headers, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    first, second = rows()["rows"]
    assert (first["activity_name"], first["row"]) == ("Electricity", 2)
    assert (first["old"]["kg_co2e"], first["new"]["kg_co2e"]) == (10_352.5, 8_850.0)
    assert first["difference_kg_co2e"] == -1_502.5
    assert first["old"]["factor"]["value_kg_co2e_per_unit"] == 0.20705
    assert first["reason"]["code"] == "newer_release"
    assert "0.20705" in first["reason"]["sentence"]
    assert second["activity_name"] == "Diesel"
    assert "instead of Diesel 2024" in second["reason"]["sentence"]
    assert [r["activity_name"] for r in rows(reason="other_factor")["rows"]] == ["Diesel"]
    assert rows(changed=False)["rows"] == []
    page = rows(limit=1, include="total")
    assert (len(page["rows"]), page["pagination"]["total"]) == (1, 2)
    [last] = rows(limit=1, cursor=page["pagination"]["next_cursor"])["rows"]
    assert last["activity_name"] == "Diesel"


def test_a_preview_is_committed_once_however_often_it_is_asked_for(
    client, alpha, pipeline, previewed
) -> None:
    for _ in range(2):
        answer = client.post(f"{PATH}/{previewed.id}/commit", headers=alpha.headers)
        assert (answer.status_code, answer.json()["status"]) == (202, "committing")
    # starting the workflow twice starts it once: it has one id
    assert {ref.recalculation_id for ref in pipeline.commits} == {previewed.id}
    shown = client.get(f"{PATH}/{previewed.id}", headers=alpha.headers).json()
    assert shown["commit_requested_by"] is not None
    assert [e["action"] for e in shown["audit"]] == ["recalculation.commit_requested"]
    problem(
        client.post(f"{PATH}/{previewed.id}/cancel", headers=alpha.headers),
        409, "recalculation_state",
    )  # fmt: skip
    problem(
        client.delete(f"{PATH}/{previewed.id}", headers=alpha.headers), 409, "recalculation_state"
    )


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE emissions SET confidence_score = 1 WHERE activity_name = 'Diesel'",
        "UPDATE emissions SET deleted_at = now() WHERE activity_name = 'Diesel'",
        "UPDATE decisions SET method = 'review'",
        "UPDATE files SET deleted_at = now()",
    ],
)
def test_a_stale_preview_is_refused_and_stays_as_it_is(
    client, alpha, pipeline, previewed, change
) -> None:
    previewed.sql(change)
    answer = client.post(f"{PATH}/{previewed.id}/commit", headers=alpha.headers)
    problem(answer, 409, "recalculation_stale")
    assert status(client, alpha, previewed.id) == "previewed"
    assert pipeline.commits == []


def test_one_recalculation_of_an_organization_is_committed_at_a_time(
    client, alpha, beta, world, previewed
) -> None:
    other, theirs = Previewed(world, alpha, status="committing"), Previewed(world, beta)
    answer = client.post(f"{PATH}/{previewed.id}/commit", headers=alpha.headers)
    problem(answer, 409, "recalculation_running")
    answer = client.post(f"{PATH}/{theirs.id}/commit", headers=beta.headers)
    assert answer.status_code == 202
    previewed.sql("UPDATE recalculations SET status = 'committed' WHERE id = :id", id=other.id)
    answer = client.post(f"{PATH}/{previewed.id}/commit", headers=alpha.headers)
    assert answer.status_code == 202


@pytest.mark.parametrize("state", ["previewing", "committed", "failed", "cancelled", "expired"])
def test_only_a_finished_preview_is_committed(client, alpha, world, state) -> None:
    found = Previewed(world, alpha, status=state)
    answer = client.post(f"{PATH}/{found.id}/commit", headers=alpha.headers)
    refused = problem(answer, 409, "recalculation_state")
    assert (refused["state"], refused["needed"]) == (state, ["previewed"])
    assert refused["detail"] == f"The recalculation is {state}; this needs previewed."


def test_cancelling_stops_the_workflow_and_deleting_hides_it(
    client, alpha, pipeline, previewed
) -> None:
    for _ in range(2):
        answer = client.post(f"{PATH}/{previewed.id}/cancel", headers=alpha.headers)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert {ref.recalculation_id for ref in pipeline.stopped} == {previewed.id}
    answer = client.delete(f"{PATH}/{previewed.id}", headers=alpha.headers)
    assert answer.json() == {"deleted": True, "recalculation_id": str(previewed.id)}
    problem(client.get(f"{PATH}/{previewed.id}", headers=alpha.headers), 404, "not_found")
    assert client.get(PATH, headers=alpha.headers).json()["recalculations"] == []


@pytest.mark.usefixtures("truncated", "releases")
def test_who_sees_some_projects_recalculates_those_and_sees_no_others(
    client, alpha, world, previewed
) -> None:
    project = world.project(alpha.id, "Fleet")
    headers = world.person(
        "mia@alpha.example", (alpha.id, Role.MANAGER), permissions={"projects": [str(project)]}
    )
    problem(client.get(f"{PATH}/{previewed.id}", headers=headers), 404, "not_found")
    problem(client.post(f"{PATH}/{previewed.id}/commit", headers=headers), 404, "not_found")
    outside = {"releases": ["desnz-2025"], "file_ids": [str(previewed.file)]}
    problem(client.post(PATH, headers=headers, json=outside), 404, "not_found")
    answer = client.post(PATH, headers=headers, json={"releases": ["desnz-2025"]})
    assert answer.status_code == 202
    kept = previewed.sql(
        "SELECT projects::text FROM recalculations WHERE id = :id",
        id=answer.json()["recalculation_id"],
    )
    assert kept == f'["{project}"]'
    [only] = client.get(PATH, headers=headers).json()["recalculations"]
    assert only["id"] == answer.json()["recalculation_id"]
    assert len(client.get(PATH, headers=alpha.headers).json()["recalculations"]) == 2


def test_the_list_is_filtered_by_status(client, alpha, world, previewed) -> None:
    Previewed(world, alpha, status="cancelled")
    query = {"status": "previewed", "include": "total"}
    page = client.get(PATH, headers=alpha.headers, params=query).json()
    assert [r["id"] for r in page["recalculations"]] == [str(previewed.id)]
    assert page["pagination"]["total"] == 1


@pytest.mark.usefixtures("truncated", "releases")
def test_three_at_a_time_are_enough(client, alpha) -> None:
    body = {"releases": ["desnz-2025"]}
    for _ in range(3):
        assert client.post(PATH, headers=alpha.headers, json=body).status_code == 202
    refused = client.post(PATH, headers=alpha.headers, json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_recalculations")


@pytest.mark.usefixtures("truncated", "releases")
def test_of_many_at_once_three_are_taken(client, alpha) -> None:
    body = {"releases": ["desnz-2025"]}
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(client.post, PATH, headers=alpha.headers, json=body) for _ in range(8)]
        answers = sorted(answer.result().status_code for answer in asked)
    assert answers == [202] * 3 + [409] * 5
