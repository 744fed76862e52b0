"""UK government conversion factors (DESNZ), the flat file: the workbook, or the same rows as CSV.

Sheet "Factors by Category" (other sheets are somebody's own), header in row 6: ID, Scope, Level
1-4, Column Text, UOM, GHG/Unit, value; the data end with an END row. A `kg CO2e` row is a factor
and the `kg CO2e of <gas> per unit` rows beside it are its gas parts; a blank value means "not
available", which is not zero.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO

from core.factors.importers.desnz_kinds import describe, region_of
from core.factors.importers.result import (
    Fault,
    FaultyFile,
    ImportResult,
    Skipped,
    SourceMeta,
    decimal_number,
    factor_id,
    number,
    refuse,
    sha256_hex,
    tidy,
)
from core.records import Basis, EmissionFactor, GasPart
from core.units import unit

SHEET = "Factors by Category"
_COLUMNS = ("ID", "Scope", "Level 1", "Level 2", "Level 3", "Level 4", "Column Text", "UOM")
_FRONT = "Front page"
_RESAVED = (
    "The workbook has sheets that the publisher's has not: somebody saved it again. They are not "
    "read."
)
_VALUE = "GHG Conversion Factor"
_TOTAL = "kg CO2e"
_GAS = re.compile(r"kg CO2e of (\w+) per unit")
_OUTSIDE = "Outside of Scopes"
_NOTE = "Gas parts are in kg CO2e, as published. Blank values are left out, never zero."
_BLANK = "blank value: not available, which is not zero"
_UNITS: dict[str, tuple[str, Basis | None]] = {
    "tonnes": ("t", None),
    "litres": ("l", None),
    "kg": ("kg", None),
    "km": ("km", None),
    "miles": ("mi", None),
    "kWh": ("kWh", None),
    "kWh (Gross CV)": ("kWh", Basis.GROSS),
    "kWh (Net CV)": ("kWh", Basis.NET),
    "GJ": ("GJ", None),
    "cubic metres": ("m3", None),
    "million litres": ("Ml", None),
    "passenger.km": ("passenger_km", None),
    "tonne.km": ("tonne_km", None),
    "Room per night": ("room_night", None),
    "per FTE Working Hour": ("fte_hour", None),
}


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    id: str
    scope: str
    levels: tuple[str, ...]  # levels 1 to 4 and the column text, blanks kept
    uom: str
    gas: str
    value: float | None

    @property
    def key(self) -> str:
        """The id without its last part, which tells total and gases apart."""
        return self.id.rsplit("_", 1)[0]


def read(content: bytes, *, file_name: str, retrieved_on: str) -> ImportResult:
    """Import a flat file from its bytes.

    Raises core.errors.FileRejected when the workbook is not such a file.
    """
    rows, year, version, notices = _read_rows(content)
    meta = SourceMeta(
        release=f"desnz-{year}",
        publisher="UK Department for Energy Security and Net Zero (DESNZ)",
        title=f"UK Government GHG Conversion Factors for Company Reporting {year}, flat file",
        version=f"version {version}" if version else "version not stated",
        year=year,
        data_year=year,
        licence="Open Government Licence v3.0",
        url="https://www.gov.uk/government/collections/government-conversion-factors-for-company-reporting",
        retrieved_on=retrieved_on,
        file_name=file_name,
        file_sha256=sha256_hex(content),
        gwp_set="AR5",
        note=" ".join((_NOTE, *notices)),
    )
    factors, skipped = build(rows, meta)
    return ImportResult(meta, factors, skipped, notices)


def build(
    rows: Sequence[_Row], meta: SourceMeta
) -> tuple[tuple[EmissionFactor, ...], tuple[Skipped, ...]]:
    """Turn rows into factors; every row is a factor, a gas part, or skipped with its reason."""
    gases: dict[str, list[GasPart]] = {}
    for row in rows:
        match = _GAS.fullmatch(row.gas)
        if match and row.value is not None and row.scope != _OUTSIDE:
            gases.setdefault(row.key, []).append(GasPart(match.group(1), row.value))
    factors: list[EmissionFactor] = []
    skipped: list[Skipped] = []
    for row in rows:
        biogenic = row.scope == _OUTSIDE and bool(_GAS.fullmatch(row.gas))
        if row.gas.startswith("kWh"):
            skipped.append(Skipped(f"row {row.number}", "energy content, not an emission factor"))
        elif row.gas != _TOTAL and not biogenic:
            if row.value is None:
                skipped.append(Skipped(f"row {row.number}", "gas part without a value"))
        elif row.value is None:
            skipped.append(Skipped(f"row {row.number}", _BLANK))
        elif row.uom not in _UNITS:
            skipped.append(Skipped(f"row {row.number}", f"unknown unit {row.uom}"))
        else:
            factors.append(_factor(row, gases.get(row.key, []), meta))
    return tuple(factors), tuple(skipped)


def _factor(row: _Row, gases: list[GasPart], meta: SourceMeta) -> EmissionFactor:
    code, basis = _UNITS[row.uom]
    assert row.value is not None  # the caller skipped blanks
    facts = describe(row.levels, outside=row.scope == _OUTSIDE)
    scope = None if row.scope == _OUTSIDE else int(row.scope.removeprefix("Scope "))
    return EmissionFactor(
        id=factor_id(meta.release, row.id),
        release=meta.release,
        source_id=row.id,
        name=facts.name,
        category=row.levels[0],
        unit=code,
        dimension=unit(code).dimension,
        value_per_unit=row.value,
        region=region_of(row.levels),
        scope=scope,
        scope3_category=facts.scope3_category if scope == 3 else None,
        activity_kind=facts.kind,
        data_year=meta.data_year,
        source_year=meta.year,
        source=meta.citation,
        licence=meta.licence,
        basis=basis,
        gwp_set=meta.gwp_set,
        gases=tuple(gases),
        biogenic=scope is None,
        levels=tuple(level for level in row.levels if level),
        source_row=f"{SHEET}!{row.number}",
        note=facts.note,
    )


def _read_rows(content: bytes) -> tuple[list[_Row], int, str, tuple[str, ...]]:
    """Return rows, year, version ("" where not stated) and notices."""
    workbook = content[:2] == b"PK"  # every XLSX is a zip archive
    notices: list[str] = []
    table, version = _workbook(content, notices) if workbook else (_csv_table(content), "")
    header = next((i for i, r in enumerate(table[:20]) if r and tidy(r[0]) == "ID"), None)
    if header is None or tuple(tidy(c) for c in table[header][:8]) != _COLUMNS:
        raise refuse("DESNZ flat", "the header row ID, Scope, Level 1 … is missing")
    value_heading = tidy(table[header][9]) if len(table[header]) > 9 else ""
    year = re.search(r"Factor (20\d\d)$", value_heading)
    if not year:
        raise refuse("DESNZ flat", "the value column does not name its year")
    values = [row[9] for row in table[header + 1 :] if len(row) > 9]
    comma = not workbook and any("," in str(value) for value in values)
    rows, ended = _rows(table, header + 1, workbook, comma)
    if workbook and not ended:
        raise refuse("DESNZ flat", "the END row is missing: the file is cut")
    if not rows:
        raise refuse("DESNZ flat", "it has no rows below its header")
    doubled = [key for key, count in Counter(row.id for row in rows).items() if count > 1]
    if doubled:
        raise refuse("DESNZ flat", f"{len(doubled)} ids occur twice")
    if not ended:
        notices.append("There is no END row; make sure that the file is complete.")
    return rows, int(year.group(1)), version, tuple(notices)


def _workbook(content: bytes, notices: list[str]) -> tuple[list[tuple[object, ...]], str]:
    # openpyxl is a workbook reader and not I/O of ours: it is given bytes.
    import warnings

    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers, footers and extensions that we do not read
        try:
            book = openpyxl.load_workbook(BytesIO(content), read_only=True, data_only=True)
        except Exception as error:  # openpyxl raises many kinds for a broken file
            raise refuse("DESNZ flat", "it is not an XLSX workbook") from error
        if SHEET not in book.sheetnames:
            raise refuse("DESNZ flat", f'there is no sheet "{SHEET}"')
        if not {*book.sheetnames} <= {SHEET, _FRONT}:
            notices.append(_RESAVED)
        table: list[tuple[object, ...]] = list(book[SHEET].iter_rows(values_only=True))
        front = _front_page(book[_FRONT]) if _FRONT in book.sheetnames else ""
    return table, front


def _csv_table(content: bytes) -> list[tuple[object, ...]]:
    """Read the CSV form, `;` or `,` between the columns; a line is a row of the table."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")  # what spreadsheet programs save
    header = next((line for line in text.splitlines() if line.lstrip('"').startswith("ID")), "")
    delimiter = ";" if header.count(";") > header.count(",") else ","
    try:
        return [tuple(row) for row in csv.reader(StringIO(text), delimiter=delimiter)]
    except csv.Error as error:
        raise refuse("DESNZ flat", "it is neither an XLSX workbook nor a CSV") from error


def _rows(
    table: Sequence[Sequence[object]], start: int, workbook: bool, comma: bool
) -> tuple[list[_Row], bool]:
    """Return the rows up to END, and whether there was an END."""
    rows: list[_Row] = []
    faults: list[Fault] = []
    ended = False
    for index in range(start, len(table)):
        cells = (*table[index], *(None,) * (10 - len(table[index])))
        if ended := "END" in (tidy(cells[0]), tidy(cells[1])):
            break
        if not tidy(cells[0]):
            continue
        levels = tuple(tidy(cell) for cell in cells[2:7])
        value = number(cells[9]) if workbook else decimal_number(tidy(cells[9]), comma=comma)
        if value is None and tidy(cells[9]):
            faults.append(Fault(index + 1, _VALUE, "is not a number; leave it blank or correct it"))
        if not re.fullmatch(r"Scope [123]|Outside of Scopes", tidy(cells[1])):
            faults.append(Fault(index + 1, "Scope", "is none of Scope 1, 2, 3, Outside of Scopes"))
        rows.append(
            _Row(
                index + 1, tidy(cells[0]), tidy(cells[1]), levels, tidy(cells[7]), tidy(cells[8]),
                value,
            )
        )  # fmt: skip
    if faults:
        raise FaultyFile(faults)
    return rows, ended


def _front_page(sheet: object) -> str:
    """Return the version that the front page states, or ""."""
    for row in sheet.iter_rows(values_only=True, max_row=30):  # type: ignore[attr-defined]
        cells = [tidy(cell) for cell in row]
        for label, value in itertools.pairwise(cells):
            if label.rstrip(": ") == "Version" and value:
                return value
    return ""
