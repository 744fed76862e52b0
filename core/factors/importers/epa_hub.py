"""US EPA Emission Factors Hub: twelve tables stacked on one sheet.

Gases come apart (kg CO2, g CH4, g N2O per unit); they are put together with the hub's own GWPs
(AR5: CH4 28, N2O 265). Electricity is lb/MWh and becomes kg/kWh. Table 9 is already CO2e, with AR4.
Biogenic CO2 of biomass fuels (tables 1 and 2) is a factor of its own, outside of the scopes.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from io import BytesIO

from core.factors.importers.epa_hub_tables import Draft, tables
from core.factors.importers.result import (
    ImportResult,
    Skipped,
    SourceMeta,
    factor_id,
    refuse,
    sha256_hex,
    tidy,
)
from core.records import EmissionFactor
from core.units import unit

Row = tuple[int, tuple[object, ...]]


def read(content: bytes, *, file_name: str, retrieved_on: str) -> ImportResult:
    """Import the hub workbook. Raises core.errors.FileRejected when it is not one."""
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers, footers and extensions that we do not read
        try:
            book = openpyxl.load_workbook(BytesIO(content), read_only=True, data_only=True)
        except Exception as error:  # openpyxl raises many kinds for a broken file
            raise refuse("EPA hub", "it is not an XLSX workbook") from error
        if "Emission Factors Hub" not in book.sheetnames:
            raise refuse("EPA hub", 'there is no sheet "Emission Factors Hub"')
        sheet = book["Emission Factors Hub"]
        rows: list[Row] = [
            (index, (*row, *(None,) * (12 - len(row))))
            for index, row in enumerate(sheet.iter_rows(values_only=True), start=1)
        ]
    meta = _meta(content, rows, file_name, retrieved_on)
    blocks = _blocks(rows)
    missing = [f"Table {n}" for n in range(1, 13) if f"Table {n}" not in blocks]
    if missing:
        raise refuse("EPA hub", f"{', '.join(missing)} missing")
    drafts: list[Draft] = []
    skipped: list[Skipped] = []
    readers: dict[str, Callable[[Sequence[Row]], tuple[list[Draft], list[Skipped]]]] = tables()
    for name, block in blocks.items():
        found, left = readers[name](block)
        drafts.extend(found)
        skipped.extend(left)
    return ImportResult(meta, tuple(_factor(d, meta) for d in drafts), tuple(skipped))


def _blocks(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Cut the sheet at the cells "Table <n>"; a table ends at its "Source:" line."""
    blocks: dict[str, list[Row]] = {}
    current: list[Row] | None = None
    for index, cells in rows:
        name = tidy(cells[1])
        if re.fullmatch(r"Table \d+", name):
            current = blocks.setdefault(name, [])
        elif current is not None and tidy(cells[2]).startswith(("Source", "Notes")):
            current = None
        elif current is not None and any(cell is not None for cell in cells):
            current.append((index, cells))
    return blocks


def _factor(draft: Draft, meta: SourceMeta) -> EmissionFactor:
    dimension = unit(draft.unit).dimension
    return EmissionFactor(
        id=factor_id(meta.release, draft.source_id),
        release=meta.release,
        source_id=draft.source_id,
        name=draft.name,
        category=draft.category,
        unit=draft.unit,
        dimension=dimension,
        value_per_unit=draft.value,
        region=draft.region,
        scope=draft.scope,
        scope3_category=draft.scope3_category,
        activity_kind=draft.kind,
        data_year=meta.data_year if draft.kind != "electricity" else 2023,  # eGRID2023
        source_year=meta.year,
        source=meta.citation,
        licence=meta.licence,
        basis=draft.basis,
        gwp_set=draft.gwp_set,
        gases=draft.gases,
        biogenic=draft.scope is None,
        levels=draft.levels,
        source_row=f"Emission Factors Hub!{draft.row}",
        note=draft.note,
    )


def _meta(content: bytes, rows: Sequence[Row], file_name: str, retrieved_on: str) -> SourceMeta:
    modified = next(
        (tidy(cell) for _, cells in rows[:6] for cell in cells if "Last Modified" in tidy(cell)), ""
    )
    year = re.search(r"20\d\d", modified)
    if not year:
        raise refuse("EPA hub", 'the line "Last Modified" is missing')
    if int(year.group()) == 2024:
        # domain.md §9: tables 8 and 10 of the 2024 edition are known to be wrong.
        raise refuse("EPA hub", "the 2024 edition has wrong tables 8 and 10; use 2025")
    return SourceMeta(
        release=f"epa-hub-{year.group()}",
        publisher="US Environmental Protection Agency (EPA)",
        title="Emission Factors for Greenhouse Gas Inventories (Emission Factors Hub)",
        version=modified.replace("Last Modified: ", "last modified "),
        year=int(year.group()),
        data_year=int(year.group()),
        licence="Public domain (US Government work)",
        url="https://www.epa.gov/climateleadership/ghg-emission-factors-hub",
        retrieved_on=retrieved_on,
        file_name=file_name,
        file_sha256=sha256_hex(content),
        gwp_set="AR5; table 9 AR4",
        note=(
            "Gases are published apart and put together here with the hub's own GWPs, AR5: "
            "CH4 28, N2O 265. Electricity is converted from lb/MWh at 0.45359237 kg/lb."
        ),
    )
