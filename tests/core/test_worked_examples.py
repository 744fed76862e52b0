"""The worked examples of domain.md §8, from the words through the match to the figure."""

from __future__ import annotations

import dataclasses

import pytest

from core.calculation import Calculation, Held, calculate, from_json, verify
from core.factors.library import load_release
from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from core.records import ActivityQuery, ActivityRow, Basis, Decision, Dimension, Outcome, Thresholds
from core.units import unit


@pytest.fixture(scope="module")
def matcher() -> OfflineMatcher:
    factors = load_release("desnz-2025").factors + load_release("epa-hub-2025").factors
    return OfflineMatcher(LibraryIndex.build(factors))


def query(
    name: str, code: str, region: str | None = "GB", *, kind: str | None = None,
    about: str | None = None, basis: Basis | None = None, year: int | None = 2025,
) -> ActivityQuery:  # fmt: skip
    dimension = unit(code).dimension
    return ActivityQuery(name, name, kind, about, code, dimension, basis, region, year)


def row(asked: ActivityQuery, volume: float) -> ActivityRow:
    return ActivityRow(
        sheet="Sheet1", row_number=2, column_number=0, activity_key=asked.key,
        activity_name=asked.name, activity_type=asked.type,
        activity_description=asked.description, volume_text=str(volume), unit_text=asked.unit,
        region_text=asked.region, date_text=None, volume=volume, unit=asked.unit,
        dimension=asked.dimension, basis=asked.basis, region=asked.region, activity_on=None,
        year=asked.year, currency=asked.currency,
    )  # fmt: skip


# (activity, volume, factor, kg CO2e of domain.md §8, scope, scope 3 category)
EXAMPLES = [
    (query("Diesel, average biofuel blend", "l"), 1200, "1_101_1011_8_1", 3084.984, 1, None),
    (query("Diesel, average biofuel blend", "m3"), 1.2, "1_101_1011_8_1", 3084.984, 1, None),
    (query("Natural gas", "kWh", basis=Basis.GROSS), 10000, "1_100_1004_6_1", 1829.6, 1, None),
    (query("Natural gas", "kWh", basis=Basis.NET), 10000, "1_100_1004_7_1", 2027.0, 1, None),
    (query("Natural gas", "kWh"), 10000, "1_100_1004_6_1", 1829.6, 1, None),
    (query("Electricity", "kWh"), 50000, "7_400_4000_5_1", 8850.0, 2, None),
    (query("T&D losses of grid electricity", "kWh"), 50000, "13_402_4000_5_1", 926.5, 3, 3),
    (query("Long-haul flight, economy class", "passenger_km"), 5540, "21_316_3170_11_1",
     648.4016, 3, 6),
    (query("Long-haul flight, business class", "passenger_km"), 5540, "21_316_3174_11_1",
     1880.276, 3, 6),
    (query("Hotel stay", "room_night", "DE"), 3, "29_600_4017_13_1", 39.6, 3, 6),
    (query("Water supply", "m3"), 25, "17_404_4005_1_1", 4.7825, 3, 1),
    (query("R-410A leaked", "kg", kind="Refrigerants"), 2, "3_201_2156_3_1", 3848, 1, None),
    (query("Mixed paper and board to landfill", "t"), 4, "20_506_5453_15_1", 4657.9576, 3, 5),
    (query("HGV, average laden", "tonne_km"), 12000, "27_304_3140_14_1", 1219.56, 3, 4),
    (query("National rail", "passenger_km"), 850, "25_315_3147_11_1", 30.141, 3, 6),
    (query("Homeworking, office equipment + heating", "fte_hour"), 160, "32_603_9999_12_1",
     53.4048, 3, 7),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "volume", "source_id", "kg", "scope", "category"), EXAMPLES)
def test_a_worked_example_gives_the_published_figure(
    matcher: OfflineMatcher, asked: ActivityQuery, volume: float, source_id: str, kg: float,
    scope: int, category: int | None,
) -> None:  # fmt: skip
    (decision,) = matcher.match([asked], Thresholds())
    assert decision.factor_id is not None
    factor = matcher.factors[decision.factor_id]
    assert factor.source_id == source_id
    assert decision.outcome is Outcome.MATCHED
    result = calculate(row(asked, volume), factor, decision, None)
    assert isinstance(result, Calculation)
    assert result.emission_kg == pytest.approx(kg, rel=1e-9)
    assert (result.scope, result.scope3_category) == (scope, category)
    assert result.scope_reason


def test_therms_go_through_their_kilowatt_hours(matcher: OfflineMatcher) -> None:
    asked = query("Natural gas", "therm_uk", basis=Basis.GROSS)
    (decision,) = matcher.match([asked], Thresholds())
    assert decision.factor_id is not None
    factor = matcher.factors[decision.factor_id]
    result = calculate(row(asked, 341.214), factor, decision, None)
    assert isinstance(result, Calculation)
    # 341.214 × 29.3071 × 0.18296 = 1829.6 within 0.1
    assert result.emission_kg == pytest.approx(1829.6, abs=0.1)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (query("12 laptops", "item"), "no_candidate"),
        (query("Electricity", "l"), "unit_mismatch"),
        (query("Electricity", "kWh", None), "region_missing"),
        (query("Strom, Büro", "kWh", "DE"), "region_unavailable"),
        (query("Hotel Dublin", "room_night", "IE"), "region_unavailable"),
        (query("AdBlue", "l"), "no_candidate"),
        (query("xqzt", "kg"), "low_confidence"),
    ],
)
def test_no_match_is_a_result_with_its_reason(
    matcher: OfflineMatcher, asked: ActivityQuery, code: str
) -> None:
    (decision,) = matcher.match([asked], Thresholds())
    assert decision.outcome is Outcome.HELD
    assert decision.factor_id is None
    assert decision.confidence == 0.0
    assert decision.reasons[0].code == code
    assert decision.reasons[0].sentence.endswith(".")


def test_every_example_verifies_to_the_same_digits(matcher: OfflineMatcher) -> None:
    for asked, volume, *_ in EXAMPLES:
        (decision,) = matcher.match([asked], Thresholds())
        assert decision.factor_id is not None
        result = calculate(row(asked, volume), matcher.factors[decision.factor_id], decision, None)
        assert isinstance(result, Calculation)
        stored = result.to_json()
        assert verify(stored).same
        assert from_json(stored).to_json() == stored
        stored["emission_kg"] += 1e-9
        assert not verify(stored).same


def test_a_litre_of_a_factor_in_kilowatt_hours_is_held(matcher: OfflineMatcher) -> None:
    asked = query("Electricity", "kWh")
    (decision,) = matcher.match([asked], Thresholds())
    assert decision.factor_id is not None
    wrong = dataclasses.replace(row(asked, 1.0), unit="l", dimension=Dimension.VOLUME)
    result = calculate(wrong, matcher.factors[decision.factor_id], decision, None)
    assert isinstance(result, Held)
    assert result.reason.code == "unit_mismatch"


def test_the_order_of_activities_changes_nothing(matcher: OfflineMatcher) -> None:
    asked = [example[0] for example in EXAMPLES]
    forward = matcher.match(asked, Thresholds())
    backward = matcher.match(asked[::-1], Thresholds())
    assert list(forward) == list(backward)[::-1]
    assert all(isinstance(decision, Decision) for decision in forward)
