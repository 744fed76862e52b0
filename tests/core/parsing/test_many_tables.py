"""Files of very many tables, of very long names, of lines that are slow to search."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import FileRejected
from core.parsing import columns, headings, limits, plan, sheet, tables, wide
from core.parsing.feed import Feed
from core.parsing.rows import Row
from core.records import Field
from tests.core.parsing.test_parse import parse, workbook


def many(count: int, rows: int = 1, more: str = "") -> str:
    """Return tables one below the other, each with a heading that no other has."""
    return "".join(
        f"Activity,Quantity,Unit{more},k{n}\n" + f"Diesel {n},{n + 1},litres\n" * rows + ",,\n"
        for n in range(count)
    )


def refused(tmp_path: Path, content: bytes | str, name: str = "a.csv") -> str:
    with pytest.raises(FileRejected) as caught:
        parse(tmp_path, content, name)
    return caught.value.code


def test_as_many_tables_as_a_file_may_hold_are_each_read_with_their_own_rows(
    tmp_path: Path,
) -> None:
    found = parse(tmp_path, many(limits.TABLES))
    assert len(found.report.tables) == limits.TABLES
    assert found.data("activity_name", "volume", "unit") == [
        (f"Diesel {n}", str(n + 1), "litres") for n in range(limits.TABLES)
    ]
    assert [t.header_row for t in found.report.tables[:3]] == [1, 4, 7]


def test_more_tables_or_columns_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, many(limits.TABLES + 1)) == "too_many_tables"
    wide = "".join(f",c{n}" for n in range(480))
    assert refused(tmp_path, many(limits.TABLE_COLUMNS // 484 + 1, more=wide)) == "too_many_tables"


def test_the_tables_of_all_sheets_count_together(tmp_path: Path) -> None:
    def cells(first: int, count: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for n in range(count):
            at = 3 * n + 1
            for column, text in zip("ABCD", ("Activity", "Quantity", "Unit", f"k{first + n}"),
                                    strict=True):  # fmt: skip
                found[f"{column}{at}"] = text
            found |= {f"A{at + 1}": "Diesel", f"B{at + 1}": 5, f"C{at + 1}": "litres"}
        return found

    half = limits.TABLES // 2
    fits = workbook(("One", cells(0, half)), ("Two", cells(half, half)))
    assert len(parse(tmp_path, fits, "a.xlsx").report.tables) == limits.TABLES
    over = workbook(("One", cells(0, half)), ("Two", cells(half, half + 1)))
    assert refused(tmp_path, over, "a.xlsx") == "too_many_tables"


def test_a_row_is_looked_at_for_few_tables_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[int] = []
    make_plan = plan.make_plan

    def counting(header, sample, *rest):  # type: ignore[no-untyped-def]
        planned.append(len(sample))
        return make_plan(header, sample, *rest)

    monkeypatch.setattr(sheet, "make_plan", counting)
    text = many(150, rows=5)
    parse(tmp_path, text)
    assert len(planned) == 150
    assert sum(planned) <= 2 * text.count("\n")


def test_headings_that_hold_no_quantity_begin_no_table_and_are_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[int] = []
    make_plan = plan.make_plan

    def counting(header, sample, *rest):  # type: ignore[no-untyped-def]
        planned.append(len(sample))
        return make_plan(header, sample, *rest)

    monkeypatch.setattr(sheet, "make_plan", counting)
    words = "Activity,Quantity,Unit\nDiesel,5,litres\n\n" + "Item,Consumption\nnone,none\n\n" * 300
    found = parse(tmp_path, words)
    assert len(found.report.tables) == 1
    assert sum(planned) <= 2 * words.count("\n")


@pytest.mark.parametrize("name", ["a.json", "a.parquet"])
def test_very_long_names_are_cut_before_anything_is_made_of_them(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = 0
    read = headings.read_heading

    def watched(text: str):  # type: ignore[no-untyped-def]
        nonlocal longest
        longest = max(longest, len(text))
        return read(text)

    for module in (tables, columns, plan, wide):
        monkeypatch.setattr(module, "read_heading", watched)
    record = {"Activity": "Diesel", "Quantity": 5, "Unit": "litres"}
    record |= {"k" * 50_000 + str(n): 1 for n in range(40)}
    if name.endswith("json"):
        content = json.dumps([record]).encode()
    else:
        sink = io.BytesIO()
        pq.write_table(pa.table({key: [value] for key, value in record.items()}), sink)
        content = sink.getvalue()
    found = parse(tmp_path, content, name)
    assert found.data("activity_name", "volume", "unit") == [("Diesel", "5", "litres")]
    assert 0 < longest <= limits.HEADING_CHARACTERS


def test_a_label_of_dashes_is_no_sum_and_a_sum_behind_dashes_is(tmp_path: Path) -> None:
    lines = [["Activity", "Quantity", "Unit"]]
    fields = {Field.ACTIVITY_NAME: 0, Field.VOLUME: 1, Field.UNIT: 2}
    classifier = tables.RowClassifier(lines, fields)
    # Searched from each dash this takes minutes.
    assert classifier.kind(["-" * 32_000 + "e", "1", "litres"]) == "data"
    assert classifier.kind([": " * 16_000 + "e", "1", "litres"]) == "data"
    assert classifier.kind(["Site A -- Total", "1", ""]) == "total"
    assert classifier.kind(["x" * 300 + " Total", "1", ""]) == "total"


def test_many_titles_above_a_table_are_looked_at_from_the_last(tmp_path: Path) -> None:
    text = "Activity,Quantity,Unit\nGas,5,kWh\n" + "a line of text,,\n" * 300
    found = parse(tmp_path, text + "Activity,Quantity,Unit,k\nDiesel,7,litres\n")
    assert found.data("activity_name", "volume") == [("Gas", "5"), ("Diesel", "7")]
    assert found.report.tables[1].preamble_lines == 100


def test_rows_to_judge_a_table_by_end_where_another_may_begin() -> None:
    rows = [Row(n, cells) for n, cells in enumerate(
        [["Diesel", "5", "litres"], [], ["Activity", "Quantity", "Unit"], ["Gas", "7", "kWh"]]
    )]  # fmt: skip
    feed = Feed(iter(rows))
    assert [row.number for row in sheet._own_rows(feed)] == [0, 1]
    assert [row.number for row in feed] == [2, 3]


def test_lines_above_a_table_are_searched_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    make_plan = plan.make_plan

    def watched(header, sample, above, *rest):  # type: ignore[no-untyped-def]
        seen.extend(sum(map(len, row.cells)) for row in above)
        return make_plan(header, sample, above, *rest)

    monkeypatch.setattr(sheet, "make_plan", watched)
    text = "Figures in kWh" + "," * 90 + "kWh in " * 140_000 + "\n"
    found = parse(tmp_path, text + "Activity,Quantity\nGas,5\n")
    assert found.report.tables[0].unit_text == "kWh"
    assert seen == [len("Figures in kWh")]


def test_headings_are_searched_in_as_many_cells_as_tables_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    score = tables._score

    def counting(headings, mapping):  # type: ignore[no-untyped-def]
        scored.append(len(headings))
        return score(headings, mapping)

    monkeypatch.setattr(tables, "_score", counting)
    lines = ["Activity,Quantity,Unit", "Gas,5,kWh"]
    lines += [",".join(f"word{n}x{at}" for at in range(490)) for n in range(90)]
    found = parse(tmp_path, "\n".join(lines))
    assert found.report.tables[0].header_row == 1
    assert sum(scored) < 25_000  # of 44,100 cells, each looked at with the line below as well
