"""Annual average rates of the European Central Bank, as packaged."""

from __future__ import annotations

import pytest

from runtime.adapters.rates_ecb import EcbRates


@pytest.mark.parametrize(
    ("currency", "year", "rate"),
    # Annual averages as the ECB publishes them: USD per EUR 1.0530 in 2022, 1.0813 in 2023;
    # GBP per EUR 0.85276 in 2022.
    [("EUR", 2022, 1.0530), ("EUR", 2023, 1.0813), ("GBP", 2022, 1.0530 / 0.85276)],
)
def test_an_average_is_the_published_one(currency: str, year: int, rate: float) -> None:
    found = EcbRates().annual_average(currency, "USD", year)
    assert found is not None
    assert found[0] == pytest.approx(rate, rel=2e-4)
    assert "European Central Bank" in found[1]
    assert str(year) in found[1]


def test_unknown_currencies_and_years_have_no_rate() -> None:
    rates = EcbRates()
    assert rates.annual_average("XAF", "USD", 2022) is None
    assert rates.annual_average("GBP", "USD", 1980) is None
