"""Figures: lists, sums, explanations, reviews."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from core.permissions import Role


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return dict(answer.json())


def listed(client, who, **query) -> dict[str, Any]:
    answer = client.get("/v1/emissions", headers=who.headers, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def titles(client, who, **query) -> list[str]:
    return [item["activity_name"] for item in listed(client, who, **query)["results"]]


@pytest.fixture
def figures(world, alpha) -> dict[str, Any]:
    """Five figures of one file; the sums are in the test that checks them."""
    project = world.project(alpha.id, "Fleet")
    file_id = world.file(alpha.id, alpha.email, project_id=project)
    rows = [
        {
            "activity_name": "Diesel for vans",
            "activity_type": "fuel",
            "scope": 1,
            "category": "Fuels",
            "calculated_emission": 3084.984,
            "activity_on": dt.date(2024, 3, 1),
            "region": "GB",
            "confidence_score": 0.95,
        },
        {
            "activity_name": "Electricity, Leeds office",
            "activity_type": "electricity",
            "scope": 2,
            "calculated_emission": 8850.0,
            "activity_on": dt.date(2024, 6, 30),
            "confidence_score": 0.7,
        },
        {
            "activity_name": "Flights to Berlin",
            "activity_type": "travel",
            "activity_description": "economy, two passengers",
            "scope": 3,
            "scope3_category": 6,
            "calculated_emission": 648.4016,
            "activity_year": 2024,
        },
        {"activity_name": "Paper", "activity_type": None, "calculated_emission": 10.0, "scope": 3},
        {
            "activity_name": "Wood pellets",
            "activity_type": "fuel",
            "biogenic": True,
            "scope": None,
            "calculated_emission": 500.0,
            "activity_on": dt.date(2023, 12, 31),
        },
    ]
    ids = [
        world.emission(alpha.id, file_id, number, project_id=project, **row)
        for number, row in enumerate(rows, start=2)
    ]
    return {"file_id": file_id, "project": project, "ids": ids}


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("title", ["Diesel", "Electricity", "Flights", "Paper", "Wood"]),
        ("-title", ["Wood", "Paper", "Flights", "Electricity", "Diesel"]),
        ("emission", ["Paper", "Wood", "Flights", "Diesel", "Electricity"]),
        ("-emission", ["Electricity", "Diesel", "Flights", "Wood", "Paper"]),
    ],
)
def test_figures_sort_as_asked(client, alpha, figures, sort, expected) -> None:
    assert [t.split()[0].strip(",") for t in titles(client, alpha, sort=sort)] == expected


@pytest.mark.parametrize("sort", ["date", "-date", "type", "-type"])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_rows_without_a_value_come_last_and_none_is_lost(
    client, alpha, figures, sort, limit
) -> None:
    key = "date" if "date" in sort else "activity_type"
    seen: list[Any] = []
    query: dict[str, Any] = {"sort": sort, "limit": limit}
    while True:
        body = listed(client, alpha, **query)
        seen += [(item["id"], item["date" if key == "date" else key]) for item in body["results"]]
        if not body["pagination"]["has_more"]:
            break
        query["cursor"] = body["pagination"]["next_cursor"]
    assert {row_id for row_id, _ in seen} == {str(i) for i in figures["ids"]}
    assert len(seen) == 5
    values = [value for _, value in seen]
    known = [value for value in values if value is not None]
    assert values == known + [None] * (5 - len(known))
    assert known == sorted(known, reverse=sort.startswith("-"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "flight"}, ["Flights"]),  # the stem is found
        ({"q": "passengers berlin"}, ["Flights"]),
        ({"q": "diesel OR paper"}, ["Diesel", "Paper"]),
        ({"q": "vans -diesel"}, []),
        ({"q": "vans - diesel"}, ["Diesel"]),  # only what a minus touches is left out
        ({"q": "flights -\"to Berlin\""}, []),
        ({"q": "flights -paris"}, ["Flights"]),
        ({"q": "'; DROP TABLE emissions; --"}, []),
        ({"name": "electricity"}, ["Electricity"]),
        ({"name": "office"}, []),  # the beginning, not any part
        ({"name": "%"}, []),
        ({"type": "fuel"}, ["Diesel", "Wood"]),
        ({"scope": 2}, ["Electricity"]),
        ({"scope": [1, 2]}, ["Diesel", "Electricity"]),
        ({"category": "Fuels"}, ["Diesel"]),
        ({"region": "GB"}, ["Diesel"]),
        ({"region": "gb"}, ["Diesel"]),
        ({"region": "United Kingdom"}, ["Diesel"]),
        ({"region": "nowhere"}, []),
        ({"min_confidence": 0.8}, ["Diesel", "Paper", "Wood"]),
        ({"date_from": "2024-03-02"}, ["Electricity"]),
        ({"date_from": "2024-01-01"}, ["Diesel", "Electricity", "Flights"]),
        ({"date_to": "2024-12-30"}, ["Diesel", "Electricity", "Wood"]),
        ({"date_from": "2024-01-01", "date_to": "2024-12-31"},
         ["Diesel", "Electricity", "Flights"]),
        ({"file_id": str(uuid4())}, []),
    ],
)  # fmt: skip
def test_figures_are_filtered(client, alpha, figures, query, expected) -> None:
    if "min_confidence" in query:
        expected = ["Diesel", "Flights", "Paper", "Wood"]  # these have the default 0.9
    found = titles(client, alpha, sort="title", **query)
    assert [title.split()[0].strip(",") for title in found] == expected


def test_figures_are_filtered_by_file_and_project(client, alpha, figures) -> None:
    assert len(titles(client, alpha, file_id=str(figures["file_id"]))) == 5
    assert len(titles(client, alpha, project_id=str(figures["project"]))) == 5


def test_full_text_follows_the_organizations_language(client, world, alpha) -> None:
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE organizations SET search_language = 'german'"))
    file_id = world.file(alpha.id, alpha.email)
    world.emission(alpha.id, file_id, 2, activity_name="Flüge nach Wien", search_language="german")
    assert titles(client, alpha, q="Flug") == ["Flüge nach Wien"]


def test_a_misspelt_word_is_taken_for_a_near_one_and_the_answer_says_so(
    client, alpha, figures, similarity
) -> None:
    found = listed(client, alpha, q="diezel", limit=1)
    assert found["searched_for"] == "diesel"
    assert [item["activity_name"] for item in found["results"]] == ["Diesel for vans"]
    assert found["summary"]["count"] == 1
    assert listed(client, alpha, q="diesel")["searched_for"] is None


def test_without_trigrams_a_misspelt_word_finds_nothing(client, alpha, figures) -> None:
    found = listed(client, alpha, q="diezel")
    assert (found["searched_for"], found["results"]) == (None, [])


def test_the_summary_covers_the_whole_filter_and_keeps_biogenic_apart(
    client, alpha, figures
) -> None:
    body = listed(client, alpha, limit=1, include="total")
    summary = body["summary"]
    assert body["pagination"]["total"] == summary["count"] == 5
    # 3084.984 + 8850 + 648.4016 + 10 = 12,593.3856; the pellets' 500 kg stand apart
    assert math.isclose(summary["total_kg_co2e"], 12593.3856)
    assert summary["biogenic_kg_co2"] == 500.0
    scopes = [(part["scope"], part["count"]) for part in summary["by_scope"]]
    assert scopes == [(1, 1), (2, 1), (3, 2), (None, 1)]
    assert math.isclose(summary["by_scope"][2]["kg_co2e"], 658.4016)
    types = {part["type"]: (part["count"], part["kg_co2e"]) for part in summary["by_type"]}
    assert types == {
        "electricity": (1, 8850.0),
        "fuel": (2, 3084.984),
        "travel": (1, 648.4016),
        None: (1, 10.0),
    }
    assert summary["types"] == 4
    only_fuel = listed(client, alpha, type="fuel")["summary"]
    assert (only_fuel["count"], only_fuel["total_kg_co2e"]) == (2, 3084.984)


def test_rows_and_scopes_add_up_to_the_totals_of_the_summary(client, alpha, figures) -> None:
    body = listed(client, alpha)
    summary = body["summary"]
    for total, of_row, of_scope in (
        ("total_kg_co2e", "emission_kg_co2e", "kg_co2e"),
        ("biogenic_kg_co2", "biogenic_kg_co2", "biogenic_kg_co2"),
    ):
        assert math.isclose(sum(row[of_row] for row in body["results"]), summary[total])
        assert math.isclose(sum(part[of_scope] for part in summary["by_scope"]), summary[total])
    [pellets] = [row for row in body["results"] if row["biogenic"]]
    assert (pellets["emission_kg_co2e"], pellets["biogenic_kg_co2"]) == (0.0, 500.0)
    assert summary["by_scope"][-1] == {
        "scope": None, "count": 1, "kg_co2e": 0.0, "biogenic_kg_co2": 500.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "status", ["uploaded", "parsing", "ai_matching", "calculating", "failed", "deleted"]
)
def test_figures_count_only_once_their_file_is_complete(client, world, alpha, status) -> None:
    whole = world.emission(alpha.id, world.file(alpha.id, alpha.email), 1)
    part_file = world.file(alpha.id, alpha.email)
    part = world.emission(alpha.id, part_file, 2)
    change = "deleted_at = now()" if status == "deleted" else f"status = '{status}'"
    with world.engine.begin() as connection:
        connection.execute(text(f"UPDATE files SET {change} WHERE id = :id"), {"id": part_file})
    body = client.get("/v1/emissions", headers=alpha.headers).json()
    assert [figure["id"] for figure in body["results"]] == [str(whole)]
    assert (body["summary"]["count"], body["summary"]["total_kg_co2e"]) == (1, 1.0)
    assert client.get(f"/v1/emissions/{part}", headers=alpha.headers).status_code == 404
    assert client.get(f"/v1/emissions/{whole}", headers=alpha.headers).status_code == 200


def test_an_empty_organization_has_an_empty_summary(client, alpha) -> None:
    body = listed(client, alpha)
    assert body["results"] == []
    assert body["summary"] == {
        "count": 0, "total_kg_co2e": 0, "biogenic_kg_co2": 0, "by_scope": [], "by_type": [],
        "types": 0, "linked": {"upstream_kg_co2e": 0, "outside_of_scopes_kg_co2": 0},
    }  # fmt: skip


def test_linked_figures_are_shown_beside_the_others_and_summed_apart(client, alpha, world) -> None:
    file_id = world.file(alpha.id, alpha.email)
    world.emission(alpha.id, file_id, 1, upstream_emission=0.1, outside_of_scopes_emission=4.0)
    world.emission(alpha.id, file_id, 2, upstream_emission=0.2)
    body = client.get("/v1/emissions", headers=alpha.headers).json()
    # the figures themselves are 1 kg each, by the factory
    assert body["summary"]["total_kg_co2e"] == 2.0
    assert body["summary"]["linked"] == {"upstream_kg_co2e": 0.3, "outside_of_scopes_kg_co2": 4.0}
    upstream = {row["row"]: row["upstream_kg_co2e"] for row in body["results"]}
    assert upstream == {1: 0.1, 2: 0.2}


@pytest.mark.parametrize(
    "query",
    [
        {"scope": 4},
        {"scope": "all"},
        {"min_confidence": "nan"},
        {"min_confidence": "1e999"},
        {"min_confidence": 1.1},
        {"date_from": "2024-13-01"},
        {"date_to": "99999-01-01"},
        {"q": "a\0b"},
        {"q": "x" * 501},
        {"sort": "scope"},
        {"file_id": "all"},
    ],
)
def test_a_wrong_filter_is_422(client, alpha, query) -> None:
    answer = client.get("/v1/emissions", headers=alpha.headers, params=query)
    problem(answer, 422, "validation_failed")


def test_a_figure_is_explained_in_full(client, world, alpha) -> None:
    file_id = world.file(alpha.id, alpha.email, filename="fuel.csv")
    factor_id = world.factor(alpha.id, source="Own measurement", source_year=2025)
    decision_id = world.decision(
        alpha.id, file_id, "k", outcome="matched", emission_factor_id=factor_id, confidence=0.93,
        reasons=[{"code": "best", "sentence": "The name says it."}],
        fallbacks=[{"kind": "year", "requested": "2023", "used": "2025"}],
    )  # fmt: skip
    calculation = {"formula": "1200 litre × 2.57082 kg CO2e/litre = 3084.984 kg CO2e"}
    emission_id = world.emission(
        alpha.id, file_id, 2, volume=1200.0, calculated_emission=3084.984,
        emission_factor_id=factor_id, decision_id=decision_id, calculation=calculation,
    )  # fmt: skip
    answer = client.get(f"/v1/emissions/{emission_id}", headers=alpha.headers)
    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"]
    assert (body["volume"], body["unit"], body["emission_kg_co2e"]) == (1200.0, "litre", 3084.984)
    assert body["row"] == 2
    assert body["source_file"]["filename"] == "fuel.csv"
    assert body["factor"]["value_kg_co2e_per_unit"] == 2.57082
    assert body["factor"]["source"] == "Own measurement"
    assert body["match"]["confidence"] == 0.93
    assert body["match"]["candidates"] == [{"name": "Diesel", "score": 0.2}]
    assert body["match"]["fallbacks"][0]["used"] == "2025"
    assert body["calculation"] == calculation
    assert body["history"] == []
    assert body["audit"] == []


def test_lists_show_the_beginning_of_a_long_description(client, world, alpha) -> None:
    file = world.file(alpha.id, alpha.email)
    written = "é" * 32_000
    figure = world.emission(alpha.id, file, 1, activity_description=written)
    world.emission(alpha.id, file, 2, activity_description="é" * 500)
    world.emission(alpha.id, file, 3, activity_description=None)
    shown = {row["row"]: row["activity_description"] for row in listed(client, alpha)["results"]}
    assert shown == {1: "é" * 499 + "…", 2: "é" * 500, 3: None}
    whole = client.get(f"/v1/emissions/{figure}", headers=alpha.headers).json()
    assert whole["activity_description"] == written


def test_a_deleted_or_unknown_figure_is_404(client, world, alpha) -> None:
    file_id = world.file(alpha.id, alpha.email)
    gone = world.emission(alpha.id, file_id, 2, deleted_at=dt.datetime.now(dt.UTC))
    for emission_id in (gone, uuid4()):
        answer = client.get(f"/v1/emissions/{emission_id}", headers=alpha.headers)
        problem(answer, 404, "not_found")


def test_reviews_come_with_most_at_risk_first(client, world, alpha) -> None:
    file_id = world.file(alpha.id, alpha.email)
    risks = [5.0, None, 100.0, 5.0]
    for number, risk in enumerate(risks):
        decision_id = world.decision(alpha.id, file_id, f"k{number}")
        world.review(alpha.id, file_id, decision_id, kg_at_risk=risk, row_count=number + 1)
    resolved = world.decision(alpha.id, file_id, "resolved")
    world.review(alpha.id, file_id, resolved, status="accepted")
    seen: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 1, "include": "total"}
    while True:
        body = client.get("/v1/emissions/reviews", headers=alpha.headers, params=query).json()
        seen += body["reviews"]
        if not body["pagination"]["has_more"]:
            break
        query["cursor"] = body["pagination"]["next_cursor"]
    # what nobody can estimate comes before what is known to be large
    assert [review["kg_co2e_at_risk"] for review in seen] == [None, 100.0, 5.0, 5.0]
    assert len({review["id"] for review in seen}) == 4
    assert body["pagination"]["total"] == 4
    assert seen[0]["rows"] == 2
    assert seen[0]["candidates"] == [{"name": "Diesel", "score": 0.2}]
    assert seen[0]["activity"]["name"] == "Diesel"
    assert seen[0]["filename"] == "travel.csv"


def test_reviews_are_filtered_by_file_and_reason(client, world, alpha) -> None:
    for number in range(2):
        file_id = world.file(alpha.id, alpha.email)
        decision_id = world.decision(alpha.id, file_id, "k")
        world.review(alpha.id, file_id, decision_id, reason_code=f"reason_{number}")

    def found(**query: Any) -> int:
        answer = client.get("/v1/emissions/reviews", headers=alpha.headers, params=query)
        return len(answer.json()["reviews"])

    assert found() == 2
    assert found(file_id=str(file_id)) == 1
    assert found(reason="reason_0") == 1


def test_a_member_of_one_project_sees_only_its_figures_and_reviews(
    client, world, alpha, figures
) -> None:
    other = world.file(alpha.id, alpha.email)
    hidden = world.emission(alpha.id, other, 2, activity_name="Hidden")
    world.review(alpha.id, other, world.decision(alpha.id, other, "k"))
    headers = world.person(
        "v@alpha.example",
        (alpha.id, Role.VIEWER),
        permissions={"projects": [str(figures["project"])]},
    )
    limited = type(alpha)(alpha.id, "v@alpha.example", headers)
    assert "Hidden" not in titles(client, limited)
    assert listed(client, limited)["summary"]["count"] == 5
    problem(client.get(f"/v1/emissions/{hidden}", headers=headers), 404, "not_found")
    assert client.get("/v1/emissions/reviews", headers=headers).json()["reviews"] == []


def test_unreadable_permissions_show_nothing(client, world, alpha, figures) -> None:
    headers = world.person(
        "v@alpha.example", (alpha.id, Role.VIEWER), permissions={"projects": "all"}
    )
    limited = type(alpha)(alpha.id, "v@alpha.example", headers)
    assert titles(client, limited) == []
