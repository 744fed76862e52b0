"""Money for fuels, power and heat: what has a figure, what waits, and what is said of it."""

from __future__ import annotations

import dataclasses

import pytest

from core.factors.library import load_release
from core.matching import model_choice
from core.matching.candidates import LibraryIndex
from core.matching.energy_money import SUPPLY_ONLY
from core.matching.matcher import OfflineMatcher
from core.records import ActivityQuery, Decision, Outcome, Thresholds
from core.units import unit

GIVE = "Give litres, kWh or kg."


@pytest.fixture(scope="module")
def matcher() -> OfflineMatcher:
    factors = load_release("epa-supply-chain-1.3").factors
    return OfflineMatcher(LibraryIndex.build(factors))  # without an embedder: words alone


def asked(line: str, region: str = "GB") -> ActivityQuery:
    name, _, account = (part.strip() for part in line.partition("|"))
    money = unit({"GB": "GBP", "US": "USD"}.get(region, "EUR"))
    return ActivityQuery(
        name, name, account or None, None, money.code, money.dimension, None, region, 2022,
        money.currency,
    )  # fmt: skip


def decide(
    matcher: OfflineMatcher, line: str, region: str = "GB", thresholds: Thresholds | None = None
) -> Decision:
    (decision,) = matcher.match([asked(line, region)], thresholds or Thresholds())
    return decision


@pytest.mark.parametrize(
    ("line", "region"),
    [
        ("Natural gas bill", "GB"), ("Heating oil", "GB"), ("Petrol card", "GB"),
        ("Diesel | Fleet", "GB"), ("LPG", "GB"), ("Propane | Catering", "US"), ("Coal", "GB"),
        ("Unleaded fuel", "US"), ("Heizöl", "DE"), ("Gaz naturel", "FR"), ("Wood pellets", "GB"),
        ("Gasoline", "US"), ("Kerosene", "GB"), ("Fuel | Transport", "GB"),
    ],
)  # fmt: skip
def test_a_figure_of_a_burned_fuel_is_listed_for_review(
    matcher: OfflineMatcher, line: str, region: str
) -> None:
    decision = decide(matcher, line, region, Thresholds(0.0, 0.0))
    assert decision.outcome is Outcome.FLAGGED
    assert decision.factor_id is not None
    assert decision.reasons[0].code == SUPPLY_ONLY
    assert decision.reasons[0].sentence.endswith(GIVE)


def test_the_confidence_of_a_fuel_is_that_of_its_sector(matcher: OfflineMatcher) -> None:
    sure = Thresholds(review_below=0.5, hold_below=0.3)
    decision = decide(matcher, "Heating oil", thresholds=sure)
    assert decision.outcome is Outcome.FLAGGED
    assert decision.candidates[0].source_id == "324110"
    assert decision.confidence >= sure.review_below


def test_a_fuel_without_a_figure_keeps_why_and_says_what_to_give(matcher: OfflineMatcher) -> None:
    decision = decide(matcher, "Heating oil", thresholds=Thresholds(1.0, 1.0))
    assert decision.outcome is Outcome.HELD
    assert decision.reasons[0].code == "low_confidence"
    (said,) = (reason for reason in decision.reasons if reason.code == SUPPLY_ONLY)
    assert said.sentence.endswith(GIVE)
    assert "in this figure" not in said.sentence


@pytest.mark.parametrize(
    "line",
    [
        "Engine oil", "Bitumen for road repairs", "Gas boiler servicing", "Diesel generator hire",
        "Fuel tank cleaning", "Coal tar shampoo", "Office chairs",
    ],
)  # fmt: skip
def test_what_is_not_burned_by_the_buyer_is_no_fuel(matcher: OfflineMatcher, line: str) -> None:
    decision = decide(matcher, line, thresholds=Thresholds(0.0, 0.0))
    assert SUPPLY_ONLY not in {reason.code for reason in decision.reasons}


@pytest.mark.parametrize(
    ("line", "region"),
    [
        ("Fernwärme", "DE"), ("Nahwärme Abschlag", "DE"), ("Réseau de chaleur", "FR"),
        ("District heating bill", "GB"), ("Steam", "GB"), ("Chilled water supply", "GB"),
        ("Electricity", "GB"), ("Electricity | Car parks", "GB"), ("Electricity | Works", "GB"),
        ("Electricity | Building maintenance", "GB"), ("Npower Ltd | Electricity", "GB"),
        ("Traction current", "GB"), ("Strom | Instandhaltung", "DE"),
    ],
)  # fmt: skip
def test_bought_power_and_heat_wait_for_the_kwh(
    matcher: OfflineMatcher, line: str, region: str
) -> None:
    decision = decide(matcher, line, region)
    assert decision.outcome is Outcome.HELD
    assert decision.reasons[0].code == "no_candidate"
    assert decision.reasons[0].sentence.endswith("please give the kWh.")


@pytest.mark.parametrize(
    "line",
    [
        "Steam cleaner", "Steam trap", "Electrical contractors", "Electricity meters",
        "Cable repairs | Electricity", "Electrical services | Electricity",
        "Heat pump installation",
    ],
)  # fmt: skip
def test_things_and_works_about_energy_go_to_the_sectors(
    matcher: OfflineMatcher, line: str
) -> None:
    assert "no_candidate" not in {reason.code for reason in decide(matcher, line).reasons}


@pytest.mark.parametrize("place", [0, 1])
def test_a_model_s_choice_does_not_take_a_fuel_off_the_list(
    matcher: OfflineMatcher, place: int
) -> None:
    query = asked("Heating oil")
    (offered,) = matcher.match([query], Thresholds())
    choice = offered.candidates[place]
    factor = dataclasses.replace(matcher.factors[choice.factor_id])
    decision = model_choice.decide(query, offered, choice, factor, Thresholds(0.1, 0.1), "m")
    assert decision.outcome is Outcome.FLAGGED
    assert SUPPLY_ONLY in {reason.code for reason in decision.reasons}
