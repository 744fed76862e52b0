"""A CSV of anybody's own: documented columns, a factor a row. docs/factors.md describes it.

A file with a single fault is refused as a whole; every fault is named with row, column and remedy.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from core.errors import InvalidInput
from core.factors.importers.result import (
    Fault,
    FaultyFile,
    ImportResult,
    SourceMeta,
    factor_id,
    refuse,
    sha256_hex,
)
from core.factors.importers.tabular import Cells, Table, read_table
from core.factors.kinds import KINDS, infer_kind
from core.gwp import SETS, gwp
from core.records import Basis, Dimension, EmissionFactor, GasPart
from core.units import Unit

REQUIRED = ("name", "category", "unit", "value")
OPTIONAL = (
    "id", "region", "data_year", "source_year", "scope", "scope3_category", "valid_from_year",
    "valid_to_year", "source", "licence", "gwp_set", "gases", "search_terms", "basis",
    "price_year", "activity_kind", "biogenic", "note",
)  # fmt: skip
_TEXT_LIMIT = 500
_GASES_DIFFER = 0.01  # publishers round the parts and the sum apart


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the importer says of a file that does not say it itself."""

    release: str
    publisher: str
    title: str
    version: str = ""
    year: int | None = None
    licence: str = ""
    url: str = ""
    retrieved_on: str = ""


def read(content: bytes, told: Provenance, *, file_name: str) -> ImportResult:
    """Import a generic CSV.

    Raises core.factors.importers.result.FaultyFile with every fault, or FileRejected when it is
    no such CSV at all.
    """
    table = read_table(content, "generic CSV")
    faults = _columns(table)
    if faults:
        raise FaultyFile(faults)
    comma = table.decimal_comma("value")
    drafts: list[EmissionFactor] = []
    seen: dict[str, int] = {}
    for row, texts in table.rows:
        cells = Cells(row, texts, faults)
        draft = _factor(cells, told, comma)
        if draft is None:
            continue
        if draft.source_id in seen:
            cells.fault("id", _twice(bool(cells.text("id")), seen[draft.source_id]))
        seen.setdefault(draft.source_id, row)
        drafts.append(draft)
    if faults:
        raise FaultyFile(faults)
    return ImportResult(_meta(content, told, file_name, drafts), tuple(drafts), ())


def _twice(given: bool, row: int) -> str:
    if given:
        return f"is the id of row {row} too; every factor needs its own"
    return f"the same name, unit, region and year as row {row}; give both an id, or drop one"


def _columns(table: Table) -> list[Fault]:
    missing = [column for column in REQUIRED if column not in table.columns]
    known = {*REQUIRED, *OPTIONAL}
    unknown = [place for place, c in enumerate(table.columns, start=1) if c not in known]
    if len(missing) > 2:
        raise refuse("generic CSV", f"its header lacks {', '.join(missing)}; see docs/factors.md")
    doubled = {c for c in table.columns if table.columns.count(c) > 1 and c in known}
    return [
        *(Fault(1, c, "is missing; add the column") for c in missing),
        *(Fault(1, f"number {n}", "has an unknown heading; see docs/factors.md") for n in unknown),
        *(Fault(1, c, "stands there twice; keep one") for c in sorted(doubled)),
    ]


def _factor(cells: Cells, told: Provenance, comma: bool) -> EmissionFactor | None:
    """Read one row; None when it has faults."""
    before = len(cells.faults)
    name = cells.required("name", "say what the factor is for")
    category = cells.required("category", "say what group it belongs to")
    region = cells.region("region")
    unit = cells.unit("unit", region)
    value = cells.figure("value", comma=comma)
    years = _years(cells, told)
    basis = _basis(cells, unit)
    meaning = _meaning(cells, name, category, unit)
    gwp_set = _gwp_set(cells)
    gases = _gases(cells, value, gwp_set)
    source, licence = _origin(cells, told)
    if len(cells.faults) > before or unit is None or value is None:
        return None
    source_id = cells.text("id") or _made_id(name, unit, basis, region, years["data_year"])
    money = unit.dimension is Dimension.MONEY
    return EmissionFactor(
        id=factor_id(told.release, source_id), release=told.release, source_id=source_id,
        name=name, category=category, unit=unit.code, dimension=unit.dimension,
        value_per_unit=value, region=region, scope=meaning.scope,
        scope3_category=meaning.scope3_category, activity_kind=meaning.kind,
        data_year=years["data_year"] or 0, source_year=years["source_year"] or 0,
        source=source, licence=licence, basis=basis, currency=unit.currency,
        price_year=(years["price_year"] or years["data_year"]) if money else None,
        gwp_set=gwp_set, gases=gases, biogenic=meaning.scope is None, levels=(category, name),
        search_texts=tuple(t.strip() for t in cells.text("search_terms").split("|") if t.strip()),
        source_row=f"row {cells.row}", note=cells.text("note"),
        valid_from_year=years["valid_from_year"], valid_to_year=years["valid_to_year"],
    )  # fmt: skip


def _origin(cells: Cells, told: Provenance) -> tuple[str, str]:
    source = cells.text("source") or told.publisher
    if not source:
        cells.fault("source", "is blank; name the publisher here or with --publisher")
    licence = cells.text("licence") or told.licence
    if not licence:
        cells.fault("licence", "is blank; name the licence here or with --licence")
    for column in ("id", "name", "category", "source", "licence", "note"):
        if len(cells.text(column)) > _TEXT_LIMIT:
            cells.fault(column, f"is longer than {_TEXT_LIMIT} signs; shorten it")
    return source, licence


def _years(cells: Cells, told: Provenance) -> dict[str, int | None]:
    names = ("data_year", "source_year", "valid_from_year", "valid_to_year", "price_year")
    years = {name: cells.year(name) for name in names}
    if years["data_year"] is None and not cells.text("data_year"):
        years["data_year"] = years["valid_from_year"] or told.year
        if years["data_year"] is None:
            cells.fault("data_year", "is blank; give the year that the figure describes")
    years["source_year"] = years["source_year"] or told.year or years["data_year"]
    first, last = years["valid_from_year"], years["valid_to_year"]
    if first is not None and last is not None and first > last:
        cells.fault("valid_to_year", "is before valid_from_year; exchange them")
    return years


def _basis(cells: Cells, unit: Unit | None) -> Basis | None:
    written = cells.choice("basis", ("gross", "net"))
    if not written or unit is None:
        return unit.basis if unit else None
    if unit.dimension is not Dimension.ENERGY:
        cells.fault("basis", "only energy has a calorific value basis; leave it blank")
        return None
    if unit.basis and unit.basis is not Basis(written):
        cells.fault("basis", "contradicts the unit; correct one of them")
    return Basis(written)


@dataclass(frozen=True, slots=True)
class _Meaning:
    kind: str
    scope: int | None
    scope3_category: int | None


def _meaning(cells: Cells, name: str, category: str, unit: Unit | None) -> _Meaning:
    """Return kind, scope and category: as stated, else as the kind implies."""
    kind = cells.choice("activity_kind", sorted(KINDS))
    scope, number = cells.whole("scope", 1, 3), cells.whole("scope3_category", 1, 15)
    if cells.choice("biogenic", ("yes", "no")) == "yes":
        if scope is not None:
            cells.fault("scope", "biogenic CO2 is outside of the scopes; leave it blank")
        return _Meaning("biogenic_co2", None, None)
    if kind == "biogenic_co2":
        cells.fault("biogenic", "has to be yes for biogenic_co2")
    kind = kind or (infer_kind(category, name, unit.dimension) if unit else "other")
    if scope is None:
        scope = 3 if number is not None else KINDS[kind].scope
    if number is not None and scope != 3:
        cells.fault("scope3_category", f"scope {scope} has no categories; leave it blank")
    if scope != 3:
        return _Meaning(kind, scope, None)
    return _Meaning(kind, 3, number or KINDS[kind].scope3_category)


def _gwp_set(cells: Cells) -> str | None:
    written = cells.choice("gwp_set", tuple(s.lower() for s in SETS))
    return written.upper() or None


def _gases(cells: Cells, value: float | None, gwp_set: str | None) -> tuple[GasPart, ...]:
    """Read "CO2:0.1;CH4:0.002@0.00007": kg CO2e a unit, and kg of the gas after the @."""
    parts: list[GasPart] = []
    for text in filter(None, (t.strip() for t in re.split(r"[;|]", cells.text("gases")))):
        match = re.fullmatch(r"([\w -]+):([\d.eE+-]+)(?:@([\d.eE+-]+))?", text)
        try:
            figures = [float(x) if x else None for x in match.groups()[1:]] if match else []
        except ValueError:
            figures = []
        if not match or not figures or figures[0] is None or not all(
            x is None or (math.isfinite(x) and x >= 0) for x in figures
        ):  # fmt: skip
            cells.fault("gases", "cannot be read; write it like CO2:0.171;CH4:0.0005;N2O:0.0003")
            return ()
        parts.append(GasPart(match.group(1).strip(), figures[0], figures[1]))
    if parts and value is not None:
        total = math.fsum(part.kg_co2e for part in parts)
        if abs(total - value) > _GASES_DIFFER * max(abs(value), abs(total)):
            cells.fault("gases", f"add up to {total:.6g} kg CO2e and not to the value; correct one")
    _check_masses(cells, parts, gwp_set)
    return tuple(parts)


def _check_masses(cells: Cells, parts: list[GasPart], gwp_set: str | None) -> None:
    for part in parts:
        if part.kg_gas is None:
            continue
        if gwp_set is None:
            cells.fault("gwp_set", "is blank; masses of gases need the GWP set they were made with")
            return
        try:
            expected = part.kg_gas * gwp(part.gas, gwp_set)
        except InvalidInput:
            continue  # a gas that the IPCC tables do not have: nothing to check it against
        if abs(expected - part.kg_co2e) > _GASES_DIFFER * 3 * max(expected, part.kg_co2e):
            cells.fault("gases", f"{part.gas} does not fit its mass by {gwp_set}; correct one")


def _made_id(
    name: str, unit: Unit, basis: Basis | None, region: str | None, year: int | None
) -> str:
    parts = (name, f"{unit.code}{f' {basis.value}' if basis else ''}", region or "global", year)
    return " | ".join(str(part) for part in parts)


def _meta(
    content: bytes, told: Provenance, file_name: str, factors: list[EmissionFactor]
) -> SourceMeta:
    sets = sorted({f.gwp_set for f in factors if f.gwp_set})
    unset = any(f.gwp_set is None for f in factors)
    licences = sorted({f.licence for f in factors})
    data_year = max(f.data_year for f in factors)
    return SourceMeta(
        release=told.release,
        publisher=told.publisher or _one_or(sorted({f.source for f in factors}), "sources"),
        title=told.title or file_name,
        version=told.version or "version not stated",
        year=told.year or max(f.source_year for f in factors),
        data_year=data_year,
        licence=told.licence if licences == [told.licence] else "; ".join(licences[:5]),
        url=told.url,
        retrieved_on=told.retrieved_on,
        file_name=file_name,
        file_sha256=sha256_hex(content),
        gwp_set="; ".join([*sets, *(["not stated"] if unset else [])]),
    )


def _one_or(names: list[str], what: str) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} {what}, each named with its factors"
