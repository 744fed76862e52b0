"""Rows as Excel stores them: read back by another library, cell by cell."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest
import xlsxwriter

from runtime.adapters import excel_sheet
from runtime.adapters.excel_sheet import CELL_UNITS, Sheet, text, units


def written(*rows: tuple[Any, ...], writers: Any) -> bytes:
    sink = io.BytesIO()
    book = xlsxwriter.Workbook(sink, {"constant_memory": True})
    sheet = book.add_worksheet("Rows", Sheet)
    sheet.write_string(0, 0, "head")
    assert sheet.write_rows(rows, writers) == len(rows)
    book.close()
    return sink.getvalue()


def cells(data: bytes) -> list[tuple[Any, ...]]:
    book = openpyxl.load_workbook(io.BytesIO(data))
    return list(book["Rows"].iter_rows(min_row=2, values_only=True))


@pytest.mark.parametrize(
    "hostile",
    [
        "<r><t>markup</t></r>", "<r>&</r>", "</t></is></c>", "=1+1", '=HYPERLINK("http://x")',
        "&amp;", " spaces ", "line\nline", "tab\t", "'quoted", "שלום ‮abc‬",
        "🏭" * 40, "-5", "1e3", "TRUE", "#REF!",
    ],
)  # fmt: skip
def test_a_text_comes_back_as_it_was(hostile: str) -> None:
    data = written((hostile,), writers=[excel_sheet.text_cell])
    assert cells(data) == [(hostile,)]
    assert openpyxl.load_workbook(io.BytesIO(data))["Rows"]["A2"].data_type == "s"


def test_what_looks_like_an_escape_of_excels_is_escaped() -> None:
    # ECMA-376, ST_Xstring: Excel reads _x0041_ as A and _x005F_ as _; openpyxl reads neither.
    data = written(("_x0041_ _x41_",), writers=[excel_sheet.text_cell])
    assert cells(data) == [("_x005F_x0041_ _x41_",)]


def test_a_text_above_the_rows_is_no_markup_either() -> None:
    sink = io.BytesIO()
    book = xlsxwriter.Workbook(sink, {"constant_memory": True})
    book.add_worksheet("Rows", Sheet).write_string(1, 0, "<r><t>x</t></r>")
    book.close()
    assert cells(sink.getvalue()) == [("<r><t>x</t></r>",)]


def test_what_xml_does_not_know_is_replaced() -> None:
    data = written(("a\x00b\x0bc\ufffed\uffffe\rf\r\ng",), writers=[excel_sheet.text_cell])
    assert cells(data) == [("a�b�c�d�e\nf\ng",)]


def test_a_text_is_cut_where_excel_would_call_the_file_broken_and_says_so() -> None:
    assert text("a" * CELL_UNITS) == "a" * CELL_UNITS
    for long in ("a" * (CELL_UNITS + 1), "🏭" * (CELL_UNITS // 2 + 1)):
        assert units(text(long)) <= CELL_UNITS
        assert text(long).endswith("…")
        assert long.startswith(text(long)[:-1])
    data = written(("🏭" * 20_000,), writers=[excel_sheet.text_cell])
    assert cells(data) == [("🏭" * 16_383 + "…",)]


def test_numbers_keep_every_digit_and_days_are_days() -> None:
    book = xlsxwriter.Workbook(io.BytesIO(), {"constant_memory": True})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    style = day._get_xf_index()
    writers = [
        excel_sheet.number_cells(0), excel_sheet.integer_cells(0), excel_sheet.date_cells(style),
    ]  # fmt: skip
    rows = [
        (0.1 + 0.2, 7, dt.date(2024, 2, 29)),
        (-1.7976931348623157e308, -3, dt.date(1900, 3, 1)),
        (5e-324, 0, dt.date(1850, 1, 1)),
        (None, None, None),
    ]
    with ZipFile(io.BytesIO(written(*rows, writers=writers))) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    for number in ("0.30000000000000004", "-1.7976931348623157e+308", "5e-324"):
        assert f"<v>{number}</v>" in sheet
    assert "<v>45351</v>" in sheet  # what Excel calls 2024-02-29
    assert "<v>61</v>" in sheet  # and 1900-03-01, after a leap day that never was
    assert "<t>1850-01-01</t>" in sheet  # before Excel's calendar
    assert '<row r="5"></row>' in sheet
