"""Evaluation sets for the matcher: labelled activities, purchase lines with candidates."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from core.errors import InvalidInput
from core.numbers import NumberProblem, read_number
from core.records import (
    ActivityQuery,
    ActivityRow,
    Candidate,
    Dimension,
    EmissionFactor,
)
from core.units import UnitProblem, parse_unit, unit

RELEASES = {
    "desnz2025": "desnz-2025",
    "epa_sc": "epa-supply-chain-1.3",
    "epa_hub2025": "epa-hub-2025",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One row of a set: what is asked (None: the unit is unreadable), and what is right."""

    id: str
    query: ActivityQuery | None
    accepted: tuple[tuple[str, str], ...]  # (release, source id); empty: no match is right
    volume: float | None = None
    expected_kg: float | None = None
    family: str = ""

    def accepts(self, candidate: Candidate) -> bool:
        """Tell whether a candidate is one of the accepted factors. The hub's table 1 has a row
        per physical unit, which the labels do not tell apart."""
        return any(
            release in (candidate.release, "")
            and (
                candidate.source_id == code
                or (
                    code.startswith("Table 1/")
                    and re.fullmatch(re.escape(code) + r" \[\w+\]", candidate.source_id) is not None
                )
            )
            for release, code in self.accepted
        )


ACTIVITY_COLUMNS = ("activity_name", "volume", "unit", "accepted")


def read_cases(path: Path) -> list[Case]:
    """Read a set of either kind. Raises InvalidInput naming what is wrong with the file."""
    rows, columns = _rows(path)
    if "text" in columns:
        return line_cases(path)
    missing = [name for name in ACTIVITY_COLUMNS if name not in columns]
    if missing:
        raise InvalidInput(
            f"{path.name} has neither the column text (purchase lines) nor "
            f"{', '.join(missing)} (activities); see tests/data/eval/activity_labels.md"
        )
    return [_activity_case(row, number) for number, row in enumerate(rows, 1)]


def activity_cases(path: Path) -> list[Case]:
    """Read a set with the columns of activity_dev.csv."""
    return [_activity_case(row, number) for number, row in enumerate(_rows(path)[0], 1)]


def _rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Return rows without None, and the columns; a byte order mark is taken off."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restval="")
        rows = [{k: v or "" for k, v in row.items() if k is not None} for row in reader]
        columns = list(reader.fieldnames or ())
    if not rows:
        raise InvalidInput(f"{path.name} has no rows")
    return rows, columns


def line_cases(path: Path) -> list[Case]:
    """Read a set of purchase lines: text, and label_code where there is a right one."""
    rows, _ = _rows(path)
    cases = []
    for number, row in enumerate(rows):
        codes = [row.get("label_code") or "", *re.split(r"[;, ]+", row.get("alt_codes") or "")]
        query = ActivityQuery(
            f"line-{number}", row["text"], None, None, "USD", Dimension.MONEY, None, "US", 2022,
            "USD",
        )  # fmt: skip
        cases.append(Case(query.key, query, tuple(("", code) for code in codes if code)))
    return cases


def candidate_factors(path: Path) -> list[EmissionFactor]:
    """Read candidates: code, name, index_entries, and a figure where there is one."""
    rows, columns = _rows(path)
    if missing := [name for name in ("code", "name") if name not in columns]:
        raise InvalidInput(f"{path.name} lacks the column {' and '.join(missing)}")
    return [
        EmissionFactor(
            id=uuid5(NAMESPACE_URL, row["code"]), release="candidates", source_id=row["code"],
            name=row["name"], category="", unit="USD", dimension=Dimension.MONEY,
            value_per_unit=float(row.get("kgco2e_per_usd2022") or 0.0), region="US", scope=3,
            scope3_category=1, activity_kind="spend", data_year=2022, source_year=2024,
            source=path.name, licence="", currency="USD", price_year=2022,
            search_texts=tuple(filter(None, (row.get("index_entries") or "").split("; "))),
        )
        for row in rows
    ]  # fmt: skip


def row_of(case: Case) -> ActivityRow:
    """Return the activity as a validated row."""
    query = case.query
    assert query is not None
    assert case.volume is not None
    return ActivityRow(
        sheet="", row_number=0, column_number=0, activity_key=query.key,
        activity_name=query.name, activity_type=query.type,
        activity_description=query.description, volume_text="", unit_text="", region_text=None,
        date_text=None, volume=case.volume, unit=query.unit, dimension=query.dimension,
        basis=query.basis, region=query.region, activity_on=None, year=query.year,
        currency=query.currency,
    )  # fmt: skip


def _activity_case(row: dict[str, str], number: int) -> Case:
    row = {"id": f"row-{number}", "activity_type": "", "activity_description": "", "region": "",
           "year": "", "expected_kgco2e": ""} | row  # fmt: skip
    region = row["region"] or None
    measured = parse_unit(row["unit"], region=region)
    words = f"{row['activity_name']} {row['activity_type']}".lower()
    if not isinstance(measured, UnitProblem) and measured.code == "h":
        # core.row_reader reads plain hours of home working as working hours.
        home = ("home", "wfh", "remote", "telework")
        measured = unit("fte_hour") if any(word in words for word in home) else measured
    volume = read_number(row["volume"], region=region)
    query = None
    if not isinstance(measured, UnitProblem):
        query = ActivityQuery(
            row["id"], row["activity_name"], row["activity_type"] or None,
            row["activity_description"] or None, measured.code, measured.dimension,
            measured.basis, region, int(row["year"]) if row["year"].isdigit() else None,
            measured.currency,
        )  # fmt: skip
    return Case(
        row["id"],
        query,
        tuple(_labels(row["accepted"])),
        None if isinstance(volume, NumberProblem) else volume,
        float(row["expected_kgco2e"]) if row["expected_kgco2e"] else None,
        row.get("family", ""),
    )


def _labels(text: str) -> Iterable[tuple[str, str]]:
    for label in filter(None, text.split(";")):
        source, _, code = label.strip().partition(":")
        if source not in RELEASES:
            known = ", ".join(f"{name}:…" for name in RELEASES)
            raise InvalidInput(f"the label {label!r} is of an unknown source; known are {known}")
        yield RELEASES[source], code
