"""Global warming potentials: the checks of domain.md §5, IPCC AR5 table 8.A.1 and AR6 7.SM.7."""

from __future__ import annotations

import pytest

from core.errors import InvalidInput
from core.gwp import gwp, rebase


@pytest.mark.parametrize(
    ("gas", "report", "value"),
    [
        ("CO2", "AR5", 1), ("CH4", "AR5", 28), ("N2O", "AR5", 265), ("SF6", "AR5", 23500),
        ("CH4", "AR6", 27.9), ("CH4 fossil", "AR6", 29.8), ("N2O", "AR6", 273),
        ("SF6", "AR6", 25200), ("CH4", "AR4", 25), ("HFC-134a", "AR5", 1300),
        ("R-410A", "AR5", 1923.5),  # 0.5 × 677 + 0.5 × 3170
    ],
)  # fmt: skip
def test_a_potential_is_as_the_report_prints_it(gas: str, report: str, value: float) -> None:
    assert gwp(gas, report) == pytest.approx(value)


def test_an_unknown_gas_or_set_is_an_error() -> None:
    with pytest.raises(InvalidInput):
        gwp("unobtainium", "AR5")
    with pytest.raises(InvalidInput):
        gwp("CH4", "AR9")


def test_a_figure_without_gases_is_not_rebased() -> None:
    assert rebase(2.0, "CH4", "AR6") == pytest.approx(55.8)  # 2 × 27.9
    with pytest.raises(InvalidInput, match="CO2e only"):
        rebase(None, "CH4", "AR6")
