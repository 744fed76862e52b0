"""The figure of an activity's total: tried before its rows are calculated one by one."""

from __future__ import annotations

import math

from core.calculation import Calculation, Held, calculate
from core.distinct import DistinctActivity
from core.ports import ExchangeRates
from core.records import Decision, EmissionFactor, Reason

# Twenty times what all the world emits in a year (5e13 kg CO2e): a slip of unit or number.
LARGEST_KG = 1e15


def total_figure(
    one: DistinctActivity,
    factor: EmissionFactor,
    decision: Decision,
    rates: ExchangeRates | None,
) -> Calculation | Held:
    """Calculate an activity's total as one row.

    Held where a row would be, and where no real total is that large. The latter is asked of totals
    only: rows of an activity stand or wait together.
    """
    figure = calculate(one.as_row(), factor, decision, rates)
    if isinstance(figure, Held):
        return figure
    if math.isfinite(figure.emission_kg) and abs(figure.emission_kg) <= LARGEST_KG:
        return figure
    return Held(
        Reason(
            "figure_too_large",
            f"The quantities of this activity come to {figure.emission_kg:.3g} kg CO2e with this "
            "factor, more than the whole world emits; correct the numbers or their unit, or choose "
            "another factor.",
        )
    )
