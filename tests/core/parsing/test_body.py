"""Titles, repeated headings, subtotals and blank lines say nothing of what a column holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest

from core.parsing.parse import parse_file
from core.parsing.report import ParseOptions, ParseReport
from core.records import ActivityRow, Field
from core.validation import ValidationContext, rows_of, validate_part

HEADINGS = ["Date", "Fuel", "Country", "Litres", "Unit", "Cost"]
PLAIN = [HEADINGS, *([f"2024-01-0{n}", "Diesel", "GB", n, "litres", 9] for n in range(1, 5))]
UNDATED = "No column of dates or years was read"


def read(
    folder: Path, rows: Sequence[Sequence[object]], **given: object
) -> tuple[ParseReport, list[ActivityRow]]:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    path = folder / "fuel.xlsx"
    book.save(path)
    options = ParseOptions.from_upload(filename=path.name, region="GB", **given)  # type: ignore[arg-type]
    report = parse_file(path, folder, options)
    context = ValidationContext.of(report, options)
    typed = [
        row
        for part in report.parts
        for row in rows_of(validate_part(pq.read_table(folder / part.name), context)[0])
    ]
    return report, typed


def log(blocks: int, rows: int, headings: Sequence[str] = HEADINGS) -> list[list[object]]:
    """Return a fuel log: for each vehicle a title, headings, rows, a subtotal and a blank line."""
    lines: list[list[object]] = []
    for block in range(1, blocks + 1):
        lines += [[f"Vehicle: VX7{block} ABC"], list(headings)]
        for day in range(1, rows + 1):
            row = {"Date": f"0{day}.03.2024", "Fuel": "Diesel", "Country": "GB", "Litres": day * 10,
                   "Unit": "litres", "Cost": day * 15}  # fmt: skip
            lines.append([row[name] for name in headings])
        lines += [["Subtotal", *[""] * (len(headings) - 2), 99], []]
    return [*lines, ["Grand total", *[""] * (len(headings) - 2), 999]]


def confidences(report: ParseReport) -> Mapping[Field, float]:
    return {c.field: c.confidence for c in report.tables[0].columns if c.field}


@pytest.mark.parametrize(("blocks", "rows"), [(1, 2), (3, 1), (3, 2), (3, 3), (8, 2)])
def test_a_log_in_blocks_is_as_sure_as_a_plain_table(
    tmp_path: Path, blocks: int, rows: int
) -> None:
    (tmp_path / "plain").mkdir()
    plain, _ = read(tmp_path / "plain", PLAIN)
    report, typed = read(tmp_path, log(blocks, rows))
    assert len(report.tables) == 1
    for field, sure in confidences(plain).items():
        assert confidences(report)[field] == pytest.approx(sure, abs=0.01), field
    assert len(typed) == blocks * rows
    assert all(row.activity_on and row.activity_on.month == 3 for row in typed)


def test_a_subtotal_that_names_its_block_counts_for_no_column(tmp_path: Path) -> None:
    rows: list[list[object]] = [HEADINGS]
    for name in ("ABC", "DEF", "GHI"):
        rows.append(["2024-02-01", "Diesel", "GB", 10, "litres", 15])
        rows.append([f"Subtotal {name}", "", "", 10, "", 15])
    report, typed = read(tmp_path, rows)
    assert confidences(report)[Field.DATE] == 0.97
    assert [str(row.activity_on) for row in typed] == ["2024-02-01"] * 3


def test_the_title_of_a_block_describes_its_rows_where_a_column_names_them(tmp_path: Path) -> None:
    report, typed = read(tmp_path, log(3, 2))
    assert [(row.activity_name, row.activity_description) for row in typed] == [
        ("Diesel", f"Vehicle: VX7{block} ABC") for block in (1, 1, 2, 2, 3, 3)
    ]
    assert any("titles above its blocks" in note for note in report.notes)


def test_a_description_of_its_own_stays(tmp_path: Path) -> None:
    rows = log(2, 1)
    for row in rows:
        if row and row[0] == "Date":
            row.append("Comment")
        elif row and str(row[0])[0].isdigit():
            row.append("to the depot")
    _, typed = read(tmp_path, rows)
    assert [row.activity_description for row in typed] == ["to the depot"] * 2


def test_headings_that_a_page_repeats_have_no_title(tmp_path: Path) -> None:
    rows = [*PLAIN, ["Page 2"], *PLAIN, ["Page 3"], *PLAIN]
    _, typed = read(tmp_path, rows)
    assert {row.activity_description for row in typed} == {None}
    assert len(typed) == 12


def test_a_title_still_names_the_rows_where_no_column_does(tmp_path: Path) -> None:
    _, typed = read(tmp_path, log(2, 2, ["Date", "Litres", "Unit", "Cost"]))
    assert [row.activity_name for row in typed] == ["Vehicle: VX71 ABC"] * 2 + [
        "Vehicle: VX72 ABC"
    ] * 2
    assert all(row.activity_on for row in typed)


def test_a_table_below_does_not_count_for_the_one_above(tmp_path: Path) -> None:
    other = [["Fuel", "Date", "Quantity", "Unit"]]
    other += [["Petrol", f"2024-05-0{n}", n, "litres"] for n in range(1, 9)]
    report, typed = read(tmp_path, [*PLAIN, [], *other])
    assert [c.confidence for t in report.tables for c in t.columns if c.field is Field.DATE] == [
        0.97
    ] * 2
    assert all(row.activity_on for row in typed)


def test_a_date_column_without_dates_is_left_with_its_reason(tmp_path: Path) -> None:
    rows = [HEADINGS, *([day, "Diesel", "GB", 5, "litres", 9] for day in ("tbc",) * 9)]
    rows.append(["2024-03-01", "Diesel", "GB", 5, "litres", 9])
    report, _ = read(tmp_path, rows)
    (column,) = (c for c in report.tables[0].columns if c.heading == "Date")
    assert column.field is None
    assert column.why == 'heading "Date", but only 1 of 10 cells are dates'
    assert f"Column A was not read: {column.why}." in "".join(report.notes)
    assert any(UNDATED in note for note in report.notes)


def test_a_sure_heading_is_read_where_a_few_cells_are_dates(tmp_path: Path) -> None:
    days = ["2024-03-01", "tbc", "2024-03-02", "tbc", "open", "n.n."]
    rows = [HEADINGS, *([day, "Diesel", "GB", 5, "litres", 9] for day in days)]
    report, typed = read(tmp_path, rows)
    assert confidences(report)[Field.DATE] == 0.339
    assert sum(row.activity_on is not None for row in typed) == 2


@pytest.mark.parametrize(
    ("headings", "given", "warned"),
    [
        (["Fuel", "Litres", "Unit"], {}, True),
        (["Fuel", "Litres", "Unit"], {"reporting_year": 2024}, False),
        (["Date", "Fuel", "Litres", "Unit"], {}, False),
    ],
)
def test_figures_without_any_date_are_told(
    tmp_path: Path, headings: list[str], given: dict[str, int], warned: bool
) -> None:
    report, typed = read(tmp_path, log(1, 3, headings), **given)
    assert len(typed) == 3
    assert any(UNDATED in note for note in report.notes) is warned
