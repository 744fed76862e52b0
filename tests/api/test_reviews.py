"""Reviews resolved by people: what is taken, what is refused, what is remembered."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from core.permissions import Role
from db.ids import uuid7
from tests.api.conftest import problem

ACTIVITY = {
    "key": "a" * 64, "name": "Red diesel", "type": None, "description": None, "unit": "l",
    "dimension": "volume", "basis": None, "region": "GB", "year": 2024, "currency": None,
}  # fmt: skip


class Waiting:
    """One review of a held or flagged activity, with a factor of the organization's own."""

    def __init__(self, world: Any, tenant: Any, **decision: Any) -> None:
        self.world, self.tenant = world, tenant
        self.file = world.file(tenant.id, tenant.email, rows_total=1, rows_in_review=1)
        self.factor = world.factor(
            tenant.id, unit="l", source_id=str(uuid7()), name=f"Diesel {self.file}", data_year=2024
        )
        candidates = decision.pop("candidates", [candidate(self.factor)])
        activity = decision.pop("activity", ACTIVITY)
        self.decision = world.decision(
            tenant.id, self.file, "a" * 64, activity=activity, candidates=candidates, **decision
        )
        self.review = world.review(tenant.id, self.file, self.decision, kg_at_risk=2.5)
        self.url = f"/v1/emissions/reviews/{self.review}"

    def row(self) -> Any:
        with self.world.engine.connect() as connection:
            return connection.execute(
                text("SELECT * FROM reviews WHERE id = :id"), {"id": self.review}
            ).one()

    def remembered(self) -> list[Any]:
        with self.world.engine.connect() as connection:
            return list(connection.execute(text("SELECT * FROM remembered_decisions")).all())


def candidate(factor_id: UUID) -> dict[str, Any]:
    return {
        "factor_id": str(factor_id), "source_id": "own-1", "release": "own", "name": "Diesel",
        "value_per_unit": 2.57082, "unit": "l", "score": 0.4, "signals": {},
    }  # fmt: skip


@pytest.fixture
def waiting(world, alpha) -> Waiting:
    return Waiting(world, alpha)


def test_accepting_a_held_review_takes_its_first_candidate(
    client, alpha, waiting, pipeline, admin_engine
) -> None:
    answer = client.post(
        waiting.url, headers=alpha.headers, json={"action": "accept", "reason": "as invoiced"}
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "accepted"
    assert body["emission_factor_id"] == str(waiting.factor)
    assert body["applied"] is True
    assert [ref.review_id for ref in pipeline.reviews] == [waiting.review]
    row = waiting.row()
    assert (row.status, row.emission_factor_id) == ("accepted", waiting.factor)
    assert (row.resolved_by, row.resolution_reason) == (
        waiting.world.user_id(alpha.email), "as invoiced",
    )  # fmt: skip
    [memory] = waiting.remembered()
    assert (str(memory.id), memory.emission_factor_id) == (body["decision_id"], waiting.factor)
    assert memory.activity["name"] == "Red diesel"
    with admin_engine.connect() as connection:
        event = connection.execute(text("SELECT * FROM audit_events")).one()
    assert (event.action, event.object_id) == ("review.accepted", waiting.review)
    assert event.after["emission_factor_id"] == str(waiting.factor)


def test_choosing_takes_any_factor_that_the_organization_may_use(
    client, alpha, waiting, world
) -> None:
    other = world.factor(alpha.id, unit="l", source_id="own-2", name="Gas oil", data_year=2024)
    answer = client.post(
        waiting.url,
        headers=alpha.headers,
        json={"action": "choose", "emission_factor_id": str(other)},
    )
    assert answer.json()["status"] == "chosen"
    assert waiting.row().emission_factor_id == other


def test_rejecting_remembers_that_no_factor_fits(client, alpha, waiting) -> None:
    answer = client.post(waiting.url, headers=alpha.headers, json={"action": "reject"})
    assert answer.json()["status"] == "rejected"
    assert answer.json()["emission_factor_id"] is None
    assert [memory.emission_factor_id for memory in waiting.remembered()] == [None]


def test_nothing_is_remembered_when_the_body_says_so(client, alpha, waiting) -> None:
    answer = client.post(
        waiting.url, headers=alpha.headers, json={"action": "accept", "remember": False}
    )
    assert answer.json()["decision_id"] is None
    assert waiting.remembered() == []


def test_the_same_resolution_twice_is_one_and_another_one_is_refused(
    client, alpha, waiting
) -> None:
    for _ in range(2):
        answer = client.post(waiting.url, headers=alpha.headers, json={"action": "accept"})
        assert answer.status_code == 200
    assert len(waiting.remembered()) == 1
    refused = client.post(waiting.url, headers=alpha.headers, json={"action": "reject"})
    problem(refused, 409, "review_resolved")


def test_a_resolved_review_is_a_conflict_even_where_there_is_nothing_to_accept(
    client, alpha, world
) -> None:
    waiting = Waiting(world, alpha, candidates=[])
    answer = client.post(waiting.url, headers=alpha.headers, json={"action": "reject"})
    assert answer.status_code == 200
    for body in ({"action": "accept"}, {"action": "choose", "emission_factor_id": str(uuid7())}):
        answer = client.post(waiting.url, headers=alpha.headers, json=body)
        problem(answer, 409, "review_resolved")
    again = client.post(waiting.url, headers=alpha.headers, json={"action": "reject"})
    assert again.status_code == 200


def test_a_slow_application_is_answered_as_taken(client, alpha, waiting, pipeline) -> None:
    pipeline.applies = False
    answer = client.post(waiting.url, headers=alpha.headers, json={"action": "accept"})
    assert (answer.status_code, answer.json()["applied"]) == (202, False)
    assert answer.headers["location"] == waiting.url
    assert client.get(waiting.url, headers=alpha.headers).json()["status"] == "accepted"


def test_a_resolution_is_kept_while_temporal_is_away(client, alpha, waiting, pipeline) -> None:
    pipeline.away = True
    answer = client.post(waiting.url, headers=alpha.headers, json={"action": "accept"})
    assert answer.status_code == 202
    assert waiting.row().status == "accepted"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "choose"}, "#/emission_factor_id"),
        ({"action": "accept", "emission_factor_id": str(uuid7())}, "#/emission_factor_id"),
        ({"action": "delete"}, "#/action"),
        ({"action": "accept", "reason": "\x00"}, "#/reason"),
        ({"action": "accept", "colour": "red"}, "#/colour"),
    ],
)
def test_a_wrong_body_is_named(client, alpha, waiting, body, pointer) -> None:
    answer = problem(
        client.post(waiting.url, headers=alpha.headers, json=body), 422, "validation_failed"
    )
    assert [fault["pointer"] for fault in answer["errors"]] == [pointer]
    assert waiting.row().status == "open"


def test_accepting_needs_something_to_accept(client, alpha, world) -> None:
    waiting = Waiting(world, alpha, candidates=[])
    answer = client.post(waiting.url, headers=alpha.headers, json={"action": "accept"})
    problem(answer, 422, "no_candidate")


def test_a_factor_of_another_dimension_is_refused_with_its_reason(
    client, alpha, waiting, world
) -> None:
    hotel = world.factor(
        alpha.id, unit="room_night", dimension="room_night", source_id="h", name="Hotel"
    )
    answer = client.post(
        waiting.url,
        headers=alpha.headers,
        json={"action": "choose", "emission_factor_id": str(hotel)},
    )
    assert problem(answer, 422, "factor_unusable")["reason"] == "unit_mismatch"
    assert waiting.row().status == "open"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({}, 422),
        ({"name": "Électricité siège Lyon"}, 422),
        ({"name": "Wood pellets"}, 422),  # scope 1; its biogenic CO2 stands beside the figure
        ({"name": "CO2 biogénique, chaudière"}, 200),
        ({"description": "Biogenic part, reported apart"}, 200),
        ({"type": "Outside of scopes"}, 200),
    ],
)
def test_only_what_says_that_it_is_biogenic_can_be_taken_out_of_every_total(
    client, alpha, world, words, status
) -> None:
    waiting = Waiting(world, alpha, activity=ACTIVITY | words)
    biogenic = world.factor(
        alpha.id, unit="l", source_id="b", name="Diesel", scope=None, biogenic=True
    )
    answer = client.post(
        waiting.url,
        headers=alpha.headers,
        json={"action": "choose", "emission_factor_id": str(biogenic)},
    )
    if status == 200:
        assert answer.json()["status"] == "chosen", answer.text
        return
    refused = problem(answer, 422, "factor_unusable")
    assert refused["reason"] == "outside_of_scopes"
    assert "Choose the factor with a scope" in refused["detail"]
    assert (waiting.row().status, waiting.remembered()) == ("open", [])


def test_another_organizations_factor_is_not_there(client, alpha, beta, waiting, world) -> None:
    theirs = world.factor(beta.id, unit="l", source_id="theirs")
    bodies = [
        problem(
            client.post(
                waiting.url,
                headers=alpha.headers,
                json={"action": "choose", "emission_factor_id": str(factor)},
            ),
            422,
            "factor_unusable",
        )["detail"]
        for factor in (theirs, uuid7())
    ]
    assert bodies[0] == bodies[1]


def test_another_organizations_review_is_not_there(client, beta, waiting) -> None:
    answer = client.post(waiting.url, headers=beta.headers, json={"action": "accept"})
    problem(answer, 404, "not_found")
    assert waiting.row().status == "open"


def test_a_viewer_may_look_and_not_resolve(client, alpha, waiting, world) -> None:
    headers = world.person("vi@alpha.example", (alpha.id, Role.VIEWER))
    assert client.get(waiting.url, headers=headers).status_code == 200
    answer = client.post(waiting.url, headers=headers, json={"action": "accept"})
    problem(answer, 403, "permission_denied")


def test_a_member_of_other_projects_does_not_find_the_review(client, alpha, waiting, world) -> None:
    project = world.project(alpha.id, "Other")
    headers = world.person(
        "pia@alpha.example", (alpha.id, Role.USER), permissions={"projects": [str(project)]}
    )
    answer = client.post(waiting.url, headers=headers, json={"action": "accept"})
    problem(answer, 404, "not_found")


def test_open_reviews_of_the_same_activity_are_counted(client, alpha, waiting, world) -> None:
    other = world.file(alpha.id, alpha.email)
    again = world.decision(
        alpha.id, other, "b" * 64, candidates=[],
        activity=ACTIVITY | {"year": 2023, "key": "b" * 64},
    )  # fmt: skip
    world.review(alpha.id, other, again)
    unlike = world.file(alpha.id, alpha.email)
    different = world.decision(
        alpha.id, unlike, "c" * 64, candidates=[], activity=ACTIVITY | {"name": "Kerosene"}
    )
    world.review(alpha.id, unlike, different)
    answer = client.post(waiting.url, headers=alpha.headers, json={"action": "accept"})
    assert answer.json()["same_activity_open"] == 1


def test_resolved_reviews_leave_the_list_and_can_be_asked_for(client, alpha, waiting) -> None:
    client.post(waiting.url, headers=alpha.headers, json={"action": "accept"})
    assert client.get("/v1/emissions/reviews", headers=alpha.headers).json()["reviews"] == []
    found = client.get(
        "/v1/emissions/reviews", headers=alpha.headers, params={"status": "resolved"}
    ).json()["reviews"]
    assert [(one["id"], one["status"]) for one in found] == [(str(waiting.review), "accepted")]


class TestMemory:
    """Remembered decisions: listed, revoked, replaced."""

    def url(self, tenant: Any) -> str:
        return f"/v1/organizations/{tenant.id}/decisions"

    def test_a_remembered_decision_is_listed_and_revoked(
        self, client, alpha, waiting, admin_engine
    ) -> None:
        client.post(
            waiting.url, headers=alpha.headers, json={"action": "accept", "reason": "invoice"}
        )
        [listed] = client.get(self.url(alpha), headers=alpha.headers).json()["decisions"]
        assert listed["activity"]["name"] == "Red diesel"
        assert listed["emission_factor_name"] == f"Diesel {waiting.file}"
        assert (listed["reason"], listed["used"]) == ("invoice", 0)
        assert listed["decided_by_name"] == "Ada"
        gone = client.delete(f"{self.url(alpha)}/{listed['id']}", headers=alpha.headers)
        assert gone.json() == {"revoked": True, "decision_id": listed["id"]}
        assert client.get(self.url(alpha), headers=alpha.headers).json()["decisions"] == []
        again = client.delete(f"{self.url(alpha)}/{listed['id']}", headers=alpha.headers)
        problem(again, 404, "not_found")
        kept = client.get(self.url(alpha), headers=alpha.headers, params={"history": True}).json()
        assert kept["decisions"][0]["revoked_at"] is not None
        with admin_engine.connect() as connection:
            actions = connection.scalars(text("SELECT action FROM audit_events ORDER BY sequence"))
            assert list(actions) == ["review.accepted", "decision.revoked"]

    def test_the_newest_decision_on_an_activity_counts(self, client, alpha, world) -> None:
        first, second = Waiting(world, alpha), Waiting(world, alpha)
        for waiting in (first, second):
            client.post(waiting.url, headers=alpha.headers, json={"action": "accept"})
        [listed] = client.get(self.url(alpha), headers=alpha.headers).json()["decisions"]
        assert listed["emission_factor_id"] == str(second.factor)
        both = client.get(self.url(alpha), headers=alpha.headers, params={"history": True}).json()
        assert len(both["decisions"]) == 2

    def test_another_organization_finds_and_revokes_nothing(
        self, client, alpha, beta, waiting
    ) -> None:
        client.post(waiting.url, headers=alpha.headers, json={"action": "accept"})
        [mine] = waiting.remembered()
        assert client.get(self.url(beta), headers=beta.headers).json()["decisions"] == []
        problem(client.get(self.url(alpha), headers=beta.headers), 404, "not_found")
        for tenant in (alpha, beta):
            answer = client.delete(f"{self.url(tenant)}/{mine.id}", headers=beta.headers)
            problem(answer, 404, "not_found")
        assert waiting.remembered()[0].revoked_at is None

    def test_a_viewer_may_not_revoke(self, client, alpha, waiting, world) -> None:
        client.post(waiting.url, headers=alpha.headers, json={"action": "accept"})
        [mine] = waiting.remembered()
        headers = world.person("vi@alpha.example", (alpha.id, Role.VIEWER))
        answer = client.delete(f"{self.url(alpha)}/{mine.id}", headers=headers)
        problem(answer, 403, "permission_denied")


def test_a_deleted_factor_of_ones_own_can_not_be_chosen(client, alpha, waiting) -> None:
    assert client.delete(
        f"/v1/emission-factors/{waiting.factor}", headers=alpha.headers
    ).status_code == 200  # fmt: skip
    answer = client.post(
        waiting.url, headers=alpha.headers,
        json={"action": "choose", "emission_factor_id": str(waiting.factor)},
    )  # fmt: skip
    problem(answer, 422, "factor_unusable")


def test_who_is_limited_to_projects_decides_for_the_file_and_not_for_the_organization(
    client, world, alpha
) -> None:
    project = world.project(alpha.id, "Fleet")
    waiting = Waiting(world, alpha)
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE files SET project_id = :id"), {"id": project})
    limited = world.person(
        "li@alpha.example", (alpha.id, Role.MANAGER), permissions={"projects": [str(project)]}
    )
    answer = client.post(waiting.url, headers=limited, json={"action": "accept"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["decision_id"] is None
    assert waiting.remembered() == []
    decisions = f"/v1/organizations/{alpha.id}/decisions"
    problem(client.get(decisions, headers=limited), 403, "permission_denied")
    answer = client.delete(f"{decisions}/{uuid7()}", headers=limited)
    problem(answer, 403, "permission_denied")


def test_who_decided_in_another_project_is_not_told_but_the_day(
    client, alpha, waiting, world
) -> None:
    client.post(waiting.url, headers=alpha.headers, json={"action": "accept", "reason": "Falcon"})
    [memory] = waiting.remembered()
    project = world.project(alpha.id, "Fleet")
    file_id = world.file(alpha.id, alpha.email, project_id=project)
    decision = world.decision(alpha.id, file_id, "b" * 64, activity=ACTIVITY, candidates=[])
    figure = world.emission(alpha.id, file_id, 2, decision_id=decision, project_id=project)
    with world.engine.begin() as connection:
        connection.execute(
            text("UPDATE decisions SET remembered_decision_id = :memory WHERE id = :id"),
            {"memory": memory.id, "id": decision},
        )
    limited = world.person(
        "li@alpha.example", (alpha.id, Role.VIEWER), permissions={"projects": [str(project)]}
    )

    def told(headers: Any) -> dict[str, Any]:
        answer = client.get(f"/v1/emissions/{figure}", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["decided_by"]

    assert (told(alpha.headers)["by_name"], told(alpha.headers)["reason"]) == ("Ada", "Falcon")
    shown = told(limited)
    assert {name for name, value in shown.items() if value is not None} == {"at"}
    assert shown["at"][:19] == f"{memory.decided_at.date()}T00:00:00"
    with world.engine.begin() as connection:
        connection.execute(
            text("UPDATE files SET project_id = :project WHERE id = :id"),
            {"project": project, "id": waiting.file},
        )
    assert told(limited) == told(alpha.headers)
