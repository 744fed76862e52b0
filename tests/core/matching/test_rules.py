"""The conventions of the field, ownership, regions and what is no match."""

from __future__ import annotations

import dataclasses
import re
from uuid import UUID

import pytest

from core.factors.library import load_release
from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from core.records import (
    ActivityQuery,
    Decision,
    EmissionFactor,
    Fallback,
    Outcome,
    Thresholds,
)
from core.units import unit


@pytest.fixture(scope="module")
def library() -> list[EmissionFactor]:
    return [
        factor
        for name in ("desnz-2025", "epa-hub-2025", "epa-supply-chain-1.3")
        for factor in load_release(name).factors
    ]


@pytest.fixture(scope="module")
def matcher(library: list[EmissionFactor]) -> OfflineMatcher:
    return OfflineMatcher(LibraryIndex.build(library))  # without an embedder: words alone


def ask(
    name: str, code: str, region: str | None = "GB", kind: str | None = None,
    about: str | None = None, year: int | None = 2025,
) -> ActivityQuery:  # fmt: skip
    measured = unit(code)
    return ActivityQuery(
        name, name, kind, about, code, measured.dimension, None, region, year, measured.currency
    )


def decide(matcher: OfflineMatcher, asked: ActivityQuery) -> Decision:
    (decision,) = matcher.match([asked], Thresholds())
    return decision


# Each row is a rule of data/eval/activity_labels.md in new words.
@pytest.mark.parametrize(
    ("asked", "source_id"),
    [
        (ask("Flight to New York, first class", "passenger_km"), "21_316_3176_11_1"),
        (ask("Flight LHR-SIN economy without RF", "passenger_km"), "21_316_3171_11_1"),
        (ask("Company van, battery electric", "mi", kind="Own fleet"), "8_303_3108_9_1"),
        (ask("Staff mileage in own cars", "mi", kind="Business travel"), "25_301_3074_9_1"),
        (ask("Pool car diesel", "km", kind="Fleet"), "4_301_3069_4_1"),
        (ask("Diesel 100% mineral", "l"), "1_101_1012_8_1"),
        (ask("Heizöl", "l", "DE"), "1_101_1014_8_1"),
        (ask("Bleifrei Benzin", "l", "DE"), "1_101_1017_8_1"),
        (ask("Electricity Chicago office", "kWh", "US"), "Table 6/RFCW"),
        (ask("Electricity", "kWh", "US"), "Table 6/US Average"),
        (ask("Propane tank refill", "gal_us", "US"), "Table 1/Propane [gal_us]"),
        (ask("Propane metered", "scf", "US"), "Table 1/Propane Gas [scf]"),
        (ask("Hotel in Paris", "room_night", "GB"), "29_600_4016_13_1"),
        (ask("Glass to recycling", "t"), "20_501_5268_15_1"),
        (ask("Wood chips", "t", kind="Biomass boiler"), "2_104_1044_15_1"),
        (ask("R134a top up", "kg", kind="F-gas"), "3_200_2024_3_1"),
        (ask("SF6 leak switchgear", "kg"), "3_200_2075_3_1"),
    ],
)
def test_a_rule_decides_between_near_factors(
    matcher: OfflineMatcher, asked: ActivityQuery, source_id: str
) -> None:
    decision = decide(matcher, asked)
    assert decision.candidates
    assert decision.candidates[0].source_id == source_id
    assert decision.reasons


def test_a_foreign_proxy_and_another_year_are_disclosed(matcher: OfflineMatcher) -> None:
    decision = decide(matcher, ask("Diesel", "l", "DE", year=2023))
    assert Fallback("region", "DE", "GB") in decision.fallbacks
    assert Fallback("year", "2023", "2025") in decision.fallbacks


def test_the_edition_of_the_year_is_named_where_it_is_shipped_and_not_pinned(
    matcher: OfflineMatcher, library: list[EmissionFactor]
) -> None:
    asked = ask("Electricity", "kWh", year=2024)
    decision = decide(matcher, asked)
    (hint,) = (r for r in decision.reasons if r.code == "edition_not_pinned")
    assert "desnz-2024" in hint.sentence
    assert "factor_releases" in hint.sentence
    for year in (2025, 2023, None):  # of its year, of a year of which nothing is shipped, of none
        others = decide(matcher, ask("Electricity", "kWh", year=year)).reasons
        assert "edition_not_pinned" not in {r.code for r in others}
    both = LibraryIndex.build([*library, *load_release("desnz-2024").factors])
    pinned = decide(OfflineMatcher(both), asked)
    assert pinned.candidates[0].release == "desnz-2024"
    assert "edition_not_pinned" not in {r.code for r in pinned.reasons}


def test_a_rule_that_was_applied_is_stated(matcher: OfflineMatcher) -> None:
    codes = {r.code for r in decide(matcher, ask("Mains gas", "kWh")).reasons}
    assert "gross_cv_default" in codes
    codes = {r.code for r in decide(matcher, ask("Flight LHR-JFK", "passenger_km")).reasons}
    assert {"radiative_forcing", "flight_route"} <= codes


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (ask("Depreciation of vehicles", "USD", "US"), "not_an_emission"),
        (ask("Employer's payroll", "USD", "US"), "not_an_emission"),
        (ask("TOTAL", "USD", "US"), "not_an_emission"),
        (ask("Electricity bill", "GBP"), "no_candidate"),
        (ask("Esso", "GBP"), "product_unknown"),
        (ask("Strom", "kWh", "AT"), "region_unavailable"),
        (ask("Hotel Wien", "room_night", "AT"), "region_unavailable"),
        (ask("Desks", "item"), "no_candidate"),
        (ask("Electricity", "t"), "unit_mismatch"),
        (ask("Water", "kWh"), "unit_mismatch"),
    ],
)
def test_what_cannot_be_calculated_is_held_with_its_reason(
    matcher: OfflineMatcher, asked: ActivityQuery, code: str
) -> None:
    decision = decide(matcher, asked)
    assert decision.outcome is Outcome.HELD
    assert decision.reasons[0].code == code


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        (ask("Flight London-Paris", "km"), "give passenger-km (km × number of travellers)"),
        (ask("Train to Leeds", "km"), "Train journeys are counted per passenger-km, not per km"),
        (ask("Air freight", "t"), "give tonne-km (weight in tonnes × km)"),
        (ask("Electricity", "t"), "per kWh, not per tonne: give kWh."),
        (ask("Water", "kWh"), "per litre, not per kWh: give litres."),
        (ask("Diesel", "km"), "give kWh, litres or kg."),
    ],
)
def test_a_unit_that_no_factor_takes_is_answered_with_those_that_fit(
    matcher: OfflineMatcher, asked: ActivityQuery, remedy: str
) -> None:
    reason = decide(matcher, asked).reasons[0]
    assert reason.code == "unit_mismatch"
    assert remedy in reason.sentence
    assert "distance," not in reason.sentence


@pytest.mark.parametrize(
    ("asked", "code", "remedy"),
    [
        (ask("Homeworking", "d"), "no_candidate", "give working hours (days × hours a day"),
        (ask("Hotel, Leeds", "d"), "no_candidate", "give room nights (rooms × nights)"),
        (ask("Desks", "item"), "no_candidate", "give a weight, a distance"),
        (ask("Hotel Copenhagen", "room_night"), "region_unavailable", "hotel nights in DK"),
        (ask("Mixed recycling", "t"), "region_unavailable", "Choose one of those listed"),
        (ask("Strom", "kWh", "DE"), "region_unavailable", "Add your supplier's or grid factor"),
        (ask("Fernwärme", "kWh", "DE"), "region_unavailable", "the factor of your heat supplier"),
    ],
)  # fmt: skip
def test_what_is_held_says_what_to_do(
    matcher: OfflineMatcher, asked: ActivityQuery, code: str, remedy: str
) -> None:
    decision = decide(matcher, asked)
    assert decision.reasons[0].code == code
    assert remedy in decision.reasons[0].sentence
    if "listed" in remedy:
        assert decision.candidates
    if not remedy.startswith("Add your"):
        assert "grid" not in decision.reasons[0].sentence


@pytest.mark.parametrize(
    "name",
    [
        "On-site solar generation used", "Strom aus eigener PV-Anlage", "Rooftop solar panels",
        "Electricity from own wind turbine", "Electricity self-generated", "Eigenstrom BHKW",
        "Electricity from our CHP on site", "Autoconsommation photovoltaïque",
        "Stromerzeugung eigene Photovoltaik",
    ],
)  # fmt: skip
@pytest.mark.parametrize("region", ["GB", "DE"])
def test_power_of_one_s_own_making_takes_no_grid_s_factor(
    matcher: OfflineMatcher, name: str, region: str
) -> None:
    decision = decide(matcher, ask(name, "kWh", region))
    assert decision.outcome is Outcome.HELD
    assert decision.reasons[0].code == "no_candidate"
    assert "own making" in decision.reasons[0].sentence


@pytest.mark.parametrize(
    "name",
    [
        "Grid electricity, site with solar panels", "Solar tariff electricity", "Electricity PPA",
        "Electricity (wind, green tariff)", "Electricity imported, own PV not included",
    ],
)  # fmt: skip
def test_bought_power_takes_the_grid_s_factor_whatever_makes_it(
    matcher: OfflineMatcher, name: str
) -> None:
    decision = decide(matcher, ask(name, "kWh"))
    assert decision.candidates[0].source_id == "7_400_4000_5_1"
    assert decision.factor_id is not None


@pytest.mark.parametrize(
    ("name", "source_id"),
    [
        ("HGV Leeds-Felixstowe 12 t x 450 km", "27_304_3140_14_1"),
        ("HGV Leeds, load 12 tonnes", "27_304_3140_14_1"),
        ("LKW Hamburg-Kassel, 12 t Ladung", "27_304_3140_14_1"),
        ("Truck, 20 tonnes of gravel, 50 km", "27_304_3140_14_1"),
        ("HGV Leeds-Hull 18t", "27_304_3140_14_1"),
        ("18t truck", "27_304_3120_14_1"),
        ("LKW 12 t", "27_304_3116_14_1"),
        ("12-Tonner LKW", "27_304_3116_14_1"),
        ("HGV > 17 t", "27_304_3120_14_1"),
        ("Truck 26t GVW, 12 t load", "27_304_3120_14_1"),
        ("26t rigid, contract haulier", "27_304_3120_14_1"),
        ("Artic 44t", "27_304_3132_14_1"),
    ],
)
def test_tonnes_beside_tonne_km_are_a_vehicle_s_only_where_it_is_named_with_them(
    matcher: OfflineMatcher, name: str, source_id: str
) -> None:
    assert decide(matcher, ask(name, "tonne_km")).candidates[0].source_id == source_id


@pytest.mark.parametrize("name", ["Motorbike courier", "Kurierfahrten Motorrad", "Courier, car"])
def test_a_courier_s_vehicle_is_not_our_own(matcher: OfflineMatcher, name: str) -> None:
    decision = decide(matcher, ask(name, "km"))
    assert decision.factor_id is not None
    assert matcher.factors[decision.factor_id].scope == 3
    assert "courier_vehicle" in {reason.code for reason in decision.reasons}


def test_our_own_courier_s_vehicle_is_scope_1(matcher: OfflineMatcher) -> None:
    decision = decide(matcher, ask("Company motorbike, courier rounds", "km"))
    assert decision.factor_id is not None
    assert matcher.factors[decision.factor_id].scope == 1


def test_a_confidence_is_rounded_down(matcher: OfflineMatcher) -> None:
    (sure,) = matcher.match([ask("Diesel", "l")], Thresholds())
    just_below = Thresholds(review_below=sure.confidence + 1e-4, hold_below=0.1)
    (decision,) = matcher.match([ask("Diesel", "l")], just_below)
    said = re.search(r"with (\d+) % confidence", decision.reasons[0].sentence)
    assert said is not None
    assert int(said[1]) <= 100 * sure.confidence < int(said[1]) + 1


def test_a_weak_match_is_held_in_plain_english(matcher: OfflineMatcher) -> None:
    (decision,) = matcher.match([ask("Diesel", "l")], Thresholds(1.0, 1.0))
    reason = decision.reasons[0]
    assert reason.code == "low_confidence"
    plain = r"The best match, .*Diesel.*, has only \d\d % confidence; please choose or reject\."
    assert re.fullmatch(plain, reason.sentence)


def test_a_service_about_tax_is_a_service(matcher: OfflineMatcher) -> None:
    decision = decide(matcher, ask("Tax advisory services", "USD", "US", year=2022))
    assert decision.candidates[0].source_id == "541213"


def test_the_organization_s_own_factor_goes_first(library: list[EmissionFactor]) -> None:
    green = dataclasses.replace(
        next(f for f in library if f.source_id == "7_400_4000_5_1"),
        id=UUID(int=7), release="own", source_id="own-1", name="Electricity, green tariff site B",
        value_per_unit=0.02, organization_id=UUID(int=1), levels=(),
    )  # fmt: skip
    matcher = OfflineMatcher(LibraryIndex.build([green, *library]))
    assert decide(matcher, ask("Electricity green tariff, site B", "kWh")).factor_id == green.id
    other = decide(matcher, ask("Electricity", "kWh")).candidates[0]
    assert other.release == "desnz-2025"


def test_the_activity_s_year_chooses_the_release(library: list[EmissionFactor]) -> None:
    older = [
        dataclasses.replace(f, id=UUID(int=i), release="desnz-2024", data_year=2024)
        for i, f in enumerate(library, start=1)
        if f.release == "desnz-2025" and f.activity_kind == "fuel"
    ]
    matcher = OfflineMatcher(LibraryIndex.build([*library, *older]))
    for year, release in [(2025, "desnz-2025"), (2024, "desnz-2024"), (2026, "desnz-2025"),
                          (2020, "desnz-2024")]:  # fmt: skip
        found = decide(matcher, ask("Diesel", "l", year=year)).candidates[0]
        assert found.release == release


def test_thresholds_are_the_organization_s(matcher: OfflineMatcher) -> None:
    asked = ask("Diesel", "l")
    (strict,) = matcher.match([asked], Thresholds(review_below=1.0, hold_below=0.0))
    assert strict.outcome is Outcome.FLAGGED
    (closed,) = matcher.match([asked], Thresholds(review_below=1.0, hold_below=1.0))
    assert (closed.outcome, closed.factor_id) == (Outcome.HELD, None)
    assert closed.candidates[0].source_id == "1_101_1011_8_1"


def test_an_empty_library_matches_nothing() -> None:
    matcher = OfflineMatcher(LibraryIndex.build([]))
    for asked in (ask("Diesel", "l"), ask("Catering", "USD")):
        assert decide(matcher, asked).reasons[0].code == "no_candidate"


@pytest.mark.parametrize(
    "name",
    ["Erdgas H (Brennwert Hs)", "Erdgas, Heizwert", "Gas naturel PCS", "Gaz, bovenwaarde"],
)
def test_words_that_state_the_calorific_value_are_not_repaired(
    matcher: OfflineMatcher, name: str
) -> None:
    codes = [reason.code for reason in decide(matcher, ask(name, "kWh", "DE")).reasons]
    assert "stated_basis" in codes
    assert "spelling" not in codes


def test_other_words_beside_a_calorific_value_are_repaired(matcher: OfflineMatcher) -> None:
    reasons = decide(matcher, ask("Natrual gas, Brennwert", "kWh", "DE")).reasons
    assert [r.sentence for r in reasons if r.code == "spelling"] == [
        "Spelling was repaired: natrual → natural."
    ]


@pytest.mark.parametrize(("name", "code"), [("Diesel", "l"), ("Hotel bill", "GBP")])
def test_without_a_year_the_year_of_the_factor_is_disclosed(
    matcher: OfflineMatcher, name: str, code: str
) -> None:
    found = decide(matcher, ask(name, code, year=None)).fallbacks
    assert [f.requested for f in found if f.kind == "year"] == ["not stated"]
    assert all(f.used.isdigit() for f in found if f.kind == "year")
