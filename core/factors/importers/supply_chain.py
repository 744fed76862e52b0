"""US EPA supply-chain factors v1.3: kg CO2e per US dollar for 1,016 NAICS-2017 commodities.

Two files: the CO2e table (CSV) and, optionally, the Census Bureau's NAICS-2017 index (XLSX), whose
entries become search texts. The factors with margins are used: they hold for purchaser prices,
which is what a ledger has.
"""

from __future__ import annotations

import csv
import re
from io import BytesIO, StringIO

from core.factors.importers.result import (
    ImportResult,
    Skipped,
    SourceMeta,
    factor_id,
    number,
    refuse,
    sha256_hex,
    tidy,
)
from core.records import Dimension, EmissionFactor

_CODE, _TITLE, _UNIT = "2017 NAICS Code", "2017 NAICS Title", "Unit"
_WITHOUT = "Supply Chain Emission Factors without Margins"
_MARGINS = "Margins of Supply Chain Emission Factors"
_WITH = "Supply Chain Emission Factors with Margins"
_REFERENCE = "Reference USEEIO Code"
_YEAR = re.compile(r"kg CO2e/(20\d\d) USD, purchaser price")

# The 2-digit NAICS sectors: what a category means to a person.
_SECTORS = {
    "11": "Agriculture, forestry, fishing", "21": "Mining, oil and gas", "22": "Utilities",
    "23": "Construction", "31": "Manufacturing", "32": "Manufacturing", "33": "Manufacturing",
    "42": "Wholesale trade", "44": "Retail trade", "45": "Retail trade",
    "48": "Transportation", "49": "Courier, postal, warehousing", "51": "Information",
    "52": "Finance and insurance", "53": "Real estate and rental",
    "54": "Professional and technical services", "55": "Management of companies",
    "56": "Administrative and waste services", "61": "Education", "62": "Health care",
    "71": "Arts and recreation", "72": "Accommodation and food", "81": "Other services",
    "92": "Public administration",
}  # fmt: skip


def read(
    content: bytes, index_content: bytes | None, *, file_name: str, retrieved_on: str
) -> ImportResult:
    """Import the CO2e table, with the NAICS index entries as search texts where given.

    Raises core.errors.FileRejected when either file is not what it should be.
    """
    try:
        reader = csv.DictReader(StringIO(content.decode("utf-8-sig")))
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise refuse("EPA supply-chain", "it is not a UTF-8 CSV") from error
    needed = {_CODE, _TITLE, _UNIT, _WITHOUT, _MARGINS, _WITH}
    if not rows or not needed <= set(reader.fieldnames or ()):
        raise refuse("EPA supply-chain", "columns are missing")
    years = {match.group(1) for row in rows if (match := _YEAR.fullmatch(tidy(row[_UNIT])))}
    if len(years) != 1:
        raise refuse("EPA supply-chain", "the unit is not kg CO2e per USD of one year")
    meta = _meta(content, int(years.pop()), file_name, retrieved_on)
    entries = read_index(index_content) if index_content else {}
    factors: list[EmissionFactor] = []
    skipped: list[Skipped] = []
    for line, row in enumerate(rows, start=2):
        value = number(row[_WITH])
        if value is None or not _YEAR.fullmatch(tidy(row[_UNIT])):
            skipped.append(Skipped(f"line {line}", "no value with margins"))
            continue
        factors.append(_factor(row, value, line, meta, entries.get(tidy(row[_CODE]), ())))
    return ImportResult(meta, tuple(factors), tuple(skipped))


def read_index(content: bytes) -> dict[str, tuple[str, ...]]:
    """Read the NAICS-2017 index workbook: code → its index entries, in the file's order."""
    import openpyxl

    try:
        sheet = openpyxl.load_workbook(BytesIO(content), read_only=True, data_only=True).active
    except Exception as error:  # openpyxl raises many kinds for a broken file
        raise refuse("NAICS index", "it is not an XLSX workbook") from error
    rows = list(sheet.iter_rows(values_only=True)) if sheet is not None else []
    if not rows or tidy(rows[0][0]) != "NAICS17":
        raise refuse("NAICS index", 'the first column is not "NAICS17"')
    entries: dict[str, list[str]] = {}
    for row in rows[1:]:
        code, text = tidy(row[0]), tidy(row[1])
        if code and text:
            entries.setdefault(code, []).append(text)
    return {code: tuple(texts) for code, texts in entries.items()}


def _factor(
    row: dict[str, str], value: float, line: int, meta: SourceMeta, entries: tuple[str, ...]
) -> EmissionFactor:
    code, title = tidy(row[_CODE]), tidy(row[_TITLE])
    return EmissionFactor(
        id=factor_id(meta.release, code),
        release=meta.release,
        source_id=code,
        name=title,
        category=_SECTORS.get(code[:2], "Purchased goods and services"),
        unit="USD",
        dimension=Dimension.MONEY,
        value_per_unit=value,
        region="US",
        scope=3,
        scope3_category=1,
        activity_kind="spend",
        data_year=meta.data_year,
        source_year=meta.year,
        source=meta.citation,
        licence=meta.licence,
        currency="USD",
        price_year=meta.data_year,
        gwp_set=None,
        levels=(_SECTORS.get(code[:2], "Other"), code),
        search_texts=entries,
        source_row=f"line {line}",
        note=(
            f"With margins: {row[_WITHOUT]} cradle to factory gate + {row[_MARGINS]} to the "
            f"shelf. USEEIO sector {tidy(row.get(_REFERENCE))}."
        ),
    )


def _meta(content: bytes, price_year: int, file_name: str, retrieved_on: str) -> SourceMeta:
    return SourceMeta(
        release="epa-supply-chain-1.3",
        publisher="US Environmental Protection Agency (EPA)",
        title="Supply Chain Greenhouse Gas Emission Factors by NAICS-6, with margins",
        version="v1.3.0",
        year=2024,
        data_year=price_year,
        licence="Public domain (US Government work)",
        url="https://catalog.data.gov/dataset/supply-chain-greenhouse-gas-emission-factors-v1-3-by-naics-6",
        retrieved_on=retrieved_on,
        file_name=file_name,
        file_sha256=sha256_hex(content),
        gwp_set="not stated",
        note=(
            "The table gives CO2e only and names no GWP set, so its figures are never re-based. "
            "Search texts are the US Census Bureau's NAICS-2017 index entries (public domain)."
        ),
    )
