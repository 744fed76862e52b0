"""Numbers as people write them, and no guess at the decimal sign."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.numbers import (
    Convention,
    NumberProblem,
    decide_convention,
    read_number,
    split_quantity,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.5", 1234.5), ("1.234,5", 1234.5), ("1 234,5", 1234.5), ("1'234.5", 1234.5),
        ("1’234.5", 1234.5), ("1\u00a0234,5", 1234.5), ("1\u202f234,5", 1234.5),
        ("(1,234.50)", -1234.5), ("-12", -12.0), ("12-", -12.0), ("−12", -12.0), ("+12", 12.0),
        ("£1,200.00", 1200.0), ("1.200,00 €", 1200.0), ("EUR 12,50", 12.5), ("-£5.00", -5.0),
        ("£-5", -5.0), ("($3.50)", -3.5), ("$(3.50)", -3.5), (" $ (1,234.00)", -1234.0),
        ("£ (12.50)", -12.5), ("CHF 1'000.00", 1000.0), ("1.2e3", 1200.0),
        ("1,26E+03", 1260.0), ("1.260e3", 1260.0), ("0.125", 0.125), ("0,125", 0.125),
        (".5", 0.5), (",5", 0.5), ("5.", 5.0), ("1,234,567", 1234567.0),
        ("1.234.567", 1234567.0), ("1 234 567", 1234567.0), ("12,34,567.8", 1234567.8),
        ("50,-", 50.0), ("1.250,-", 1250.0), ("50,--", 50.0), ("CHF 50.–", 50.0),
        ("€ 99,-", 99.0), ("12,50-", -12.5), ("١٢٣", 123.0), ("۴۵۶", 456.0),
        ("1234.567", 1234.567), ("0", 0.0), ("-0", 0.0), ("1200", 1200.0), ("１２", 12.0),
    ],
)  # fmt: skip
def test_what_fits_one_way_is_read_so_in_every_region(text: str, value: float) -> None:
    for region in (None, "DE", "US"):
        for convention in Convention:
            assert read_number(text, convention, region=region) == value


@pytest.mark.parametrize(
    "text",
    ["NaN", "inf", "-inf", "1e999", "=1+2", "=A1", "50%", "12 kWh", "abc", "1.5.6", "1,2,3",
     "10²", "½", "1 2", "--3", "3--", "(12", "12)",
     "(-12)", "1e", "0x10", "TRUE", "#DIV/0!", "#N/A",
     "12..5", "1,234.567,8", "XQZ 12", "EUR 12 EUR", "$(€5)", "9" * 70, "1_000", "approx. 300"],
)  # fmt: skip
def test_anything_else_is_invalid(text: str) -> None:
    found = read_number(text, region="GB")
    assert isinstance(found, NumberProblem)
    assert found.code == "number_invalid"


@pytest.mark.parametrize(
    "text", [None, "", "  ", "-", "–", "n/a", "N/A", "null", "k.A.", " $ -   ", "£-", "- €"]
)
def test_a_blank_or_a_dash_is_missing(text: str | None) -> None:
    found = read_number(text)
    assert isinstance(found, NumberProblem)
    assert found.code == "number_missing"


@pytest.mark.parametrize("text", ["1.260", "1,260", "-12,345", "£999.999", "(1,234)"])
def test_what_fits_both_ways_is_ambiguous_without_a_region(text: str) -> None:
    found = read_number(text)
    assert isinstance(found, NumberProblem)
    assert found.code == "number_ambiguous"


@pytest.mark.parametrize(
    "region", ["DE", "AT", "FR", "ES", "IT", "NL", "BE", "PT", "PL", "SE", "DK", "NO", "FI"]
)
def test_the_region_reads_thousands_as_the_domain_says(region: str) -> None:
    # domain.md §2: "1.260" is 1,260 there; so "1,260" is 1.26
    assert read_number("1.260", region=region) == 1260.0
    assert read_number("1,260", region=region) == 1.26


@pytest.mark.parametrize("region", ["GB", "US", "IE", "US-CA", "CH"])
def test_other_regions_read_a_decimal_point(region: str) -> None:
    assert read_number("1.260", region=region) == 1.26
    assert read_number("1,260", region=region) == 1260.0


def test_a_region_in_two_minds_does_not_decide() -> None:
    found = read_number("1,260", region="CA")
    assert isinstance(found, NumberProblem)


def test_the_column_decides_before_the_region() -> None:
    convention = decide_convention(["1.260", "12,5"], region="US")
    assert convention is Convention.COMMA
    assert read_number("1.260", convention, region="US") == 1260.0


def test_a_column_that_contradicts_itself_leaves_it_to_the_row() -> None:
    convention = decide_convention(["12.5", "12,5", "1.260"])
    assert convention is Convention.BY_REGION
    assert read_number("1.260", convention, region="DE") == 1260.0
    assert isinstance(read_number("1.260", convention), NumberProblem)


def test_a_column_without_evidence_goes_by_the_one_region_or_stays_open() -> None:
    assert decide_convention(["1.260", "12"], region="DE") is Convention.COMMA
    assert decide_convention(["1.260", "12"], region="GB") is Convention.POINT
    assert decide_convention(["1.260", "12"]) is Convention.BY_REGION


def test_a_number_with_its_unit_proves_as_much_as_one_without() -> None:
    assert decide_convention(["12.500 kWh", "1.234,56 kWh"], region="GB") is Convention.COMMA
    assert decide_convention(["12.500 kWh", "about 1,5"], region="GB") is Convention.POINT


def test_invalid_values_prove_nothing() -> None:
    assert decide_convention(["1.5.6", "abc", "12,5"]) is Convention.COMMA


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1,200 kWh", ("1,200", "kWh")), ("12,5l", ("12,5", "l")), ("5 €", ("5", "€")),
        ("1'234.5", None), ("1.2e3 t", ("1.2e3", "t")), ("12", None), ("kWh", None),
    ],
)  # fmt: skip
def test_a_quantity_with_its_unit_comes_apart(text: str, parts: tuple[str, str] | None) -> None:
    assert split_quantity(text) == parts


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_every_double_as_python_writes_it_reads_back_the_same(value: float) -> None:
    assert read_number(repr(value), Convention.POINT) == value


@given(st.integers(-(10**12), 10**12), st.integers(0, 99))
def test_both_ways_of_grouping_read_the_same(whole: int, cents: int) -> None:
    english = f"{whole:,}.{cents:02d}"
    german = english.replace(",", "_").replace(".", ",").replace("_", ".")
    assert read_number(english) == read_number(german) == float(f"{whole}.{cents:02d}")


@given(st.from_regex(r"[1-9][0-9]{0,2}[.,][0-9]{3}", fullmatch=True))
def test_no_locale_is_ever_guessed(text: str) -> None:
    assert isinstance(read_number(text), NumberProblem)
    german, british = read_number(text, region="DE"), read_number(text, region="GB")
    assert isinstance(german, float)
    assert isinstance(british, float)
    # One of them is a thousand times the other, unless the decimals are lost in rounding.
    assert sorted((german, british))[1] == pytest.approx(1000 * sorted((german, british))[0])


@given(st.text(max_size=80), st.sampled_from([None, "DE", "US"]))
def test_whatever_is_read_is_finite(text: str, region: str | None) -> None:
    found = read_number(text, region=region)
    assert isinstance(found, NumberProblem) or math.isfinite(found)
