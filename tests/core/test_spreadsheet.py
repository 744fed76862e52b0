"""Workbooks written as a stream, read again by libraries that are not ours."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence

import openpyxl
import pytest
import python_calamine
from openpyxl.utils.escape import unescape

from core import spreadsheet
from core.spreadsheet import Cell, Look, workbook_chunks


def read(data: bytes) -> dict[str, list[tuple[object, ...]]]:
    book = openpyxl.load_workbook(io.BytesIO(data))
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}


def test_two_libraries_read_what_was_written() -> None:
    rows: list[list[Cell]] = [["Diesel", 1250.5, None, -3], ["", 7, "ä & <b> \"q\" 'x'\n日本", "x"]]
    data = b"".join(workbook_chunks([("Fuels", ["a", "b", "c", "d"], iter(rows))]))
    assert read(data) == {
        "Fuels": [
            ("a", "b", "c", "d"),
            ("Diesel", 1250.5, None, -3),
            (None, 7, "ä & <b> \"q\" 'x'\n日本", "x"),
        ]
    }
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    assert book.get_sheet_by_index(0).to_python()[1] == ["Diesel", 1250.5, "", -3.0]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"])
def test_a_text_that_looks_like_a_formula_is_a_text(text: str) -> None:
    data = b"".join(workbook_chunks([("s", ["h"], iter([[text]]))]))
    cell = openpyxl.load_workbook(io.BytesIO(data))["s"]["A2"]
    assert (cell.value, cell.data_type) in ((text, "s"), (text, "inlineStr"))
    assert b"<f>" not in zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml")


def test_what_xml_cannot_hold_comes_back_or_is_replaced() -> None:
    texts = ["a\x00b", "a\rb", "_x0041_", "\x1f", "\ud800", "\ufffe"]
    data = b"".join(workbook_chunks([("s", ["h"], iter([[t] for t in texts]))]))
    # openpyxl leaves the signs of ST_Xstring as they stand, where Excel reads them
    found = [unescape(str(row[0])) for row in read(data)["s"]][1:]
    assert found[:4] == ["a\x00b", "a\rb", "_x0041_", "\x1f"]
    assert found[4:] == ["\ufffd", "\ufffe"]
    assert "_x005F_x0041_" in [row[0] for row in read(data)["s"]]


def test_a_cell_is_cut_to_what_a_cell_can_hold() -> None:
    data = b"".join(workbook_chunks([("s", ["h"], iter([["x" * 40_000]]))]))
    assert read(data)["s"][1] == ("x" * 32_767,)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("🌍" * 20_000, "🌍" * 16_383),  # 2 units each, and half a sign is none
        ("x" + "🌍" * 20_000, "x" + "🌍" * 16_383),
        ("é" * 40_000, "é" * 32_767),
        ("🌍" * 16_383 + "x", "🌍" * 16_383 + "x"),
    ],
)
def test_a_cell_is_counted_as_programs_count(text: str, kept: str) -> None:
    data = b"".join(workbook_chunks([("s", ["h"], iter([[text]]))]))
    assert read(data)["s"][1] == (kept,)


def test_no_sheet_has_a_name_that_excel_refuses() -> None:
    wanted = ["History", "x" * 30 + "'s", "🌍" * 40, "🌍" * 41]
    data = b"".join(workbook_chunks([(name, ["h"], iter([["v"]])) for name in wanted]))
    names = ["History (2)", "x" * 30, "🌍" * 15, "🌍" * 13 + " (2)"]
    assert list(read(data)) == names
    assert all(len(name.encode("utf-16-le")) <= 62 for name in names)


def test_sheets_have_names_that_programs_take() -> None:
    wanted = ["a/b", "A_B", "x" * 40, "x" * 41, "", 'R&D <1> "q"']
    data = b"".join(workbook_chunks([(name, ["h"], iter([["v"]])) for name in wanted]))
    assert list(read(data)) == [
        "a_b", "A_B (2)", "x" * 31, "x" * 27 + " (2)", "Sheet", "R&D <1> \"q\"",
    ]  # fmt: skip


def test_rows_beyond_a_sheet_go_on_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "SHEET_ROWS", 3)
    data = b"".join(workbook_chunks([("s", ["h"], iter([[n] for n in range(5)]))]))
    assert {name: [row[0] for row in rows] for name, rows in read(data).items()} == {
        "s": ["h", 0, 1], "s (2)": ["h", 2, 3], "s (3)": ["h", 4],
    }  # fmt: skip


def test_bytes_come_while_rows_are_still_made() -> None:
    made = 0

    def rows() -> Iterator[Sequence[Cell]]:
        nonlocal made
        for made in range(1, 50_001):
            yield [f"a text that differs {made * 7919}", made]

    chunks = workbook_chunks([("s", ["h", "n"], rows())])
    next(chunks)
    next(chunks)
    assert made < 10_000
    largest = max(len(chunk) for chunk in chunks)
    assert made == 50_000
    assert largest < 200_000


def test_widths_filter_and_fills_hold_for_every_sheet() -> None:
    look = Look(
        frozen_columns=1, widths=(12, 60), other_width=16, filtered=True, filled_column=1,
        fills={"rejected": "F8D7DA", "a < b": "FFF0CC"},
    )  # fmt: skip
    rows: list[list[Cell]] = [["x", "rejected", 1], ["y", "a < b", 2]]
    tables = [("one", ["a", "b", "c"], iter(rows)), ("none", ["a", "b", "c"], iter([]))]
    book = openpyxl.load_workbook(io.BytesIO(b"".join(workbook_chunks(tables, look=look))))
    one, none = book["one"], book["none"]
    assert (one.auto_filter.ref, none.auto_filter.ref) == ("A1:C3", "A1:C1")
    assert [one.column_dimensions[letter].width for letter in "ABC"] == [12, 60, 16]
    (rules,) = one.conditional_formatting
    assert str(rules.sqref) == "B2:B3"
    assert [(rule.formula, rule.dxf.fill.bgColor.rgb) for rule in rules.rules] == [
        (['"rejected"'], "FFF8D7DA"),
        (['"a < b"'], "FFFFF0CC"),
    ]
    assert not list(none.conditional_formatting)
    assert list(one.iter_rows(min_row=2, values_only=True)) == [tuple(r) for r in rows]


def test_a_plain_workbook_has_neither_filter_nor_fills() -> None:
    data = b"".join(workbook_chunks([("s", ["h"], iter([["x"]]))]))
    sheet = openpyxl.load_workbook(io.BytesIO(data))["s"]
    assert sheet.auto_filter.ref is None
    assert not list(sheet.conditional_formatting)
