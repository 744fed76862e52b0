"""Sums that do not depend on the order of what is summed."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal

# A float has at most 17 digits, anywhere from 1e308 to 1e-324: with so many places no sum of them
# is ever rounded. The default context would cut at 28 digits.
_EXACT = Context(prec=700)


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
    """Return the digits of a float as they are shown: the shortest that read back the same."""
    return Decimal(repr(value))
