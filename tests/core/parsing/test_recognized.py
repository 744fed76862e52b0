"""What is told of files of very many or very long columns, tables and notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.annotated import names_of
from core.parsing.recognized import KEPT_BYTES, SHOWN_BYTES, kept, shown
from core.parsing.report import ColumnReport, OutsideRow, ParseReport, TableReport
from core.records import Field
from tests.core.parsing.test_parse import parse

COLUMNS, TABLES = 100, 200  # as many as parsing takes


def size(report: ParseReport) -> int:
    return len(report.model_dump_json().encode())


def report(tables: int, columns: int, letter: str = "x", lines: int = 0) -> ParseReport:
    """Return a report of tables whose last columns hold the fields."""
    listed = tuple(
        ColumnReport(
            index=at, letter="A", heading=letter * 200, confidence=0.9, why=letter * 60,
            field={columns - 1: Field.VOLUME, columns - 2: Field.VOLUME,
                   columns - 3: Field.UNIT}.get(at),
        )
        for at in range(columns)
    )  # fmt: skip
    outside = tuple(OutsideRow(number=n, cells=(letter * 200,) * 500) for n in range(1, lines + 1))
    table = TableReport(
        sheet=letter * 255, header_row=1, columns=listed, unit_text=letter * 500,
        currency_text=letter * 500, outside=outside, rows=3,
    )  # fmt: skip
    return ParseReport(
        detected_type="csv", rows_total=3 * tables, rows_by_kind={}, parts=(),
        tables=(table,) * tables, notes=(letter * 2_000,) * 1_000,
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize("letter", ["x", "\N{EXTRATERRESTRIAL ALIEN}"])
@pytest.mark.parametrize(
    ("tables", "columns", "lines"), [(1, 500, 100), (40, 500, 0), (TABLES, COLUMNS, 0), (60, 20, 3)]
)
def test_the_largest_of_files_are_told_in_bounded_space(
    tables: int, columns: int, lines: int, letter: str
) -> None:
    whole = report(tables, columns, letter, lines)
    first = kept(whole)
    assert size(first) <= KEPT_BYTES
    assert len(first.tables) == tables
    assert all(table.width == columns and table.rows == 3 for table in first.tables)
    assert all(table.has(Field.VOLUME) and table.has(Field.UNIT) for table in first.tables)
    answer = shown(first)
    assert size(answer) <= SHOWN_BYTES
    assert len(answer.tables) + answer.tables_not_listed == tables
    assert len(answer.notes) + answer.notes_not_listed == 1_000
    for table in answer.tables:
        assert table.width == columns
        assert table.has(Field.VOLUME) and table.has(Field.UNIT)  # noqa: PT018
        assert table.outside == ()


def test_of_a_usual_file_all_is_listed(tmp_path: Path) -> None:
    text = "Site list,,\nActivity,Quantity,Unit\nDiesel,5,litres\n"
    found = parse(tmp_path, text).report
    assert kept(found) == found
    answer = shown(found)
    assert answer.tables[0].columns == found.tables[0].columns
    assert (answer.tables_not_listed, answer.notes_not_listed) == (0, 0)
    assert (answer.tables[0].columns_not_listed, answer.tables[0].outside) == (0, ())


def test_columns_that_are_not_listed_keep_their_place_and_are_called_by_letters() -> None:
    table = kept(report(TABLES, COLUMNS, "\N{EXTRATERRESTRIAL ALIEN}")).tables[0]
    assert table.columns_not_listed == COLUMNS - 25
    # The two fields' first columns, and the first others.
    assert [c.index for c in table.columns] == [*range(23), COLUMNS - 3, COLUMNS - 2]
    assert len(table.headings()) == COLUMNS
    assert table.name_of(COLUMNS - 1) == "CV"
    assert table.name_of(0) == table.headings()[0] != ""
    assert table.headings()[50] == ""
    assert names_of([table])[50] == "AY"
    assert len(names_of([table, table])) == COLUMNS


def test_a_file_of_many_wide_tables_is_read_whole_and_told_in_part(tmp_path: Path) -> None:
    more = "".join(f",h{n} {'x' * 110}" for n in range(480))
    text = "".join(f"Activity,Quantity,Unit{more},k{n}\nGas,{n},kWh\n,,\n" for n in range(40))
    found = parse(tmp_path, text)
    assert found.data("activity_name", "volume", "unit") == [
        ("Gas", str(n), "kWh") for n in range(40)
    ]
    assert size(found.report) <= KEPT_BYTES
    assert [table.width for table in found.report.tables] == [484] * 40
    answer = shown(found.report)
    assert size(answer) <= SHOWN_BYTES
    assert [c.field for c in answer.tables[0].columns][:3] == [
        Field.ACTIVITY_NAME, Field.VOLUME, Field.UNIT,
    ]  # fmt: skip
    assert answer.tables[0].columns_not_listed > 400
