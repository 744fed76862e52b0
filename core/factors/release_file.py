"""A release as text: <release>.csv with a factor a row, and its table in sources.toml.

What is the same for all factors of a release (release, source, licence, year of publication) is
in sources.toml alone; every other field of EmissionFactor is a column. Rows are sorted by
source_id and numbers are written shortest-exact, so that the same source gives the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, fields

from core.factors.importers.result import SourceMeta, factor_id
from core.records import Basis, Dimension, EmissionFactor, GasPart

COLUMNS = (
    "source_id", "name", "category", "unit", "dimension", "value_per_unit", "region", "scope",
    "scope3_category", "activity_kind", "data_year", "basis", "currency", "price_year", "gwp_set",
    "gases", "biogenic", "levels", "search_texts", "source_row", "note",
)  # fmt: skip

OPTIONAL = ("valid_from_year", "valid_to_year", "source", "licence", "source_year")


def dump_factors(factors: Iterable[EmissionFactor], meta: SourceMeta | None = None) -> str:
    """Write factors as CSV text. Without `meta` they are all taken to be as their release says."""
    ordered = sorted(factors, key=lambda f: f.source_id)
    same = _of_release(meta)
    columns = COLUMNS + tuple(
        column
        for column in OPTIONAL
        if any(getattr(f, column) != same.get(column, getattr(f, column)) for f in ordered)
    )
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for factor in ordered:
        writer.writerow([_cell(factor, column) for column in columns])
    return out.getvalue()


def _of_release(meta: SourceMeta | None) -> dict[str, object]:
    years: dict[str, object] = {"valid_from_year": None, "valid_to_year": None}
    if meta is None:
        return years
    return years | {"source": meta.citation, "licence": meta.licence, "source_year": meta.year}


def load_factors(text: str, meta: SourceMeta) -> tuple[EmissionFactor, ...]:
    """Read the CSV text of a release back."""
    return tuple(_factor(row, meta) for row in csv.DictReader(io.StringIO(text)))


def dump_sources(metas: Iterable[SourceMeta]) -> str:
    """Write the metadata of releases as TOML text, sorted by release."""
    parts = ["# Written by tonnage factors import --out; one table a release.\n"]
    for meta in sorted(metas, key=lambda m: m.release):
        parts.append(f"\n[{json.dumps(meta.release)}]\n")
        for key, value in asdict(meta).items():
            if key != "release" and not (key == "supersedes" and not value):
                parts.append(f"{key} = {json.dumps(value, ensure_ascii=False)}\n")
    return "".join(parts)


def load_sources(text: str) -> dict[str, SourceMeta]:
    """Read sources.toml: release → metadata."""
    names = {f.name for f in fields(SourceMeta)}
    return {
        release: SourceMeta(release=release, **{k: v for k, v in table.items() if k in names})
        for release, table in tomllib.loads(text).items()
    }


def _cell(factor: EmissionFactor, column: str) -> str:
    value = getattr(factor, column)
    if column == "gases":
        return ";".join(_gas_text(part) for part in value)
    if column in ("levels", "search_texts"):
        return json.dumps(value, ensure_ascii=False) if value else ""
    if column == "biogenic":
        return "yes" if value else ""
    if isinstance(value, float):
        return repr(value)
    return "" if value is None else str(value)


def _gas_text(part: GasPart) -> str:
    mass = "" if part.kg_gas is None else f"@{part.kg_gas!r}"
    return f"{part.gas}:{part.kg_co2e!r}{mass}"


def _gas(text: str) -> GasPart:
    gas, _, figures = text.partition(":")
    co2e, _, mass = figures.partition("@")
    return GasPart(gas, float(co2e), float(mass) if mass else None)


def _factor(row: dict[str, str], meta: SourceMeta) -> EmissionFactor:
    def integer(column: str) -> int | None:
        return int(row[column]) if row.get(column) else None

    return EmissionFactor(
        id=factor_id(meta.release, row["source_id"]),
        release=meta.release,
        source_id=row["source_id"],
        name=row["name"],
        category=row["category"],
        unit=row["unit"],
        dimension=Dimension(row["dimension"]),
        value_per_unit=float(row["value_per_unit"]),
        region=row["region"] or None,
        scope=integer("scope"),
        scope3_category=integer("scope3_category"),
        activity_kind=row["activity_kind"],
        data_year=int(row["data_year"]),
        source_year=integer("source_year") or meta.year,
        source=row.get("source") or meta.citation,
        licence=row.get("licence") or meta.licence,
        basis=Basis(row["basis"]) if row["basis"] else None,
        currency=row["currency"] or None,
        price_year=integer("price_year"),
        gwp_set=row["gwp_set"] or None,
        gases=tuple(_gas(text) for text in row["gases"].split(";") if text),
        biogenic=row["biogenic"] == "yes",
        levels=tuple(json.loads(row["levels"])) if row["levels"] else (),
        search_texts=tuple(json.loads(row["search_texts"])) if row["search_texts"] else (),
        source_row=row["source_row"],
        note=row["note"],
        valid_from_year=integer("valid_from_year"),
        valid_to_year=integer("valid_to_year"),
    )
