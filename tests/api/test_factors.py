"""/v1/emission-factors: what is offered, what is told of a factor, own factors, releases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from core.factors.library import load_release
from core.permissions import Role
from db.queries import library
from runtime.factor_releases import new_release, release_row

URL = "/v1/emission-factors"
GRID, GAS_GROSS, GAS_NET = "7_400_4000_5_1", "1_100_1004_6_1", "1_100_1004_7_1"
DIESEL, HOTEL, REFRIGERANT = "1_101_1011_8_1", "29_600_4017_13_1", "3_201_2156_3_1"
LOADED = {
    "desnz-2024": (GRID, GAS_GROSS),
    "desnz-2025": (GRID, GAS_GROSS, GAS_NET, DIESEL, HOTEL, REFRIGERANT),
    "epa-hub-2025": ("Table 6/CAMX",),
}
NEW = {
    "name": "Rooftop solar tariff", "category": "Electricity", "value_kg_co2e_per_unit": 0.021,
    "unit": "kWh", "data_year": 2025, "source": "Supplier's certificate 2025", "region": "GB",
}  # fmt: skip


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    return body


def load(platform_engine: Engine, admin_engine: Engine, **wanted: tuple[str, ...]) -> None:
    """Load a few factors of some releases, and nothing else, as an operator would."""
    with admin_engine.begin() as connection:  # other tests may have left theirs
        connection.execute(text("TRUNCATE factor_releases CASCADE"))
    with Session(platform_engine) as session:
        for name, source_ids in wanted.items():
            release = load_release(name)
            few = [f for f in release.factors if f.source_id in source_ids]
            library.insert_release(session, release_row(new_release(release.meta, few)), few, {})
        session.commit()


@pytest.fixture
def releases(client, platform_engine, admin_engine) -> Iterator[None]:
    """A few factors of three releases."""
    load(platform_engine, admin_engine, **LOADED)
    yield
    with admin_engine.begin() as connection:
        connection.execute(text("TRUNCATE factor_releases CASCADE"))


@pytest.fixture
def get(client, alpha, releases):
    def send(**params: Any) -> dict[str, Any]:
        answer = client.get(URL, headers=alpha.headers, params=params)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    return send


def ids(answer: dict[str, Any]) -> list[str]:
    return sorted(f["source_id"] for f in answer["emission_factors"])


def create(client, tenant, **changes: Any) -> Any:
    return client.post(URL, headers=tenant.headers, json=NEW | changes)


def test_the_pinned_releases_and_own_factors_are_offered(client, alpha, get) -> None:
    made = create(client, alpha).json()
    found = get()
    assert {f["release"] for f in found["emission_factors"]} == {
        "desnz-2025", "epa-hub-2025", "own",
    }  # fmt: skip
    assert len(found["emission_factors"]) == 8
    assert made["source_id"] in ids(found)


def test_a_release_that_is_not_pinned_is_shown_when_it_is_named(get) -> None:
    assert ids(get(release="desnz-2024")) == sorted(LOADED["desnz-2024"])
    assert get(release="own")["emission_factors"] == []
    assert get(release="nothing-1999")["emission_factors"] == []


@pytest.mark.parametrize("sort", ["name", "-name", "value", "year"])
def test_what_is_outside_of_the_scopes_comes_last_and_says_so(
    client, alpha, releases, platform_engine, admin_engine, sort: str
) -> None:
    # 99_… is DESNZ's biogenic CO2 of the very name that scope 2 and 3 have
    wanted = (GRID, "30_400_4000_5_1", "99_400_4001_5_2")
    newest = {"desnz-2025": (*wanted, DIESEL, GAS_NET)}
    load(platform_engine, admin_engine, **{"desnz-2024": (), **newest})
    seen: list[dict[str, Any]] = []
    params: dict[str, Any] = {"sort": sort, "limit": 1}
    while True:
        page = client.get(URL, headers=alpha.headers, params=params).json()
        seen += page["emission_factors"]
        if not page["pagination"]["has_more"]:
            break
        params["cursor"] = page["pagination"]["next_cursor"]
    assert len(seen) == len({f["id"] for f in seen}) == 5
    assert [f["source_id"] for f in seen][-1] == "99_400_4001_5_2"
    assert [f["biogenic"] for f in seen] == [False, False, False, False, True]
    name = "Electricity generated, Electricity: UK"
    assert {f["name"] for f in seen if f["source_id"] in wanted} == {
        name, f"{name} (outside of scopes)",
    }  # fmt: skip
    one = client.get(f"{URL}/{seen[-1]['id']}", headers=alpha.headers).json()
    assert (one["name"], one["scope"]) == (f"{name} (outside of scopes)", None)
    asked = client.get(URL, headers=alpha.headers, params={"q": one["name"]}).json()
    assert [f["id"] for f in asked["emission_factors"]] == [one["id"]]


# q: full words in any form, beginnings of words, the publisher's id
@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("natural gas", [GAS_GROSS, GAS_NET]),
        ("hotel stays", [HOTEL]),
        ("dies", [DIESEL]),
        ("electrici", [GRID, "Table 6/CAMX"]),
        ("di", [DIESEL]),
        ("hotel st", [HOTEL]),
        ("st hotel", []),  # of two letters only the last word is a beginning
        ("R410", [REFRIGERANT]),
        ("r-410a", [REFRIGERANT]),
        (GAS_NET, [GAS_NET]),
        ("kangaroo", []),
        ("!!! & | :* '", []),
    ],
)
def test_search_finds_words_beginnings_and_ids(get, q: str, found: list[str]) -> None:
    assert ids(get(q=q)) == sorted(found)


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"category": "Hotel stay"}, [HOTEL]),
        ({"region": "DE"}, [HOTEL]),
        ({"region": "germany"}, [HOTEL]),
        ({"region": "us"}, ["Table 6/CAMX"]),  # with its subregions
        ({"region": "global"}, [REFRIGERANT]),
        ({"year": 2023}, ["Table 6/CAMX"]),  # eGRID 2023, published 2025
        ({"source": "Environmental Protection"}, ["Table 6/CAMX"]),
        ({"unit": "room_night"}, [HOTEL]),
        ({"scope": 2}, [GRID, "Table 6/CAMX"]),
        ({"scope": [2, 3]}, [GRID, "Table 6/CAMX", HOTEL]),
        ({"dimension": "volume"}, [DIESEL]),
        ({"dimension": "energy", "scope": 1}, [GAS_GROSS, GAS_NET]),
    ],
)
def test_every_filter_narrows(get, params: dict[str, Any], found: list[str]) -> None:
    assert ids(get(**params)) == sorted(found)


def test_facets_count_the_whole_filter_and_not_the_page(get) -> None:
    found = get(dimension="energy", limit=1, include="total")
    assert len(found["emission_factors"]) == 1
    assert found["pagination"]["total"] == 4
    facets = found["facets"]
    assert facets["release"] == [
        {"value": "desnz-2025", "count": 3}, {"value": "epa-hub-2025", "count": 1},
    ]  # fmt: skip
    assert facets["scope"] == [{"value": 1, "count": 2}, {"value": 2, "count": 2}]
    assert facets["year"] == [{"value": 2025, "count": 3}, {"value": 2023, "count": 1}]
    assert {v["value"]: v["count"] for v in facets["region"]} == {"GB": 3, "US-CAMX": 1}
    assert facets["unit"] == [{"value": "kWh", "count": 4}]
    assert facets["dimension"] == [{"value": "energy", "count": 4}]
    assert sum(v["count"] for v in facets["category"]) == 4


def test_facets_of_nothing_are_empty(get) -> None:
    found = get(q="kangaroo", include="total")
    assert found["pagination"]["total"] == 0
    assert all(values == [] for values in found["facets"].values())


@pytest.mark.parametrize("sort", ["name", "-name", "category", "value", "-value", "year", "-year"])
def test_pages_follow_one_another_in_every_order(client, alpha, get, sort: str) -> None:
    whole = [f["id"] for f in get(sort=sort)["emission_factors"]]
    seen, cursor = [], None
    while True:
        page = get(sort=sort, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [f["id"] for f in page["emission_factors"]]
        cursor = page["pagination"]["next_cursor"]
        if cursor is None:
            break
    assert seen == whole
    assert len(whole) == 7


def test_a_factor_is_told_with_all_its_provenance(client, alpha, releases) -> None:
    wanted = next(f for f in load_release("desnz-2024").factors if f.source_id == GAS_GROSS)
    answer = client.get(f"{URL}/{wanted.id}", headers=alpha.headers)
    found = answer.json()
    assert found["value_kg_co2e_per_unit"] == 0.1829  # DESNZ 2024, gross CV
    assert (found["unit"], found["basis"]) == ("kWh", "gross")
    assert found["licence"] == "Open Government Licence v3.0"
    assert found["gwp_set"] == "AR5"
    assert [g["gas"] for g in found["gases"]] == ["CO2", "CH4", "N2O"]
    assert found["source_row"].startswith("Factors by Category!")
    provenance = found["provenance"]
    assert provenance["name"] == "desnz-2024"
    assert provenance["publisher"].startswith("UK Department")
    assert len(provenance["file_sha256"]) == 64
    assert (provenance["source_year"], provenance["data_year"]) == (2024, 2024)
    assert provenance["share_alike"] is False
    now = next(f for f in load_release("desnz-2025").factors if f.source_id == GAS_GROSS)
    assert (found["superseded_by"], found["successor_id"]) == ("desnz-2025", str(now.id))
    assert answer.headers["etag"]
    latest = client.get(f"{URL}/{now.id}", headers=alpha.headers).json()
    assert (latest["superseded_by"], latest["successor_id"]) == (None, None)


def test_releases_are_listed_with_their_chain_and_what_is_pinned(client, alpha, releases) -> None:
    create(client, alpha)
    answer = client.get(f"{URL}/releases", headers=alpha.headers).json()
    assert [(r["name"], r["pinned"]) for r in answer["releases"]] == [
        ("desnz-2024", False), ("desnz-2025", True), ("epa-hub-2025", True),
    ]  # fmt: skip
    old, new, _ = answer["releases"]
    assert (old["superseded_by"], new["supersedes"]) == ("desnz-2025", "desnz-2024")
    assert (old["factor_count"], new["factor_count"]) == (2, 6)
    assert answer["own_factors"] == 1


def test_an_own_factor_is_made_with_what_its_kind_implies(client, alpha, releases) -> None:
    answer = create(client, alpha)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["location"] == f"{URL}/{made['id']}"
    assert (made["unit"], made["dimension"], made["region"]) == ("kWh", "energy", "GB")
    assert (made["activity_kind"], made["scope"]) == ("electricity", 2)
    assert (made["release"], made["provenance"]) == ("own", None)
    assert [event["action"] for event in made["audit"]] == ["emission_factor.created"]
    assert made["audit"][0]["after"]["value_per_unit"] == 0.021
    again = client.get(f"{URL}/{made['id']}", headers=alpha.headers)
    assert again.json() == made


def test_every_field_of_an_own_factor_is_kept(client, alpha, releases) -> None:
    given = {
        "name": "Süßgas", "category": "Fuels", "unit": "kWh (net CV)", "region": "Germany",
        "value_kg_co2e_per_unit": 0.2, "data_year": 2023, "source_year": 2024,
        "source": "Gas board", "licence": "CC BY 4.0", "valid_from_year": 2023,
        "valid_to_year": 2025, "scope": 1, "activity_kind": "fuel", "gwp_set": "AR5",
        "gases": [{"gas": "CO2", "kg_co2e": 0.199, "kg_gas": 0.199},
                  {"gas": "CH4", "kg_co2e": 0.001}],
        "search_terms": ["town gas"], "note": "By contract.",
    }  # fmt: skip
    answer = client.post(URL, headers=alpha.headers, json=given)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["unit"], made["basis"], made["region"]) == ("kWh", "net", "DE")
    kept = ("name", "value_kg_co2e_per_unit", "data_year", "source_year", "licence",
            "valid_from_year", "valid_to_year", "scope", "gwp_set", "search_terms",
            "note")  # fmt: skip
    assert {name: made[name] for name in kept} == {name: given[name] for name in kept}
    assert made["gases"][1] == {"gas": "CH4", "kg_co2e": 0.001, "kg_gas": None}
    found = client.get(URL, headers=alpha.headers, params={"q": "town"}).json()
    assert [f["id"] for f in found["emission_factors"]] == [made["id"]]


def test_money_keeps_its_currency_and_price_year(client, alpha) -> None:
    made = create(client, alpha, name="Legal advice", unit="€", price_year=2022).json()
    assert (made["unit"], made["currency"], made["price_year"]) == ("EUR", "EUR", 2022)
    assert (made["activity_kind"], made["scope"], made["scope3_category"]) == ("spend", 3, 1)


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"unit": "blorp"}, "#/unit", "unit_unknown"),
        ({"unit": "gal", "region": None}, "#/unit", "unit_ambiguous"),
        ({"unit": "kEUR"}, "#/unit", "unit_unknown"),
        ({"region": "Atlantis"}, "#/region", "region_unknown"),
        ({"unit": "litres", "basis": "gross"}, "#/basis", "basis_mismatch"),
        ({"price_year": 2020}, "#/price_year", "unit_mismatch"),
        ({"scope": 1, "scope3_category": 6}, "#/scope3_category", "scope_mismatch"),
        ({"valid_from_year": 2026, "valid_to_year": 2025}, "#/valid_to_year", "years_reversed"),
        ({"gases": [{"gas": "CO2", "kg_co2e": 5}]}, "#/gases", "gases_differ"),
        ({"gases": [{"gas": "CO2", "kg_co2e": 0.021, "kg_gas": 0.021}]}, "#/gwp_set",
         "gwp_set_missing"),
        ({"value_kg_co2e_per_unit": -1}, "#/value_kg_co2e_per_unit", "greater_than_equal"),
        ({"value_kg_co2e_per_unit": "0.1 kg"}, "#/value_kg_co2e_per_unit", "float_parsing"),
        ({"data_year": 25}, "#/data_year", "greater_than_equal"),
        ({"activity_kind": "magic"}, "#/activity_kind", "value_error"),
        ({"name": "  "}, "#/name", "string_too_short"),
        ({"colour": "red"}, "#/colour", "extra_forbidden"),
    ],
)  # fmt: skip
def test_a_wrong_factor_is_refused_with_its_fault(
    client, alpha, changes: dict[str, Any], pointer: str, code: str
) -> None:
    body = problem(create(client, alpha, **changes), 422, "validation_failed")
    assert (pointer, code) in [(e["pointer"], e["code"]) for e in body["errors"]]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_a_value_has_to_be_finite(client, alpha, value: str) -> None:
    content = '{"name":"x","category":"y","unit":"kWh","data_year":2025,"source":"z",' \
              f'"value_kg_co2e_per_unit":{value}}}'  # fmt: skip
    headers = alpha.headers | {"Content-Type": "application/json"}
    assert client.post(URL, headers=headers, content=content).status_code in (400, 422)


def test_several_faults_are_told_at_once(client, alpha) -> None:
    body = problem(create(client, alpha, unit="blorp", region="Atlantis"), 422, "validation_failed")
    assert {e["pointer"] for e in body["errors"]} == {"#/unit", "#/region"}


def test_a_second_factor_for_the_same_thing_is_a_conflict_until_the_first_is_gone(
    client, alpha
) -> None:
    first = create(client, alpha).json()
    problem(create(client, alpha, name="rooftop SOLAR tariff"), 409, "duplicate_factor")
    assert create(client, alpha, data_year=2024).status_code == 201
    assert client.delete(f"{URL}/{first['id']}", headers=alpha.headers).status_code == 200
    assert create(client, alpha, value_kg_co2e_per_unit=0.03).status_code == 201


def test_a_deleted_factor_is_offered_no_more_and_stays_explained(client, alpha, releases) -> None:
    made = create(client, alpha).json()
    url = f"{URL}/{made['id']}"
    answer = client.delete(url, headers=alpha.headers)
    assert answer.json() == {"deleted": True, "emission_factor_id": made["id"]}
    listed = client.get(URL, headers=alpha.headers, params={"release": "own"}).json()
    assert listed["emission_factors"] == []
    told = client.get(url, headers=alpha.headers).json()
    assert (told["is_active"], told["value_kg_co2e_per_unit"]) == (False, 0.021)
    assert told["deleted_at"] is not None
    assert [e["action"] for e in told["audit"]] == [
        "emission_factor.created", "emission_factor.deleted",
    ]  # fmt: skip
    problem(client.delete(url, headers=alpha.headers), 404, "not_found")


def test_a_factor_of_the_library_cannot_be_deleted(client, alpha, releases) -> None:
    factor = load_release("desnz-2025").factors
    grid = next(f for f in factor if f.source_id == GRID)
    problem(client.delete(f"{URL}/{grid.id}", headers=alpha.headers), 409, "factor_of_library")
    problem(client.delete(f"{URL}/{uuid4()}", headers=alpha.headers), 404, "not_found")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.USER])
def test_only_managers_change_factors(client, world, alpha, role: Role) -> None:
    made = create(client, alpha).json()
    headers = world.person("carl@alpha.example", (alpha.id, role))
    problem(client.post(URL, headers=headers, json=NEW | {"data_year": 2020}), 403,
            "permission_denied")  # fmt: skip
    problem(client.delete(f"{URL}/{made['id']}", headers=headers), 403, "permission_denied")
    assert client.get(f"{URL}/{made['id']}", headers=headers).status_code == 200
    manager = world.person("mia@alpha.example", (alpha.id, Role.MANAGER))
    assert client.delete(f"{URL}/{made['id']}", headers=manager).status_code == 200


def test_own_factors_are_nobody_else_s(client, alpha, beta, releases) -> None:
    made = create(client, alpha).json()
    listed = client.get(URL, headers=beta.headers, params={"release": "own"}).json()
    assert listed["emission_factors"] == []
    assert all(
        f["release"] != "own"
        for f in client.get(URL, headers=beta.headers).json()["emission_factors"]
    )
    problem(client.get(f"{URL}/{made['id']}", headers=beta.headers), 404, "not_found")
    assert create(client, beta).status_code == 201  # the same thing is theirs to name too


def test_one_that_only_differs_in_release_does_not_hide_another(get) -> None:
    both = get(release=["desnz-2024", "desnz-2025"], q=GRID)
    assert [f["value_kg_co2e_per_unit"] for f in both["emission_factors"]] in (
        [0.177, 0.20705], [0.20705, 0.177],
    )  # fmt: skip


def test_a_release_can_be_loaded_without_the_one_before(platform_engine, releases) -> None:
    release = load_release("epa-supply-chain-1.3")
    alone = new_release(replace(release.meta, supersedes=""), release.factors[:1])
    with Session(platform_engine) as session:
        library.insert_release(session, release_row(alone), alone.factors, {})
        session.commit()
        assert library.find_release(session, alone.meta.release) is not None


@pytest.mark.parametrize(
    "q", ["-" * 400, "- " * 200, "(-" * 200, '-"' * 200, "a" + "-" * 100 + "b"]
)
@pytest.mark.parametrize("path", [URL, "/v1/emissions"])
def test_no_run_of_minus_signs_is_too_much_for_the_search(
    client, world, alpha, get, path, q
) -> None:
    file_id = world.file(alpha.id, alpha.email)
    world.emission(alpha.id, file_id, 1)
    answer = client.get(path, headers=alpha.headers, params={"q": q})
    assert answer.status_code == 200, answer.text


def test_own_factors_have_a_limit(client, alpha, monkeypatch) -> None:
    import api.factors

    monkeypatch.setattr(api.factors, "MOST_OWN_FACTORS", 1)
    assert create(client, alpha).status_code == 201
    problem(create(client, alpha, name="Another"), 409, "too_many_factors")
