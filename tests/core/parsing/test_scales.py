"""Thousands and millions that a heading, or a line above the table, states once."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.money_scale import scale_of_heading, scale_of_line
from tests.core.parsing.test_uglies import read


@pytest.mark.parametrize(
    ("heading", "unit"),
    [
        ("Spend (£000)", "kGBP"), ("Spend £'000", "kGBP"), ("Spend (£000s)", "kGBP"),
        ("Spend (EUR thousands)", "kEUR"), ("Spend in TEUR", "kEUR"), ("Betrag in T€", "kEUR"),
        ("Spend £m", "MGBP"), ("Spend (£k)", "kGBP"), ("Amount (USD, thousands)", "kUSD"),
        ("Amount in thousand EUR", "kEUR"), ("Amount in thousands of EUR", "kEUR"),
        ("Amount (EUR million)", "MEUR"), ("Amount (000 EUR)", "kEUR"),
        ("Spend (GBP '000)", "kGBP"), ("Amount (thousands)", "kGBP"), ("Betrag (Tsd.)", "kGBP"),
        ("Net amount (£)", "GBP"), ("Amount", "GBP"),
    ],
)  # fmt: skip
def test_a_heading_says_in_what_money_is_counted(tmp_path: Path, heading: str, unit: str) -> None:
    found = read(tmp_path, f'Account,"{heading}"\nPaper,12.5\nSteel,3\n')
    assert found.of("volume", "unit") == [(12.5, unit), (3, unit)]


@pytest.mark.parametrize(
    ("line", "unit"),
    [
        ("All figures in £'000", "kGBP"), ("Alle Werte in TEUR", "kEUR"),
        ("Amounts in USD millions", "MUSD"), ("Amounts in thousands of EUR", "kEUR"),
        ("All figures in thousands", "kGBP"), ("£000", "kGBP"), ("(in thousands)", "kGBP"),
        ("All amounts in EUR", "EUR"), ("Payments over £25,000", "GBP"),
        ("Spend over 25 thousand pounds", "GBP"), ("Turnover in EUR million: 512", "GBP"),
    ],
)  # fmt: skip
def test_a_line_above_the_table_says_it_too(tmp_path: Path, line: str, unit: str) -> None:
    found = read(tmp_path, f'"{line}"\n\nAccount,Amount\nPaper,12.5\nSteel,3\n')
    assert found.of("volume", "unit") == [(12.5, unit), (3, unit)]


def test_a_column_of_currencies_is_in_thousands_as_well(tmp_path: Path) -> None:
    found = read(
        tmp_path, "Account,Amount (000s),Currency\nPaper,12.5,EUR\nSteel,3,USD\nGlass,1,kEUR\n"
    )
    assert found.of("volume", "unit") == [(12.5, "kEUR"), (3, "kUSD"), (1, "kEUR")]
    assert "Amounts were read as thousands, as is stated." in found.report.notes


@pytest.mark.parametrize(
    ("heading", "unit"),
    [
        ("Gas (1000 m3)", "Ml"), ("Gas (thousand m3)", "Ml"), ("Gas [1000 m³]", "Ml"),
        ("Verbrauch in Tsd. kWh", "MWh"), ("Verbrauch (Mio. kWh)", "GWh"),
        ("Electricity ('000 kWh)", "MWh"), ("Consumption 10^3 kWh", "MWh"), ("kWh (000s)", "MWh"),
        ("Diesel (thousand litres)", "m3"), ("thousand litres", "m3"),
        ("Usage (million litres)", "Ml"), ("Consumption (1,000 kg)", "t"), ("Usage (kWh)", "kWh"),
    ],
)  # fmt: skip
def test_a_heading_may_count_a_unit_by_the_thousand(
    tmp_path: Path, heading: str, unit: str
) -> None:
    found = read(tmp_path, f'Activity,"{heading}"\nSomething,12.5\nSomething,3\n')
    assert found.of("volume", "unit") == [(12.5, unit), (3, unit)]


def test_thousands_of_what_we_have_no_unit_for_are_refused_by_name(tmp_path: Path) -> None:
    found = read(tmp_path, "Activity,Usage (million m3)\nGas,12.5\n")
    assert found.rejected == [(2, "unit_unknown")]
    assert found.issues[0].value_text == "million m3"


def test_quantities_by_the_thousand_beside_a_column_of_units(tmp_path: Path) -> None:
    found = read(tmp_path, "Activity,Quantity (000s),Unit\nGas,12.5,kWh\nOil,3,litres\nX,1,km\n")
    assert found.of("volume", "unit") == [(12.5, "MWh"), (3, "m3")]
    assert found.rejected == [(4, "unit_unknown")]


@pytest.mark.parametrize(
    "text", ["Account", "Net amount", "Amount 2024", "Cost per m2", "EUR m2", "Thousand Oaks"]
)
def test_most_headings_state_no_scale(text: str) -> None:
    assert scale_of_heading(text) == scale_of_line(text) == ""
