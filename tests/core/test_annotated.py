"""Rows with their outcomes: what is told of each, and how it is written."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl
import pytest

from core.annotated import (
    COLUMNS,
    Figure,
    Issue,
    Note,
    Outside,
    RawRow,
    Record,
    RowOutcome,
    annotate,
    names_of,
    read_rows,
)
from core.annotated_tables import csv_chunks, sheet_chunks, shown
from core.parsing.parse import parse_file
from core.parsing.report import ParseOptions, ParseReport
from core.parsing.rows import letter_of

NONE = Note()


def parsed(tmp_path: Path, data: bytes, name: str) -> tuple[ParseReport, list[RawRow]]:
    source, out = tmp_path / name, tmp_path / "parts"
    source.write_bytes(data)
    out.mkdir()
    report = parse_file(source, out, ParseOptions(filename=name))
    parts = [(out / part.name).read_bytes() for part in report.parts]
    return report, [row for part in parts for rows in read_rows(part, report, 2) for row in rows]


def records(report: ParseReport, rows: list[RawRow]) -> list[Record]:
    """Every row as in review, with the lines outside where they stood."""
    outside, found = Outside(report), []
    for row in rows:
        found += outside.before(row.place[0], row.place[1])
        found.append(Record(row, RowOutcome.IN_REVIEW, NONE))
    return found


def table(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def book(**sheets: list[list[object]]) -> bytes:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    target = io.BytesIO()
    made.save(target)
    return target.getvalue()


def test_a_row_has_one_outcome_and_says_why() -> None:
    rows = [RawRow(("", number, 0), ["x"]) for number in range(1, 6)]
    places = [row.place for row in rows]
    figures = {
        places[0]: Figure(1.5, False, "Diesel", "desnz-2025", "1_2"),
        places[1]: Figure(2.5, True, "Wood", review=Note("low_confidence", "Unsure.")),
    }
    issues = {
        places[0]: Issue("date_invalid", "No date."),
        places[2]: Issue("unit_unknown", "Name a unit.", rejected=True),
        places[3]: Issue("region_unknown", "Unknown.", rejected=False),
    }
    waiting = {places[3]: Note("no_candidate", "Nothing fits.")}
    found = list(annotate(rows, figures, issues, waiting, None))
    assert [(r.outcome.value, r.note.code) for r in found] == [
        ("calculated", "date_invalid"),
        ("calculated", "low_confidence"),
        ("rejected", "unit_unknown"),
        ("in_review", "no_candidate; region_unknown"),
        ("in_review", "review"),
    ]
    assert found[3].note.message == "Nothing fits. Unknown."


def test_rows_of_a_failed_file_are_rejected_or_skipped_with_its_reason() -> None:
    rows = [RawRow(("", 2, 0), ["x"]), RawRow(("", 3, 0), ["y"])]
    issues = {("", 2, 0): Issue("unit_unknown", "Name a unit.", rejected=True)}
    found = list(annotate(rows, {}, issues, {}, Note("cancelled", "On request.")))
    assert [(r.outcome.value, r.note.code) for r in found] == [
        ("rejected", "unit_unknown"), ("skipped", "cancelled"),
    ]  # fmt: skip


def test_a_text_comes_back_line_by_line_with_what_stood_above_it(tmp_path: Path) -> None:
    lines = [
        "Fuels of 2024", "", "Activity,Quantity,Unit", 'Diesel,"1,200",litres', "", "Total,1200,",
        "Petrol,5,litres,more,cells",
    ]  # fmt: skip
    report, rows = parsed(tmp_path, "\n".join(lines).encode(), "a.csv")
    header, *body = table(b"".join(csv_chunks(report, records(report, rows))))
    assert header == [*COLUMNS, "Activity", "Quantity", "Unit"]
    assert [(r[1], r[3], r[11:]) for r in body] == [
        ("1", "skipped", ["Fuels of 2024", "", ""]),
        ("3", "skipped", ["Activity", "Quantity", "Unit"]),
        ("4", "in_review", ["Diesel", "1,200", "litres"]),
        ("5", "in_review", ["", "", ""]),
        ("6", "in_review", ["Total", "1200", ""]),
        ("7", "in_review", ["Petrol", "5", "litres", "more", "cells"]),
    ]


def test_a_row_of_several_figures_is_a_line_each(tmp_path: Path) -> None:
    text = "Activity,Unit,Jan 2024,Feb 2024,Mar 2024\nDiesel,litres,10,,30\n"
    report, rows = parsed(tmp_path, text.encode(), "wide.csv")
    _, *body = table(b"".join(csv_chunks(report, records(report, rows))))
    assert [(r[1], r[2]) for r in body] == [("1", ""), ("2", "3"), ("2", "5")]
    assert body[1][11:] == body[2][11:] == ["Diesel", "litres", "10", "", "30"]


def test_a_workbook_comes_back_sheet_by_sheet_and_its_numbers_are_numbers(tmp_path: Path) -> None:
    data = book(
        Fuels=[["Activity", "Quantity", "Unit", "Code"], ["Diesel", 4.125, "litres", "=1"]],
        Travel=[["Our travel"], ["Activity", "Distance (km)"], ["Taxi", 12]],
    )
    report, rows = parsed(tmp_path, data, "two.xlsx")
    found = openpyxl.load_workbook(
        io.BytesIO(b"".join(sheet_chunks(report, iter(records(report, rows)))))
    )
    fuels, travel = (list(sheet.iter_rows(values_only=True)) for sheet in found)
    assert found.sheetnames == ["Fuels", "Travel"]
    assert fuels[0][11:] == ("Activity", "Quantity", "Unit", "Code")
    assert [row[1] for row in fuels[1:]] == [1, 2]
    assert fuels[2][11:14] == ("Diesel", 4.125, "litres")
    assert [row[11:13] for row in travel] == [
        ("Activity", "Distance (km)"), ("Our travel", None), ("Activity", "Distance (km)"),
        ("Taxi", 12),
    ]  # fmt: skip


def test_a_number_that_no_workbook_can_hold_stays_a_text_of_it(tmp_path: Path) -> None:
    row = b'{"Activity": "Gas", "Quantity": %s, "Unit": "kWh"}'
    data = b"[%s, %s]" % (row % b"12", row % b"1e999")
    report, rows = parsed(tmp_path, data, "a.json")
    found = b"".join(sheet_chunks(report, iter(records(report, rows))))
    *_, last = openpyxl.load_workbook(io.BytesIO(found))["Rows"].iter_rows(values_only=True)
    assert last[11:14] == ("Gas", "1e999", "kWh")


def test_a_workbook_has_room_for_messages_a_filter_and_a_colour_an_outcome(tmp_path: Path) -> None:
    report, rows = parsed(tmp_path, b"Activity,Quantity,Unit\nDiesel,5,litres\n", "a.csv")
    data = b"".join(sheet_chunks(report, iter(records(report, rows))))
    sheet = openpyxl.load_workbook(io.BytesIO(data))["Rows"]
    widths = {sheet.cell(1, n).value: sheet.column_dimensions[letter_of(n - 1)].width
              for n in range(1, len(COLUMNS) + 1)}  # fmt: skip
    assert widths["message"] == 60
    assert widths["factor_name"] == 44
    assert sheet.auto_filter.ref == f"A1:N{sheet.max_row}"
    (colours,) = sheet.conditional_formatting
    assert str(colours.sqref) == f"D2:D{sheet.max_row}"
    assert sheet["D1"].value == "outcome"
    assert {rule.formula[0].strip('"') for rule in colours.rules} == set(RowOutcome)


def test_names_of_columns_are_letters_where_tables_differ(tmp_path: Path) -> None:
    data = book(
        A=[["Activity", "Quantity", "Unit"], ["Diesel", 1, "litres"]],
        B=[["Activity", "Distance (km)"], ["Taxi", 12]],
    )
    report, _ = parsed(tmp_path, data, "two.xlsx")
    assert names_of(report.tables) == ["A", "B", "C"]
    assert names_of(report.tables[1:]) == ["Activity", "Distance (km)"]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("-12.5", "-12.5"), ("+3", "+3"), ("-1,200.50", "-1,200.50"), ("(5)", "(5)"),
        ("-5 %", "-5 %"), ("=1+1", "'=1+1"), ("-1+1", "'-1+1"), ("+cmd", "'+cmd"),
        ("@x", "'@x"), ("\t=1", "'\t=1"), ("-\uff11", "'-\uff11"), ("plain", "plain"), ("", ""),
    ],
)  # fmt: skip
def test_a_cell_of_the_upload_never_becomes_a_formula(cell: str, written: str) -> None:
    assert shown(cell) == written


def test_names_and_sheets_are_made_harmless_too(tmp_path: Path) -> None:
    text = "Activity,Quantity,Unit,=cmd\nDiesel,1,litres,-2\n"
    report, rows = parsed(tmp_path, text.encode(), "a.csv")
    header, heading, row = table(b"".join(csv_chunks(report, records(report, rows))))
    assert header[-1] == heading[-1] == "'=cmd"
    assert row[-1] == "-2"
