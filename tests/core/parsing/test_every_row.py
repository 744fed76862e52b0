"""Whatever a table looks like: each row below its headings has one outcome, and none is lost."""

from __future__ import annotations

import csv
import io
import tempfile
from collections import Counter
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from core.annotated import Issue as Rejection
from core.annotated import Outside, RawRow, Record, RowOutcome, annotate, read_rows
from core.errors import FileRejected
from core.parsing.parse import parse_file
from core.parsing.report import ParseOptions, ParseReport
from core.records import Severity
from core.validation import ValidationContext, rows_of, validate_part

HEADINGS = ["Activity", "Quantity", "Unit", "Date"]
Line = list[str]

names = st.sampled_from(["Diesel", "Electricity", "Taxi", "Strom", "Ünïcode", "=1+1", "Total SA"])
numbers = st.one_of(
    st.sampled_from(["1", "12.5", "1,200", "1.200,5", "-3", "0", "ten", "", "1e3", "(5)", "n/a"]),
    st.integers(0, 10**7).map(str),
    st.floats(0, 1e6).map(repr),
)
units = st.sampled_from(["kWh", "litres", "km", "furlong", "", "GBP", "kg"])
dates = st.sampled_from(["2024-03-01", "01/02/2024", "", "March", "never"])
plain = st.tuples(names, numbers, units, dates).map(list)
total = st.sampled_from([["Total", "99", "", ""], ["", "Total", "", ""], ["Sub-total", "5", "kWh"]])
blank = st.sampled_from([[], [""], ["", "", "", ""], [" "]])
heading = st.just(HEADINGS)
note = st.sampled_from([["Site A"], ["", "see page 2"], ["END"]])
ragged = st.lists(st.sampled_from(["x", "7", "", "kWh", "Diesel"]), max_size=9)
anything = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=6)
lines = st.lists(st.one_of(plain, plain, total, blank, heading, note, ragged, anything),
                 max_size=25)  # fmt: skip
above = st.lists(st.sampled_from([["Our energy 2024"], [], ["Site", "A"], ["kWh"]]), max_size=3)


def as_text(table: list[Line]) -> bytes:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(table)
    return target.getvalue().encode()


def as_workbook(sheets: list[list[Line]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, table in enumerate(sheets):
        sheet = book.create_sheet(f"S{number}")
        for row, line in enumerate(table, 1):
            for column, cell in enumerate(line, 1):
                if cell:
                    sheet.cell(row, column).value = float(cell) if cell.isdecimal() else cell
                    sheet.cell(row, column).data_type = "n" if cell.isdecimal() else "s"
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def outcomes(data: bytes, name: str) -> tuple[ParseReport, list[Record]] | str:
    """Return every line with its outcome as the download tells it; the code of a refusal."""
    with tempfile.TemporaryDirectory() as directory:
        source, out = Path(directory) / "upload", Path(directory) / "out"
        source.write_bytes(data)
        out.mkdir()
        options = ParseOptions(filename=name, region="GB", rows_per_part=4)
        try:
            report = parse_file(source, out, options)
        except FileRejected as refused:
            return refused.code
        outside, found = Outside(report), []
        sheet = None
        for part in report.parts:
            path = out / part.name
            typed, issues = validate_part(
                pq.read_table(path), ValidationContext.of(report, options)
            )
            rejected = [i for i in issues if i.severity is Severity.REJECTED]
            places = Counter((i.sheet, i.row_number, i.column_number) for i in rejected)
            figures = Counter((r.sheet, r.row_number, r.column_number) for r in rows_of(typed))
            assert set(places.values()) | set(figures.values()) <= {1}
            assert not places.keys() & figures.keys()
            assert len(places) + len(figures) == part.rows
            known = {place: Rejection("rejected", "", rejected=True) for place in places}
            rows = [row for batch in read_rows(path.read_bytes(), report, 3) for row in batch]
            assert {row.place for row in rows} == places.keys() | figures.keys()
            for record in annotate(rows, {}, known, {}, None):
                place = record.row.place
                if sheet is not None and sheet != place[0]:
                    found += outside.before(sheet)
                sheet = place[0]
                found += [*outside.before(sheet, place[1]), record]
        return report, found


def accounted(report: ParseReport, records: list[Record]) -> None:
    counts = Counter(record.outcome for record in records)
    assert counts[RowOutcome.IN_REVIEW] + counts[RowOutcome.REJECTED] == report.rows_total
    places = [record.row.place for record in records]
    assert len(set(places)) == len(places)


def shown(row: RawRow) -> Line:
    return [cell.strip() for cell in row.cells if cell.strip()]


def filled(line: Line) -> Line:
    return [cell.strip() for cell in line if cell.strip()]


@settings(max_examples=60)
@given(above, lines)
def test_every_line_of_a_text_is_told_once(top: list[Line], body: list[Line]) -> None:
    table = [*top, HEADINGS, ["Diesel", "5", "litres", "2024-01-01"], *body]
    data = as_text(table)
    found = outcomes(data, "a.csv")
    if isinstance(found, str):  # of texts of any signs
        assert found in ("not_text", "bad_character", "too_many_columns", "no_quantity_column")
        return
    report, records = found
    accounted(report, records)
    # Read anew with `csv` alone: by the line on which each record begins, blank ones aside.
    reader = csv.reader(io.StringIO(data.decode(), newline=""))
    wanted, begins = {}, 1
    for record in reader:
        if filled(record):
            # beyond the headings a table whose dates were completed keeps no cells
            cells = [cell.replace("\0", "\ufffd") for cell in record[: len(HEADINGS)]]
            wanted[begins] = filled(cells)
        begins = reader.line_num + 1
    by_row: dict[int, Line] = {}
    for record in records:
        cells = filled(list(record.row.cells)[: len(HEADINGS)])
        by_row.setdefault(record.row.place[1], cells)
    assert {row: c for row, c in by_row.items() if c} == {r: c for r, c in wanted.items() if c}


@settings(max_examples=25)
@given(st.lists(st.tuples(above, lines), min_size=1, max_size=3))
def test_every_row_of_a_workbook_is_told_once(sheets: list[tuple[list[Line], list[Line]]]) -> None:
    made = [
        [*top, HEADINGS, ["Diesel", "5", "litres", "2024-01-01"],
         *([c for c in line if c.isprintable()] for line in body)]
        for top, body in sheets
    ]  # fmt: skip
    found = outcomes(as_workbook(made), "a.xlsx")
    assert not isinstance(found, str), found
    report, records = found
    accounted(report, records)
    told = {(r.row.place[0], r.row.place[1]) for r in records if shown(r.row)}
    assert told == {
        (f"S{number}", row)
        for number, table in enumerate(made)
        for row, line in enumerate(table, 1)
        if filled(line)
    }
