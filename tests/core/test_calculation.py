"""Money, gases, scopes and what is stored of a calculation."""

from __future__ import annotations

import dataclasses
from uuid import UUID

import pytest

from core.calculation import Calculation, Held, calculate, verify
from core.errors import InvalidInput
from core.factors.library import load_release
from core.price_index import index_of
from core.records import (
    ActivityRow,
    Decision,
    Dimension,
    EmissionFactor,
    Fallback,
    Method,
    Outcome,
)
from core.scopes import scope_of
from core.units import unit

DECISION = Decision("k", Outcome.MATCHED, Method.OFFLINE, UUID(int=0), 0.9)


class Rates:
    """Rates as a test wants them."""

    def __init__(self, table: dict[tuple[str, str, int], float]) -> None:
        self.table = table

    def annual_average(self, currency: str, quote: str, year: int) -> tuple[float, str] | None:
        rate = self.table.get((currency, quote, year))
        return None if rate is None else (rate, "a test")


def factor(release: str, source_id: str) -> EmissionFactor:
    (found,) = [f for f in load_release(release).factors if f.source_id == source_id]
    return found


def row(name: str, volume: float, code: str, **changes: object) -> ActivityRow:
    measured = unit(code)
    base = ActivityRow(
        sheet="S", row_number=7, column_number=0, activity_key="k", activity_name=name,
        activity_type=None, activity_description=None, volume_text=str(volume), unit_text=code,
        region_text="US", date_text=None, volume=volume, unit=code,
        dimension=measured.dimension, basis=None, region="US", activity_on=None, year=2022,
        currency=measured.currency,
    )  # fmt: skip
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


LEGAL = ("epa-supply-chain-1.3", "541110")  # 0.041 kg CO2e per USD of 2022


def test_dollars_of_the_price_year_take_the_factor_as_it_is() -> None:
    result = calculate(row("Legal", 84_000, "USD"), factor(*LEGAL), DECISION, None)
    assert isinstance(result, Calculation)
    assert result.emission_kg == pytest.approx(3444)  # 84,000 × 0.041


def test_pounds_go_through_the_year_s_average_rate() -> None:
    rates = Rates({("GBP", "USD", 2022): 1.25})
    result = calculate(row("Legal", 12_500, "GBP"), factor(*LEGAL), DECISION, rates)
    assert isinstance(result, Calculation)
    assert result.emission_kg == pytest.approx(640.625)  # 12,500 × 1.25 × 0.041
    assert any("a test" in step.source for step in result.steps)
    assert verify(result.to_json()).same


def test_thousands_of_a_currency_are_scaled_first() -> None:
    rates = Rates({("EUR", "USD", 2022): 1.05})
    result = calculate(row("Legal", 12.5, "kEUR"), factor(*LEGAL), DECISION, rates)
    assert isinstance(result, Calculation)
    assert result.emission_kg == pytest.approx(538.125)  # 12.5 × 1000 × 1.05 × 0.041


def test_a_rate_that_the_line_states_is_used() -> None:
    asked = row("Legal", 12_500, "GBP", activity_description="ledger rate 1 GBP = 1.2400 USD")
    result = calculate(asked, factor(*LEGAL), DECISION, None)
    assert isinstance(result, Calculation)
    assert result.emission_kg == pytest.approx(635.5)  # 12,500 × 1.24 × 0.041


@pytest.mark.parametrize("changes", [{}, {"year": None}])
def test_a_missing_rate_is_held_and_never_one(changes: dict[str, object]) -> None:
    result = calculate(row("Legal", 10, "GBP", **changes), factor(*LEGAL), DECISION, Rates({}))
    assert isinstance(result, Held)
    assert result.reason.code == "exchange_rate_missing"


@pytest.mark.parametrize("told", [(), (Fallback("year", "not stated", "2022"),)])
def test_the_year_of_the_factor_is_disclosed_once_where_the_row_has_none(
    told: tuple[Fallback, ...],
) -> None:
    decision = dataclasses.replace(DECISION, fallbacks=told)
    result = calculate(row("Legal", 10, "USD", year=None), factor(*LEGAL), decision, None)
    assert isinstance(result, Calculation)
    assert [f for f in result.fallbacks if f.kind == "year"] == [
        Fallback("year", "not stated", "2022")
    ]


def test_dollars_of_another_year_go_through_the_price_index() -> None:
    result = calculate(row("Legal", 1000, "USD", year=2019), factor(*LEGAL), DECISION, None)
    assert isinstance(result, Calculation)
    # CPI-U 2022 292.655, 2019 255.657
    assert result.emission_kg == pytest.approx(1000 * 292.655 / 255.657 * 0.041)
    assert result.fallbacks == ()
    assert verify(result.to_json()).same


def test_a_year_after_the_last_index_says_so() -> None:
    result = calculate(row("Legal", 1000, "USD", year=2026), factor(*LEGAL), DECISION, None)
    assert isinstance(result, Calculation)
    assert result.fallbacks == (Fallback("price_index", "2026", "2024"),)
    assert result.emission_kg == pytest.approx(1000 * 292.655 / 313.689 * 0.041)


def test_a_year_before_the_index_is_held() -> None:
    result = calculate(row("Legal", 1000, "USD", year=1999), factor(*LEGAL), DECISION, None)
    assert isinstance(result, Held)
    assert result.reason.code == "price_index_missing"
    assert index_of(1999) is None


def test_a_credit_note_is_negative() -> None:
    result = calculate(row("Legal", -100, "USD"), factor(*LEGAL), DECISION, None)
    assert isinstance(result, Calculation)
    assert result.emission_kg == pytest.approx(-4.1)


def test_gases_of_the_row_add_up_to_its_figure() -> None:
    electricity = factor("epa-hub-2025", "Table 6/CAMX")
    result = calculate(row("Power", 212_400, "kWh"), electricity, DECISION, None)
    assert isinstance(result, Calculation)
    assert result.emission_kg == pytest.approx(42_212.6939, abs=5e-5)  # activity_dev ad059
    assert sum(p.kg_co2e for p in result.gases) == pytest.approx(result.emission_kg)
    assert result.gwp_set == "AR5"


def test_us_therms_are_a_tenth_of_a_million_btu() -> None:
    gas = factor("epa-hub-2025", "Table 1/Natural Gas [mmBtu]")
    result = calculate(row("Gas", 12_850, "therm_us"), gas, DECISION, None)
    assert isinstance(result, Calculation)
    assert result.emission_kg == pytest.approx(68_252.1325, abs=5e-5)  # 1,285 × 53.1145


def test_a_source_without_gases_says_so() -> None:
    result = calculate(row("Legal", 1, "USD"), factor(*LEGAL), DECISION, None)
    assert isinstance(result, Calculation)
    assert result.gases == ()
    assert "CO2e only" in result.to_json()["gases_note"]


def test_steps_and_formula_read_one_by_one() -> None:
    diesel = factor("desnz-2025", "1_101_1011_8_1")
    result = calculate(row("Diesel", 1.2, "m3"), diesel, DECISION, None)
    assert isinstance(result, Calculation)
    assert result.formula == f"1.2 m3 × 1000.0 × 2.57082 = {result.emission_kg!r} kg CO2e"
    assert result.steps[1].text == "1 m3 = 1000 l"
    assert result.steps[-1].unit == "kg CO2e"
    stored = result.to_json()
    assert stored["factor"]["source_id"] == "1_101_1011_8_1"
    assert stored["inputs"]["row_number"] == 7
    assert stored["inputs"]["volume_text"] == "1.2"


def test_a_changed_step_does_not_verify() -> None:
    diesel = factor("desnz-2025", "1_101_1011_8_1")
    result = calculate(row("Diesel", 1.2, "m3"), diesel, DECISION, None)
    assert isinstance(result, Calculation)
    stored = result.to_json()
    stored["steps"][1]["value"] = 1201.0
    assert not verify(stored).same
    with pytest.raises(InvalidInput):
        verify({**stored, "version": 99})


@pytest.mark.parametrize(
    ("release", "source_id", "words", "scope", "category"),
    [
        ("desnz-2025", "25_314_3143_11_1", "Bus to work", 3, 7),
        ("desnz-2025", "25_314_3143_11_1", "Bus, client visit", 3, 6),
        ("desnz-2025", "19_503_5084_15_1", "Laptops", 3, 2),
        ("epa-supply-chain-1.3", "334111", "Laptops", 3, 2),
        ("epa-supply-chain-1.3", "337214", "Desks", 3, 2),
        ("epa-supply-chain-1.3", "492110", "Parcels", 3, 4),
        ("epa-supply-chain-1.3", "562111", "Bin collection", 3, 5),
        ("epa-supply-chain-1.3", "481111", "Airline tickets", 3, 6),
        ("epa-supply-chain-1.3", "722320", "Catering", 3, 1),
        ("epa-hub-2025", "Table 10/Passenger Car", "Own fleet, sedans", 1, None),
        ("epa-hub-2025", "Table 10/Passenger Car", "Reimbursed mileage", 3, 6),
        ("desnz-2025", "8_301_3076_4_1", "EV pool car", 2, None),
    ],
)
def test_scope_and_category_follow_factor_and_words(
    release: str, source_id: str, words: str, scope: int, category: int | None
) -> None:
    found = factor(release, source_id)
    asked = dataclasses.replace(row(words, 1, "km"), dimension=Dimension.DISTANCE)
    decided = scope_of(found, asked)
    assert (decided.scope, decided.scope3_category) == (scope, category)
    assert decided.reason.endswith(".")


def test_biogenic_co2_is_in_no_scope() -> None:
    found = next(f for f in load_release("desnz-2025").factors if f.biogenic)
    decided = scope_of(found, row("Wood pellets", 1, "t"))
    assert (decided.scope, decided.scope3_category) == (None, None)
