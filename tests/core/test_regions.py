"""Regions and currencies as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import CurrencyProblem, currency_in, home_currency, parse_currency
from core.regions import RegionProblem, calls_states, holds_us_states, parse_region


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("GB", "GB"), ("UK", "GB"), ("uk", "GB"), ("U.K.", "GB"), ("United Kingdom", "GB"),
        ("Great Britain", "GB"), ("England", "GB"), ("Großbritannien", "GB"),
        ("Royaume-Uni", "GB"), ("Reino Unido", "GB"), ("GBR", "GB"), ("GB-ENG", "GB"),
        ("USA", "US"), ("U.S.A.", "US"), ("United States", "US"), ("Vereinigte Staaten", "US"),
        ("États-Unis", "US"), ("EE.UU.", "US"), ("US-CA", "US-CA"), ("California", "US-CA"),
        ("Texas, USA", "US-TX"), ("Springfield", None), ("US-CAMX", "US-CAMX"),
        ("CAMX", "US-CAMX"), ("Ontario", "CA-ON"), ("CA", "CA"), ("Germany", "DE"),
        ("Deutschland", "DE"), ("Allemagne", "DE"), ("Alemania", "DE"), ("DEU", "DE"),
        ("Germany (DE)", "DE"), ("DE-BY", "DE-BY"), ("Österreich", "AT"), ("Oesterreich", "AT"),
        ("España", "ES"), ("Espana", "ES"), ("Pays-Bas", "NL"), ("The Netherlands", "NL"),
        ("Czech Republic", "CZ"), ("Côte d'Ivoire", "CI"), ("Georgia", "GE"), ("EU", "EU"),
        ("Atlantis", None), ("Head office", None), ("US-ZZ", None), ("France, DE", None),
        ("Germany (FR)", None), ("TX", None), ("kg CO2e", None),
        ("kg CO2", None), ("kg-CO2e", None),
    ],
)  # fmt: skip
def test_a_region_is_its_iso_code_or_unknown(text: str, code: str | None) -> None:
    found = parse_region(text)
    if code is None:
        assert isinstance(found, RegionProblem)
        assert found.code == "region_unknown"
    else:
        assert found == code


def test_a_blank_region_is_missing() -> None:
    found = parse_region("  ")
    assert isinstance(found, RegionProblem)
    assert found.code == "region_missing"


def test_state_codes_are_read_only_in_a_column_of_states() -> None:
    assert holds_us_states(["CA", "TX", "new york"])
    assert not holds_us_states(["CA", "DE"])  # could all be countries
    assert not holds_us_states(["CA", "TX", "FR"])  # one is no state
    assert not holds_us_states([])
    assert holds_us_states(["CA", "IN", "Texas"], called_states=True)
    assert not holds_us_states(["CA", "FR"], called_states=True)
    assert parse_region("CA", us_states=True) == "US-CA"
    assert parse_region("Georgia", us_states=True) == "US-GA"


@pytest.mark.parametrize(
    ("heading", "country", "called"),
    [("State", "US", True), ("US State", None, True), ("Site state", "GB", True),
     ("State", "AU", False), ("Country/State", "US", False), ("Region", "US", False),
     ("Status", "US", False)],
)  # fmt: skip
def test_a_heading_calls_its_column_states(heading: str, country: str | None, called: bool) -> None:
    assert calls_states(heading, country) is called


@pytest.mark.parametrize("text", ["DE," * 10_000, "a" + " " * 30_000 + "b", "(" * 30_000])
def test_a_very_long_text_is_no_region(text: str) -> None:
    found = parse_region(text)
    assert isinstance(found, RegionProblem)
    assert found.code == "region_unknown"


@pytest.mark.parametrize(
    ("text", "region", "code"),
    [
        ("USD", None, "USD"), ("eur", None, "EUR"), ("€", None, "EUR"), ("£", "US", "GBP"),
        ("$", "US", "USD"), ("$", "US-NY", "USD"), ("$", "CA", "CAD"), ("$", "AU", "AUD"),
        ("A$", None, "AUD"), ("US$", "CA", "USD"), ("kr", "NO", "NOK"), ("¥", "JP", "JPY"),
        ("Euro", None, "EUR"), ("pounds", "GB", "GBP"), ("CHF", None, "CHF"),
        ("ALL", None, "ALL"),
    ],
)  # fmt: skip
def test_a_currency_is_its_iso_code(text: str, region: str | None, code: str) -> None:
    assert parse_currency(text, region=region) == code


@pytest.mark.parametrize(
    ("text", "region", "problem"),
    [
        ("$", None, "currency_ambiguous"), ("$", "DE", "currency_ambiguous"),
        ("kr", None, "currency_ambiguous"), ("¥", "GB", "currency_ambiguous"),
        ("", None, "currency_missing"), (None, None, "currency_missing"),
        ("all", None, "currency_unknown"), ("XQZ", None, "currency_unknown"),
    ],
)  # fmt: skip
def test_what_a_sign_does_not_say_is_not_guessed(
    text: str | None, region: str | None, problem: str
) -> None:
    found = parse_currency(text, region=region)
    assert isinstance(found, CurrencyProblem)
    assert found.code == problem


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Amount (EUR)", "EUR"), ("Net Amount £", "GBP"), ("£1,200.00", "GBP"),
        ("1.200,00 €", "EUR"), ("Spend_GBP", "GBP"), ("US$ 5", "USD"),
        ("All amounts in EUR", "EUR"),
        ("TOTAL", None), ("1200", None), ("Amount", None),
    ],
)  # fmt: skip
def test_a_currency_is_found_in_headings_and_amounts(text: str, code: str | None) -> None:
    assert currency_in(text) == code


def test_the_currency_of_a_country_is_known_for_ledgers_that_name_none() -> None:
    assert home_currency("GB") == "GBP"
    assert home_currency("DE") == "EUR"
    assert home_currency("US-TX") == "USD"
    assert home_currency("AQ") is None
    assert home_currency(None) is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_readers(text: str) -> None:
    assert isinstance(parse_region(text), str | RegionProblem)
    assert isinstance(parse_currency(text), str | CurrencyProblem)
