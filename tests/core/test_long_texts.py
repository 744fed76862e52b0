"""Cells of 32,767 characters, of which each would take seconds to fold: length is looked at first.

Marks out of their canonical order are put in order pair by pair: 32,000 take two seconds.
"""

from __future__ import annotations

import pytest

from core.matching.text import plain
from core.money import CurrencyProblem, currency_in, parse_currency
from core.numbers import split_quantity
from core.units import UnitProblem, parse_unit

ROUNDS = 100  # of seconds each, if they were folded
MARKS = "\u0301\u0323" * 16_000


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", ["EUR" + MARKS, "e" + MARKS, "€" * 32_000, "kWh " * 8_000])
def test_a_very_long_cell_is_no_unit_and_no_currency_and_is_not_folded(text: str) -> None:
    for _ in range(ROUNDS):
        unit, currency = parse_unit(text), parse_currency(text)
    assert isinstance(unit, UnitProblem)
    assert isinstance(currency, CurrencyProblem)
    assert (unit.code, currency.code) == ("unit_unknown", "currency_unknown")


def test_blanks_around_a_currency_are_no_part_of_its_length() -> None:
    assert parse_currency("us" + " " * 40 + "dollars") == "USD"
    assert parse_currency(" " * 200 + "EUR" + " " * 200) == "EUR"
    missing = parse_currency(" " * 200)
    assert isinstance(missing, CurrencyProblem)
    assert missing.code == "currency_missing"


def test_a_currency_is_looked_for_at_the_beginning_of_a_text() -> None:
    assert currency_in("All amounts in EUR. " + "word " * 6_000) == "EUR"
    assert currency_in("word " * 6_000 + "EUR") is None


def test_of_a_very_long_cell_no_quantity_is_split() -> None:
    assert split_quantity("1,200 kWh") == ("1,200", "kWh")
    assert split_quantity("1" * 32_000 + " kWh") is None


@pytest.mark.timeout(60)
def test_of_a_very_long_text_the_beginning_is_compared() -> None:
    for _ in range(ROUNDS):
        folded = plain("Heizöl " + MARKS + " diesel")
    assert folded == "heizol"
