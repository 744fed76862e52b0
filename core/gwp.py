"""Global warming potentials over 100 years, by gas and IPCC report.

The table is core/factors/data/gwp.csv, written by core.factors.importers.gwp from the CC0
collection openclimatedata/globalwarmingpotentials. Blends come from their components by mass.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

from core.errors import InvalidInput

SETS = ("SAR", "TAR", "AR4", "AR5", "AR6")
# The collection has one CH4 figure a report. AR6 tells fossil CH4 apart (it adds the CO2 it
# becomes): IPCC AR6 WG1 table 7.15.
_EXTRA = {("CH4 fossil", "AR6"): 29.8, ("CH4 biogenic", "AR6"): 27.0}
# By mass, ASHRAE standard 34.
BLENDS: dict[str, tuple[tuple[str, float], ...]] = {
    "R-404A": (("HFC-125", 0.44), ("HFC-134a", 0.04), ("HFC-143a", 0.52)),
    "R-407A": (("HFC-32", 0.20), ("HFC-125", 0.40), ("HFC-134a", 0.40)),
    "R-407C": (("HFC-32", 0.23), ("HFC-125", 0.25), ("HFC-134a", 0.52)),
    "R-410A": (("HFC-32", 0.50), ("HFC-125", 0.50)),
    "R-507A": (("HFC-125", 0.50), ("HFC-143a", 0.50)),
}


@cache
def _table() -> dict[str, dict[str, float]]:
    text = (resources.files("core.factors") / "data" / "gwp.csv").read_text("utf-8")
    table: dict[str, dict[str, float]] = {}
    for row in csv.DictReader(text.splitlines()):
        table[row["gas"]] = {name: float(row[name]) for name in SETS if row[name]}
    return table


def gwp(gas: str, report: str) -> float:
    """Return kg CO2e per kg of `gas` ("CH4", "HFC-134a", "R-410A") by `report` ("AR5").

    Raises core.errors.InvalidInput for a gas or a set that the table does not have.
    """
    if gas == "CO2":
        return 1.0
    if gas in BLENDS:
        return sum(share * gwp(part, report) for part, share in BLENDS[gas])
    if (gas, report) in _EXTRA:
        return _EXTRA[gas, report]
    value = _table().get(gas.replace("HFC-", "HFC").replace("SF₆", "SF6"), {}).get(report)
    if value is None:
        raise InvalidInput(f"no GWP of {gas} in {report}", code="gwp_unknown")
    return value


def rebase(kg_gas: float | None, gas: str, report: str) -> float:
    """Return kg CO2e of a mass of gas by another report.

    Raises core.errors.InvalidInput where the source gave only CO2e: its gas masses are unknown.
    """
    if kg_gas is None:
        raise InvalidInput(
            "the source gives CO2e only; it cannot be re-based", code="gwp_not_rebasable"
        )
    return kg_gas * gwp(gas, report)
