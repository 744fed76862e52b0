"""Ledgers as public bodies published them. Their text is not in the project."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core.errors import FileRejected
from core.parsing.parse import parse_file
from core.parsing.report import ParseOptions
from core.records import Dimension, Severity
from core.validation import ValidationContext, rows_of, validate_part

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
LEDGERS = SHARED / "activity"


def ledger(name: str) -> Path:
    path = LEDGERS / name
    if not path.exists():
        pytest.skip("the published ledgers are not on this machine")
    return path


# Counted with `csv` alone: rows, negative amounts, sum of all amounts.
@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("harrogate_clean_2022-08.csv", {
            "Expenditure Code": "activity_name", "Expenditure Category": "activity_type",
            "Service Code": "activity_description", "Payment Date": "date",
            "Net Amount": "amount"}),
        ("wakefield_clean_2021-Q4.csv", {
            "Purpose Of Spend": "activity_name", "Merchant Category": "activity_type",
            "Bvacopse(T)": "activity_description", "Payment Date": "date",
            "Net Amount": "amount"}),
        ("tfl_clean_2023-P05.csv", {
            "Expenditure Account": "activity_name", "Merchant Category": "activity_type",
            "Clearing Date": "date", "Amount": "amount"}),
    ],
)  # fmt: skip
def test_a_ledger_is_recognized_and_every_row_is_typed(
    tmp_path: Path, name: str, columns: dict[str, str]
) -> None:
    path = ledger(name)
    amounts = amounts_of(path, next(h for h, f in columns.items() if f == "amount"))
    options = ParseOptions(filename=name, region="GB")
    report = parse_file(path, tmp_path, options)
    (table,) = report.tables
    assert {c.heading: str(c.field) for c in table.columns if c.field} == columns
    assert report.rows_total == len(amounts)

    rows = []
    for part in report.parts:
        typed, issues = validate_part(
            pq.read_table(tmp_path / part.name), ValidationContext.of(report, options)
        )
        assert not [issue for issue in issues if issue.severity is Severity.REJECTED]
        rows += list(rows_of(typed))
    assert [row.volume for row in rows] == amounts
    assert {(row.dimension, row.currency, row.region) for row in rows} == {
        (Dimension.MONEY, "GBP", "GB")
    }
    flags = Counter(flag for row in rows for flag in row.flags)
    assert flags["currency_defaulted"] == len(amounts)
    assert flags["credit_note"] == sum(1 for amount in amounts if amount < 0)
    # Far fewer activities than rows: no supplier, no document number is part of one.
    assert len({row.activity_key for row in rows}) < len(rows) / 5


def amounts_of(path: Path, heading: str) -> list[float]:
    import csv

    with path.open(encoding="utf-8", newline="") as source:
        return [float(row[heading].replace(",", "")) for row in csv.DictReader(source)]


def test_without_a_region_a_ledger_that_names_no_currency_says_so(tmp_path: Path) -> None:
    path = ledger("harrogate_clean_2022-08.csv")
    report = parse_file(path, tmp_path, ParseOptions(filename=path.name))
    typed, issues = validate_part(
        pq.read_table(tmp_path / "part-00000.parquet"), ValidationContext(report)
    )
    assert typed.num_rows == 0
    assert Counter(issue.code for issue in issues) == {"currency_missing": 1873}


def test_purchase_lines_without_any_quantity_are_refused(tmp_path: Path) -> None:
    path = ledger("austin_purchase_lines.csv")
    with pytest.raises(FileRejected) as caught:
        parse_file(path, tmp_path, ParseOptions(filename=path.name))
    assert caught.value.code == "no_quantity_column"


def test_the_development_activities_are_read_as_their_arithmetic_says(tmp_path: Path) -> None:
    path = SHARED / "eval" / "activity_dev.csv"
    if not path.exists():
        pytest.skip("the labelled activities are not on this machine")
    import csv

    options = ParseOptions(filename=path.name)
    report = parse_file(path, tmp_path, options)
    typed, _ = validate_part(
        pq.read_table(tmp_path / "part-00000.parquet"), ValidationContext.of(report, options)
    )
    rows = {row.row_number: row for row in rows_of(typed)}
    with path.open(encoding="utf-8", newline="") as source:
        for line, label in enumerate(csv.DictReader(source), start=2):
            first = label["arithmetic"].split(" ")[0].lstrip("(")
            if first and line in rows:
                assert rows[line].volume == pytest.approx(float(first)), label["id"]
