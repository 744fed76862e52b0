"""The Open Emission Factors Database (Climatiq): one CSV, CC BY-SA 4.0: imported, never shipped.

Three layouts were published, and all are read:
- `id, unit ("kg-CO2e/kWh"), factor, year, activity` (2021);
- `activity_id, activity_unit ("kWh"), kgCO2e-AR5, kgCO2e-AR4, kgCO2, kgCH4, kgN2O, …,
  year_released, years_valid, years_calculated_from` (2022; DATA_GUIDANCE.md explains them);
- the same with `uuid` in front, `dataset`, and `year_valid_from`.

A row keeps its own source and year. `years_valid` describes and does not restrict: it becomes the
data year, so that the year rule of matching applies and tells when it falls back.
"""

from __future__ import annotations

import math
import re

from core.factors.importers.result import (
    FaultyFile,
    ImportResult,
    Skipped,
    SourceMeta,
    factor_id,
    number,
    refuse,
    sha256_hex,
)
from core.factors.importers.tabular import Cells, read_table
from core.factors.kinds import KINDS, infer_kind
from core.gwp import gwp
from core.records import Dimension, EmissionFactor, GasPart
from core.units import Unit, UnitProblem, parse_unit

LICENCE = "CC BY-SA 4.0 (Open Emission Factors Database); the row's source has terms of its own"
_COMMON = {"sector", "category", "name", "source", "region"}
_LAYOUTS = ({"activity_id", "activity_unit", "kgco2e-ar5"}, {"id", "unit", "factor"})
_IDS, _UNITS = ("activity_id", "id"), ("activity_unit", "unit")
# "kg/kWh", "kg-CO2e/tkm", "kgCO2e / passenger-km": what stands before the slash is the numerator.
_NUMERATOR = re.compile(r"^\s*kg(?:[ -]?CO2e?)?\s*/\s*", re.IGNORECASE)
_FORMS = {
    "tkm": "tonne-km", "pkm": "passenger-km", "pmile": "passenger-mile", "tmile": "ton-mile",
    "room-night": "room night", "number of nights": "room night",
    "gal (us)": "US gallon", "mmbtu": "mmBtu",
}  # fmt: skip
_NO_FIGURE = "no CO2e figure is supplied"
_SPREAD = 0.02  # the parts are rounded apart from the sum


def read(
    content: bytes, *, file_name: str, retrieved_on: str, release: str = "", licence: str = ""
) -> ImportResult:
    """Import the database's CSV. Raises core.errors.FileRejected when it has another layout."""
    table = read_table(content, "OEFDB")
    columns = {column.lower() for column in table.columns}
    if not columns >= _COMMON or not any(layout <= columns for layout in _LAYOUTS):
        raise refuse("OEFDB", "its header is not one of that database's; see docs/factors.md")
    rows = [(n, {k.lower(): _blank(v) for k, v in texts.items()}) for n, texts in table.rows]
    newest = max((texts.get("date_accessed", "") for _, texts in rows), default="")
    name = release or f"oefdb-{newest.replace('/', '-') or 'undated'}"
    meta = _meta(content, name, newest, licence or LICENCE, file_name, retrieved_on)
    factors: list[EmissionFactor] = []
    skipped: list[Skipped] = []
    seen: set[str] = set()
    faults: list[Cells] = []
    for row, texts in rows:
        cells = Cells(row, texts)
        found = _factor(cells, meta)
        if cells.faults:
            faults.append(cells)
        elif isinstance(found, str):
            skipped.append(Skipped(f"row {row}", found))
        elif found.source_id in seen:
            why = "the same activity, source, year, region and stage as a row before"
            skipped.append(Skipped(f"row {row}", why))
        else:
            seen.add(found.source_id)
            factors.append(found)
    if faults:
        raise FaultyFile([fault for cells in faults for fault in cells.faults])
    if not factors:
        raise refuse("OEFDB", "none of its rows has a unit and a figure that can be used")
    return ImportResult(meta, tuple(factors), tuple(skipped))


def _blank(text: str) -> str:
    return "" if text.lower() in ("not-supplied", "not supplied", "n/a") else text


def _first(texts: dict[str, str], names: tuple[str, ...]) -> str:
    return next((texts[name] for name in names if texts.get(name)), "")


def _factor(cells: Cells, meta: SourceMeta) -> EmissionFactor | str:
    """Return a row's factor, or why it is left out."""
    texts = cells.texts
    if "e" in texts.get("data_quality", "").split("|"):
        return "the database marks the figure as an erroneous calculation"
    probe = Cells(cells.row, texts)
    region = probe.region("region")
    if probe.faults:
        return "its region is no country, subdivision or GLOBAL"
    unit = _unit(_first(texts, _UNITS), region)
    if unit is None:
        return f"unit {_first(texts, _UNITS)[:40]} has no counterpart here"
    value, gwp_set = _value(texts)
    if value is None:
        return _NO_FIGURE
    if value < 0:
        return "the figure is negative: avoided emissions are no factor here"
    name = cells.required("name", "the database names every factor")
    released = cells.year("year_released") or cells.year("year")
    if released is None and not cells.faults:
        cells.fault("year_released", "is blank; the database gives every factor a year")
    if cells.faults or released is None:
        return ""
    return _made(texts, meta, name, unit, region, value, gwp_set, released, cells.row)


def _made(
    texts: dict[str, str], meta: SourceMeta, name: str, unit: Unit, region: str | None,
    value: float, gwp_set: str | None, released: int, row: int,
) -> EmissionFactor:  # fmt: skip
    stage = texts.get("lca_activity") or texts.get("activity", "")
    kind = _kind(texts, name, unit, stage)
    scope, category = _scope(texts.get("scope", ""), kind)
    data_year = _data_year(texts, released)
    source_id = texts.get("uuid") or " | ".join(
        (_first(texts, _IDS), texts["source"], str(released), texts.get("years_valid", ""),
         texts["region"], stage, unit.code)
    )  # fmt: skip
    return EmissionFactor(
        id=factor_id(meta.release, source_id),
        release=meta.release,
        source_id=source_id,
        name=name,
        category=texts["category"],
        unit=unit.code,
        dimension=unit.dimension,
        value_per_unit=value,
        region=region,
        scope=scope,
        scope3_category=category,
        activity_kind=kind,
        data_year=data_year,
        source_year=released,
        source=_source(texts, released),
        licence=texts.get("licence") or meta.licence,
        basis=unit.basis,
        currency=unit.currency,
        price_year=data_year if unit.dimension is Dimension.MONEY else None,
        gwp_set=gwp_set,
        gases=_gases(texts, value, gwp_set),
        biogenic=scope is None,
        levels=tuple(p for p in (texts["sector"], texts["category"], name) if p),
        source_row=f"row {row}",
        note=_note(texts, stage),
    )


def _unit(written: str, region: str | None) -> Unit | None:
    bare = _NUMERATOR.sub("", written).strip()
    found = parse_unit(_FORMS.get(bare.lower(), bare), region=region)
    if isinstance(found, UnitProblem) or (found.currency and found.code != found.currency):
        return None
    return found


def _value(texts: dict[str, str]) -> tuple[float | None, str | None]:
    """Return kg CO2e a unit and its GWP set: AR5 where there is one, else AR4."""
    for column, gwp_set in (("kgco2e-ar5", "AR5"), ("kgco2e-ar4", "AR4"), ("factor", None)):
        value = number(texts.get(column, "") or None)
        if value is not None:
            return value, gwp_set
    return None, None


def _gases(texts: dict[str, str], value: float, gwp_set: str | None) -> tuple[GasPart, ...]:
    """Return the gases where their sum is the figure; half a list would mislead."""
    if gwp_set is None:
        return ()
    parts: list[GasPart] = []
    for gas in ("CO2", "CH4", "N2O"):
        mass = number(texts.get(f"kg{gas.lower()}"))
        if mass is not None:
            parts.append(GasPart(gas, mass * gwp(gas, gwp_set), mass))
    if other := number(texts.get(f"kgco2e-otherghgs-{gwp_set.lower()}")):
        parts.append(GasPart("other", other))
    total = math.fsum(part.kg_co2e for part in parts)
    return tuple(parts) if parts and abs(total - value) <= _SPREAD * max(value, total) else ()


def _kind(texts: dict[str, str], name: str, unit: Unit, stage: str) -> str:
    if texts.get("scope", "").lower() == "outside of scopes":
        return "biogenic_co2"
    if stage in ("well_to_tank", "upstream", "fuel_upstream") and texts["sector"] in (
        "Energy", "Transport",
    ):  # fmt: skip
        return "well_to_tank"
    if stage == "transmission_and_distribution":
        return "transmission_losses"
    return infer_kind(f"{texts['category']} {texts['sector']}", name, unit.dimension)


def _scope(written: str, kind: str) -> tuple[int | None, int | None]:
    facts = KINDS[kind]
    if kind == "biogenic_co2":
        return None, None
    scope = int(written) if written in ("1", "2", "3") else facts.scope
    return scope, facts.scope3_category if scope == 3 else None


def _data_year(texts: dict[str, str], released: int) -> int:
    for column in ("years_calculated_from", "year_valid_from", "years_valid"):
        years = re.findall(r"(?:19|20)\d\d", texts.get(column, ""))
        if years:
            return max(int(year) for year in years)
    return released


def _source(texts: dict[str, str], released: int) -> str:
    dataset = f", {texts['dataset']}" if texts.get("dataset") else ""
    return f"{texts['source']}{dataset}, {released}, by way of the Open Emission Factors Database"


def _note(texts: dict[str, str], stage: str) -> str:
    parts = [f"Life-cycle stage: {stage.replace('_', ' ')}." if stage else ""]
    if texts.get("years_valid"):
        parts.append(f"Valid years by the database: {texts['years_valid']}.")
    if texts.get("uncertainty"):
        parts.append(f"Uncertainty {texts['uncertainty']} %.")
    if texts.get("data_quality"):
        parts.append(f"Data quality flags: {texts['data_quality']}.")
    parts += [texts.get("description", ""), texts.get("source_link", "")]
    return " ".join(part for part in parts if part)


def _meta(
    content: bytes, release: str, newest: str, licence: str, file_name: str, retrieved_on: str
) -> SourceMeta:
    year = re.match(r"20\d\d", newest)
    if year is None:
        raise refuse("OEFDB", "the column date_accessed has no date")
    return SourceMeta(
        release=release,
        publisher="Climatiq and contributors",
        title="Open Emission Factors Database",
        version=f"newest row of {newest}",
        year=int(year.group()),
        data_year=int(year.group()),
        licence=licence,
        url="https://github.com/climatiq/Open-Emission-Factors-DB",
        retrieved_on=retrieved_on,
        file_name=file_name,
        file_sha256=sha256_hex(content),
        gwp_set="AR5; AR4 where a row gives nothing newer",
        note="Share-alike: what you publish from these figures stands under the same licence.",
    )
