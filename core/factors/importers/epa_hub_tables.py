"""The twelve tables of the EPA hub, one reader each: rows of the sheet → drafts of factors."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.factors.importers.result import Skipped, number, tidy
from core.gwp import gwp
from core.records import Basis, GasPart

Row = tuple[int, tuple[object, ...]]
Reading = tuple[list["Draft"], list[Skipped]]

KG_PER_LB = 0.45359237  # exact, international pound
_UNITS = {
    "short ton": "short_ton",
    "scf": "scf",
    "gallon": "gal_us",
    "vehicle-mile": "mi",
    "passenger-mile": "passenger_mi",
    "short ton-mile": "ton_mi",
}
_FOOTNOTE = re.compile(r"(?<=[a-z)])\s?[A-E]$|\s[A-E]$")


@dataclass(frozen=True, slots=True)
class Draft:
    """A factor before its release's metadata are put on it."""

    row: int
    source_id: str
    name: str
    category: str
    unit: str
    value: float
    kind: str
    scope: int | None
    levels: tuple[str, ...]
    region: str | None = "US"
    scope3_category: int | None = None
    basis: Basis | None = None
    gwp_set: str | None = "AR5"
    gases: tuple[GasPart, ...] = ()
    note: str = ""


def tables() -> dict[str, Callable[[Sequence[Row]], Reading]]:
    """Return the reader of each table by its name."""
    return {
        "Table 1": _stationary, "Table 2": _mobile_co2, "Table 3": _per_vehicle,
        "Table 4": _per_vehicle, "Table 5": _per_vehicle, "Table 6": _electricity,
        "Table 7": _steam, "Table 8": _freight, "Table 9": _waste, "Table 10": _travel,
        "Table 11": _gwp_table, "Table 12": _blends,
    }  # fmt: skip


def gas_parts(co2_kg: float, ch4_g: float, n2o_g: float) -> tuple[GasPart, ...]:
    """Put gases in their masses beside their kg CO2e by AR5."""
    ch4, n2o = ch4_g / 1000, n2o_g / 1000
    return (
        GasPart("CO2", co2_kg, co2_kg),
        GasPart("CH4", ch4 * gwp("CH4", "AR5"), ch4),
        GasPart("N2O", n2o * gwp("N2O", "AR5"), n2o),
    )


def _total(gases: Sequence[GasPart]) -> float:
    return sum(part.kg_co2e for part in gases)


def _label(cell: object) -> str:
    return _FOOTNOTE.sub("", tidy(cell))


def _stationary(rows: Sequence[Row]) -> Reading:
    drafts: list[Draft] = []
    skipped: list[Skipped] = []
    group, per = "", ""
    for index, cells in rows:
        head = re.fullmatch(r"mmBtu per (.+)", tidy(cells[3]))
        if head:
            per = head.group(1)
            continue
        name, energy = tidy(cells[2]), [number(c) for c in cells[4:7]]
        if energy[0] is None:
            group = name or group
            continue
        biomass = group.startswith("Biomass")
        drafts += _fuel(index, name, group, "mmBtu", energy, biomass)
        natural = [number(c) for c in cells[7:10]]
        if natural[0] is None:
            skipped.append(Skipped(f"row {index}", f"{name}: no figure per physical unit"))
        else:
            drafts += _fuel(index, name, group, per, natural, biomass)
    return drafts, skipped


def _fuel(
    row: int, name: str, group: str, per: str, figures: list[float | None], biomass: bool
) -> list[Draft]:
    code = _UNITS.get(per, per)
    gases = gas_parts(figures[0] or 0.0, figures[1] or 0.0, figures[2] or 0.0)
    basis = Basis.GROSS if code == "mmBtu" else None
    levels = ("Stationary combustion", group, name)
    source_id = f"Table 1/{name} [{code}]"
    common = {"row": row, "category": "Stationary combustion", "unit": code, "basis": basis}
    if not biomass:
        return [
            Draft(source_id=source_id, name=name, value=_total(gases), kind="fuel", scope=1,
                  levels=levels, gases=gases, **common)  # type: ignore[arg-type]
        ]  # fmt: skip
    burnt = gases[1:]
    return [
        Draft(source_id=source_id, name=name, value=_total(burnt), kind="bioenergy", scope=1,
              levels=levels, gases=burnt,
              note="CH4 and N2O only: the CO2 of biomass is biogenic and apart.",
              **common),  # type: ignore[arg-type]
        Draft(source_id=source_id + " biogenic CO2", name=f"{name}, biogenic CO2",
              value=gases[0].kg_co2e, kind="biogenic_co2", scope=None, levels=levels,
              gases=(gases[0],), note="Biogenic CO2: reported apart.",
              **common),  # type: ignore[arg-type]
    ]  # fmt: skip


def _mobile_co2(rows: Sequence[Row]) -> Reading:
    drafts = []
    for index, cells in rows:
        name, value, per = tidy(cells[2]), number(cells[3]), tidy(cells[4])
        if value is None or per not in _UNITS:
            continue
        bio = name.startswith(("Biodiesel", "Ethanol"))
        drafts.append(
            Draft(
                index,
                f"Table 2/{name}",
                f"{name}, mobile combustion",
                "Mobile combustion",
                _UNITS[per],
                value,
                "biogenic_co2" if bio else "fuel",
                None if bio else 1,
                ("Mobile combustion", name),
                gases=(GasPart("CO2", value, value),),
                note="CO2 only, as published: CH4 and N2O depend on the vehicle (tables 3 to 5).",
            )
        )
    return drafts, []


def _per_vehicle(rows: Sequence[Row]) -> Reading:
    why = "CH4 and N2O of a vehicle alone: a supplement of table 2, no factor for an activity"
    return [], [
        Skipped(f"row {index}", why)
        for index, cells in rows
        if any(number(cell) is not None for cell in cells[5:7])
    ]


def _electricity(rows: Sequence[Row]) -> Reading:
    drafts: list[Draft] = []
    skipped: list[Skipped] = []
    for index, cells in rows:
        code, name = tidy(cells[2]), tidy(cells[3])
        figures = [number(c) for c in cells[4:7]]
        if figures[0] is None or code.startswith("eGRID"):
            continue
        per_kwh = [(f or 0.0) * KG_PER_LB / 1000 for f in figures]
        gases = gas_parts(per_kwh[0], per_kwh[1] * 1000, per_kwh[2] * 1000)
        average = code == "US Average"
        title = "US average" if average else f"eGRID subregion {code} ({name})"
        drafts.append(
            Draft(
                index,
                f"Table 6/{code}",
                f"Electricity, {title}, total output",
                "Electricity",
                "kWh",
                _total(gases),
                "electricity",
                2,
                ("Electricity", name),
                region="US" if average else f"US-{code}",
                gases=gases,
                note="Total output rate, the one for inventories; from lb/MWh.",
            )
        )
        skipped.append(
            Skipped(f"row {index}", "non-baseload rates are not for inventories (hub, note)")
        )
    return drafts, skipped


def _steam(rows: Sequence[Row]) -> Reading:
    drafts = []
    for index, cells in rows:
        figures = [number(c) for c in cells[3:6]]
        if figures[0] is not None:
            gases = gas_parts(figures[0], figures[1] or 0.0, figures[2] or 0.0)
            drafts.append(
                Draft(
                    index,
                    "Table 7/Steam and Heat",
                    "Purchased steam and heat",
                    "Steam and heat",
                    "mmBtu",
                    _total(gases),
                    "heat",
                    2,
                    ("Steam and heat",),
                    gases=gases,
                )
            )
    return drafts, []


def _freight(rows: Sequence[Row]) -> Reading:
    return _transport(rows, "Table 8", "Freight", "freight", 4)


def _travel(rows: Sequence[Row]) -> Reading:
    return _transport(rows, "Table 10", "Business travel and commuting", "", 6)


def _transport(rows: Sequence[Row], table: str, category: str, kind: str, scope3: int) -> Reading:
    drafts = []
    read = [
        (index, _label(cells[2]), [number(c) for c in cells[3:6]], tidy(cells[6]))
        for index, cells in rows
        if tidy(cells[6]) in _UNITS
    ]
    names = [name for _, name, _, _ in read]
    for index, name, figures, per in read:
        gases = gas_parts(figures[0] or 0.0, figures[1] or 0.0, figures[2] or 0.0)
        suffix = f" [{per}]" if names.count(name) > 1 else ""
        air = name.startswith("Air Travel")
        drafts.append(
            Draft(
                index,
                f"{table}/{name}{suffix}",
                f"{name}, per {per}",
                category,
                _UNITS[per],
                _total(gases),
                kind or f"business_travel_{'air' if air else 'land'}",
                3,
                (category, name),
                scope3_category=scope3,
                gases=gases,
            )
        )
    return drafts, []


def _waste(rows: Sequence[Row]) -> Reading:
    drafts: list[Draft] = []
    skipped: list[Skipped] = []
    routes: list[str] = []
    for index, cells in rows:
        if tidy(cells[2]) == "Material":
            routes = [re.sub(r"(?<=ed)[A-E]$", "", tidy(c)).replace("  ", " ") for c in cells[3:9]]
            continue
        if not routes:
            continue
        for route, cell in zip(routes, cells[3:9], strict=False):
            value = number(cell)
            if value is None:
                skipped.append(Skipped(f"row {index}", "NA: not available for this route"))
                continue
            name = tidy(cells[2])
            drafts.append(
                Draft(
                    index,
                    f"Table 9/{name} [{route}]",
                    f"{name}, {route.lower()}",
                    "Waste",
                    "short_ton",
                    value * 1000,
                    "waste",
                    3,
                    ("Waste", name, route),
                    scope3_category=5,
                    gwp_set="AR4",
                    note="Published as metric tons CO2e per short ton, with AR4.",
                )
            )
    return drafts, skipped


def _gwp_table(rows: Sequence[Row]) -> Reading:
    drafts = []
    for index, cells in rows:
        name, formula, value = tidy(cells[2]), tidy(cells[3]), number(cells[4])
        if value is not None and formula:
            drafts.append(
                Draft(
                    index,
                    f"Table 11/{name}",
                    f"{name} ({formula}) released",
                    "Refrigerants",
                    "kg",
                    value,
                    "refrigerant",
                    1,
                    ("Refrigerants", "GWP", name),
                    region=None,
                )
            )
    return drafts, []


def _blends(rows: Sequence[Row]) -> Reading:
    drafts: list[Draft] = []
    skipped: list[Skipped] = []
    for index, cells in rows:
        name, value, parts = tidy(cells[2]), number(cells[3]), tidy(cells[4])
        if value is None:
            continue
        if "HCFC" in parts:
            # The hub counts HFC and PFC alone, so a blend with HCFC comes out far too low.
            skipped.append(Skipped(f"row {index}", f"{name}: its HCFC part is not counted"))
            continue
        drafts.append(
            Draft(
                index,
                f"Table 12/{name}",
                f"Refrigerant {name} released",
                "Refrigerants",
                "kg",
                value,
                "refrigerant",
                1,
                ("Refrigerants", "Blends", name),
                region=None,
                note=f"Blend: {parts}",
            )
        )
    return drafts, skipped
