"""Every file that is at hand, through scan, parse (in its child) and validate, row by row.

What stands in the tables below was seen by looking at each file, and counted with `csv` and
openpyxl alone. Their text is not in the project.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import Engine

from activities.objects import read_table
from activities.parse import ParseFile
from activities.scan import ScanFile
from activities.validate import ValidatePart
from core.contracts import FileRef, PartRef
from core.keys import typed_part_key
from core.validation import rows_of
from runtime.parse_child import run_check, run_parse
from tests.factories import Uploader

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
ACTIVITY = DATA / "activity"


@dataclass(frozen=True)
class Seen:
    """What a person sees in a file."""

    rows: int  # below the headings, to the last one that is not empty
    header_row: int = 1
    sheet: str = ""
    columns: dict[str, str] = field(default_factory=dict)  # field → heading
    decimal: str = "."
    left_out: tuple[str, ...] = ()  # sheets without a table of activities
    refused: str = ""


LEDGERS = {
    # 1,873 payments of one month, each with an amount in pounds, no unit, ISO dates
    "harrogate_clean_2022-08.csv": Seen(1_873, columns={
        "activity_name": "Expenditure Code", "activity_type": "Expenditure Category",
        "activity_description": "Service Code", "date": "Payment Date", "amount": "Net Amount"}),
    "wakefield_clean_2021-Q4.csv": Seen(11_517, columns={
        "activity_name": "Purpose Of Spend", "activity_type": "Merchant Category",
        "activity_description": "Bvacopse(T)", "date": "Payment Date", "amount": "Net Amount"}),
    "tfl_clean_2023-P05.csv": Seen(12_834, columns={
        "activity_name": "Expenditure Account", "activity_type": "Merchant Category",
        "date": "Clearing Date", "amount": "Amount"}),
}  # fmt: skip
# Texts only: no quantity, no money, no unit.
WITHOUT_FIGURES = {"austin_purchase_lines.csv": Seen(5_807, refused="no_quantity_column")}

# No uploads, but workbooks as they are: title lines, a header in row 6, an END line, stray sheets.
FACTOR_COLUMNS = {
    "activity_name": "Level 3", "activity_description": "Column Text", "unit": "UOM",
}  # fmt: skip
FACTORS = {
    "factors/uk_desnz/ghg-conversion-factors-2025-flat-format.xlsx": Seen(
        8_742, 6, "Factors by Category", FACTOR_COLUMNS, left_out=("Front page",)
    ),
    "factors/uk_desnz/ghg-conversion-factors-2024-flat-format.xlsx": Seen(
        8_742, 6, "Factors by Category", FACTOR_COLUMNS, left_out=("Front page", "Sheet2")
    ),
}
# Twelve stacked tables of factors, and an index of words: nothing that was used or bought.
WITHOUT_ACTIVITIES = {
    "factors/us_epa/ghg-emission-factors-hub-2025.xlsx": Seen(0, refused="no_quantity_column"),
    "factors/us_epa/naics-2017-index.xlsx": Seen(0, refused="no_quantity_column"),
}


@dataclass(frozen=True)
class Read:
    """What the stages made of a file."""

    recognized: dict[str, Any]
    rows: int
    valid: int
    rejected: dict[tuple[str, int], str]  # sheet and row → code
    figures: dict[tuple[str, int], Any]


@pytest.fixture
def through(
    uploader: Uploader, worker_engine: Engine, tmp_path: Path, run: Callable[..., Any]
) -> Callable[[Path], Read | str]:
    """Send a file through the stages; return what was read, or the code of its refusal."""
    work = tmp_path / "work"
    check = partial(run_check, timeout_s=100, memory_mb=1024)
    scan = ScanFile(worker_engine, uploader.storage, None, check, scanner_required=False,
                    work_dir=work)  # fmt: skip
    runner = partial(run_parse, timeout_s=100, memory_mb=1024)
    parse = ParseFile(worker_engine, uploader.storage, runner, work_dir=work)
    validate = ValidatePart(worker_engine, uploader.storage)

    def go(path: Path) -> Read | str:
        if not path.exists():
            pytest.skip(f"{path.name} is not on this machine")
        ref = uploader.upload(path.read_bytes(), path.name)
        assert run(scan.scan_file, ref).accepted
        parsed = run(parse.parse_file, ref)
        if parsed.problem:
            return str(parsed.problem.code)
        parts = [PartRef(**ref.model_dump(), part=part) for part in range(parsed.parts)]
        results = [run(validate.validate_part, part) for part in parts]
        assert sum(r.rows for r in results) == parsed.rows
        return read_back(uploader, ref, parsed.rows, sum(r.valid for r in results), len(parts))

    return go


def read_back(uploader: Uploader, ref: FileRef, rows: int, valid: int, parts: int) -> Read:
    issues = uploader.rows(
        "SELECT sheet, row_number, code FROM row_issues WHERE file_id = :file_id"
        " AND severity = 'rejected'",
        ref,
    )
    tables = (
        read_table(uploader.storage, typed_part_key(ref.organization_id, ref.file_id, part))
        for part in range(parts)
    )
    figures = [row for table in tables for row in rows_of(table)]
    read = Read(
        uploader.file(ref).recognized, rows, valid,
        {(i.sheet, i.row_number): i.code for i in issues},
        {(row.sheet, row.row_number): row for row in figures},
    )  # fmt: skip
    # each row has one outcome: a figure or one reason why not
    assert len(issues) == len(read.rejected)
    assert len(figures) == len(read.figures) == valid
    assert not read.rejected.keys() & read.figures.keys()
    assert len(read.rejected) + len(read.figures) == rows
    return read


def fields_of(table: dict[str, Any]) -> dict[str, str]:
    return {c["field"]: c["heading"] for c in table["columns"] if c["field"]}


def test_no_file_of_activities_is_left_out() -> None:
    if not ACTIVITY.is_dir():
        pytest.skip("the files of activities are not on this machine")
    assert {path.name for path in ACTIVITY.iterdir()} == LEDGERS.keys() | WITHOUT_FIGURES.keys()


@pytest.mark.parametrize("name", LEDGERS)
def test_a_ledger_is_read_to_its_last_row(through: Callable[[Path], Read], name: str) -> None:
    seen, read = LEDGERS[name], through(ACTIVITY / name)
    (table,) = read.recognized["tables"]
    assert (table["header_row"], read.rows) == (seen.header_row, seen.rows)
    assert fields_of(table) == seen.columns
    assert set(table["decimals"]["amount"].values()) == {"point"}
    with (ACTIVITY / name).open(encoding="utf-8", newline="") as source:
        lines = list(csv.DictReader(source))
    assert len(lines) == seen.rows
    assert read.rejected == {}
    for number, line in enumerate(lines, 2):
        row = read.figures["", number]
        assert row.volume == float(line[seen.columns["amount"]])
        assert str(row.activity_on) == line[seen.columns["date"]]
        assert row.activity_name == line[seen.columns["activity_name"]].strip()


@pytest.mark.parametrize("name", WITHOUT_FIGURES)
def test_a_list_without_figures_is_refused(through: Callable[[Path], str], name: str) -> None:
    assert through(ACTIVITY / name) == WITHOUT_FIGURES[name].refused


@pytest.mark.parametrize("name", FACTORS)
def test_the_table_of_a_workbook_is_found_below_its_title(
    through: Callable[[Path], Read], name: str
) -> None:
    seen, read = FACTORS[name], through(DATA / name)
    table = next(t for t in read.recognized["tables"] if t["sheet"] == seen.sheet)
    assert (table["header_row"], table["rows"]) == (seen.header_row, seen.rows)
    found = fields_of(table)
    assert found.pop("volume").startswith("GHG Conversion Factor")
    assert found == seen.columns
    # "kg CO2e" is a unit of the stray sheet, and no place
    assert all("region" not in fields_of(t) for t in read.recognized["tables"])
    for sheet in seen.left_out:
        assert any(note.startswith(f'Sheet "{sheet}" ') for note in read.recognized["notes"])
    book = openpyxl.load_workbook(DATA / name, read_only=True, data_only=True)
    cells = list(book[seen.sheet].iter_rows(min_row=seen.header_row + 1, values_only=True))
    of_sheet = {row: code for (sheet, row), code in read.rejected.items() if sheet == seen.sheet}
    assert len(cells) == seen.rows
    codes: Counter[str] = Counter()
    for number, line in enumerate(cells, seen.header_row + 1):
        row = read.figures.get((seen.sheet, number))
        if row is not None:
            assert (row.volume, row.activity_name) == (line[9], line[4].strip())
        else:
            codes[of_sheet[number]] += 1
    # 1,711 cells are empty ("not available"), then come an empty line and END
    assert codes["number_missing"] == sum(1 for line in cells if line[0] and line[9] is None)
    assert (codes["row_blank"], codes["row_note"]) == (1, 1)


@pytest.mark.parametrize("name", WITHOUT_ACTIVITIES)
def test_a_workbook_without_activities_is_refused(
    through: Callable[[Path], str], name: str
) -> None:
    assert through(DATA / name) == WITHOUT_ACTIVITIES[name].refused
