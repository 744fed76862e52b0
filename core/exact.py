"""Sums that do not depend on the order of what is summed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Context, Decimal

# A float has at most 17 digits, anywhere from 1e308 to 1e-324: with so many places no sum of them
# is ever rounded. The default context would cut at 28 digits.
_EXACT = Context(prec=700)
_WHOLE = 2.0**53  # from here on floats are whole numbers, and not every one


def add(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact sum."""
    return _EXACT.add(left, right)


def total(values: Iterable[Decimal]) -> Decimal:
    """Return the exact sum of all."""
    summed = Decimal()
    for value in values:
        summed = _EXACT.add(summed, value)
    return summed


def stored(value: float) -> Decimal:
    """Return the decimal that PostgreSQL writes for a float: the shortest that reads back the same.

    Python writes that too, but for one case. Beyond 2**53 the middle between two floats can be the
    shortest; Python takes it where it reads back as the even one of the two, PostgreSQL never.
    """
    written = Decimal(repr(value))
    if abs(value) < _WHOLE or not math.isfinite(value):
        return written
    return written if _is_within(written, value) else _shortest_within(value)


def _shortest_within(value: float) -> Decimal:
    for digits in range(16):
        written = Decimal(f"{value:.{digits}e}")
        if _is_within(written, value):
            return written
    return Decimal(f"{value:.16e}")  # 17 digits tell any two floats apart


def _is_within(written: Decimal, value: float) -> bool:
    """Tell whether a decimal lies between the middles to the next floats, and on neither."""
    away = int(abs(written)) - int(abs(value))
    above = int(math.ulp(value))
    below = above // 2 if math.frexp(value)[0] in (0.5, -0.5) else above
    return -below < 2 * away < above
