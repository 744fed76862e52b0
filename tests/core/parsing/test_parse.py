"""Tables as people make them, from bytes to raw rows."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.dates import DateOrder
from core.errors import FileRejected
from core.numbers import Convention
from core.parsing.parse import parse_file
from core.parsing.raw_schema import RAW_SCHEMA
from core.parsing.report import ParseOptions, ParseReport, RowKind
from core.records import Field

HEAD = "Activity,Quantity,Unit\n"


class Parsed:
    """A parsed file: its report and its raw rows."""

    def __init__(self, report: ParseReport, rows: list[dict[str, Any]]) -> None:
        self.report, self.rows = report, rows

    def data(self, *names: str) -> list[tuple[Any, ...]]:
        return [tuple(r[n] for n in names) for r in self.rows if r["kind"] == "data"]

    def kinds(self) -> list[tuple[int, str]]:
        return [(r["row_number"], r["kind"]) for r in self.rows]


def parse(tmp_path: Path, content: bytes | str, name: str = "a.csv", **options: Any) -> Parsed:
    source, out = tmp_path / "object", tmp_path / "parts"
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    out.mkdir(exist_ok=True)
    report = parse_file(source, out, ParseOptions(filename=name, **options))
    rows: list[dict[str, Any]] = []
    for part in report.parts:
        table = pq.read_table(out / part.name)
        assert table.schema.equals(RAW_SCHEMA)
        assert table.num_rows == part.rows
        rows += table.to_pylist()
    # Nothing is lost on the way.
    assert report.rows_total == len(rows) == sum(report.rows_by_kind.values())
    assert report.rows_total == sum(table.rows for table in report.tables)
    assert ParseReport.model_validate_json(report.model_dump_json()) == report
    return Parsed(report, rows)


def workbook(*sheets: tuple[str, dict[str, Any]], **extra: Any) -> bytes:
    """Return a workbook; each sheet is its name and cell → value; "!merge" lists ranges."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for name, cells in sheets:
            sheet = book.add_worksheet(name)
            for merged, value in cells.pop("!merge", {}).items():
                sheet.merge_range(merged, value)
            for at, value in cells.items():
                sheet.write(at, value, day if isinstance(value, dt.date) else None)
            if name in extra.get("hidden", ()):
                sheet.hide()
    return buffer.getvalue()


def test_a_plain_table_is_read_as_written(tmp_path: Path) -> None:
    found = parse(tmp_path, HEAD + 'Diesel,1200,litres\nGas,"1,000.5",kWh\n')
    assert found.data("row_number", "activity_name", "volume", "unit") == [
        (2, "Diesel", "1200", "litres"), (3, "Gas", "1,000.5", "kWh"),
    ]  # fmt: skip
    assert found.rows[0]["cells"] == ["Diesel", "1200", "litres"]
    assert found.report.tables[0].header_row == 1
    assert (found.report.encoding, found.report.delimiter) == ("utf-8", ",")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_every_delimiter_and_encoding(tmp_path: Path, delimiter: str, encoding: str) -> None:
    lines = [["Aktivität", "Menge", "Einheit"], ["Heizöl", '"1.200,5"', "Liter"]]
    text = "\r\n".join(delimiter.join(line) for line in lines)
    found = parse(tmp_path, text.encode(encoding))
    assert found.data("activity_name", "volume", "unit") == [("Heizöl", "1.200,5", "Liter")]
    assert found.report.delimiter == delimiter


def test_a_stated_separator_is_believed(tmp_path: Path) -> None:
    found = parse(tmp_path, "sep=;\nActivity;Quantity;Unit\nDiesel;1,5;l\n")
    assert found.data("row_number", "volume") == [(3, "1,5")]


def test_decimal_commas_do_not_win_over_semicolons(tmp_path: Path) -> None:
    found = parse(tmp_path, "Menge;Artikel;Einheit\n1,5;Diesel, Sommer;l\n2,5;Gas, H;m3\n")
    assert found.report.delimiter == ";"
    assert found.report.tables[0].decimals[Field.VOLUME][Convention.BY_REGION] is Convention.COMMA


def test_lines_above_the_header_are_passed_over(tmp_path: Path) -> None:
    found = parse(
        tmp_path,
        "Acme Ltd,,\nCarbon data 2024,,\n\nprepared by,J. Doe,\n" + HEAD + "Diesel,12,l\n",
    )
    table = found.report.tables[0]
    assert (table.header_row, table.preamble_lines) == (5, 3)
    assert found.data("row_number", "activity_name") == [(6, "Diesel")]


def test_a_currency_named_above_the_table_holds_for_it(tmp_path: Path) -> None:
    found = parse(tmp_path, "Ledger,\nAll amounts in EUR,\nItem,Amount\nPaper,12.50\n")
    assert found.report.tables[0].currency_text == "EUR"


def test_row_numbers_are_physical_lines_even_after_quoted_line_breaks(tmp_path: Path) -> None:
    found = parse(tmp_path, HEAD + '"Diesel\nred",1,l\nGas,2,m3\n')
    assert found.data("row_number", "activity_name") == [(2, "Diesel\nred"), (4, "Gas")]


def test_totals_blanks_headers_and_notes_are_counted_not_lost(tmp_path: Path) -> None:
    found = parse(
        tmp_path,
        "Activity,Quantity,Unit,Date\n"
        "Diesel,1,l,2024-01-01\n,,,\nActivity,Quantity,Unit,Date\nGas,2,m3,2024-01-01\n"
        "Subtotal,3,,\nTotal fuels,3,,\nFigures are estimates by the site managers,,,\n"
        "Gesamtsumme,3,,\n\n\n",
    )
    assert found.kinds() == [
        (2, "data"), (3, "blank"), (4, "repeated_header"), (5, "data"), (6, "total"), (7, "total"),
        (8, "note"), (9, "total"),
    ]  # fmt: skip


def test_a_supplier_called_total_is_no_total(tmp_path: Path) -> None:
    found = parse(
        tmp_path,
        "Supplier,Item,Amount,Currency\nTotal,Diesel,20,EUR\nTOTAL,,20,\n",
    )
    assert [kind for _, kind in found.kinds()] == ["data", "total"]


def test_a_unit_in_the_heading_holds_for_the_column(tmp_path: Path) -> None:
    found = parse(tmp_path, "Site,Consumption (kWh)\nLondon electricity,12\n")
    table = found.report.tables[0]
    assert table.unit_text == "kWh"
    assert table.unit_why == 'heading "Consumption (kWh)"'


def test_further_columns_with_units_are_pointed_out(tmp_path: Path) -> None:
    found = parse(tmp_path, "Site,Generation (kWh),Residue (m3)\nLondon,12,3\n")
    assert any("Column C also carries a unit and was not" in note for note in found.report.notes)


def test_another_column_that_could_be_the_quantity_is_named(tmp_path: Path) -> None:
    text = "Item,Qty A,Qty B,Unit\nDiesel,1,2,l\nPetrol,3,4,l\n"
    found = parse(tmp_path, text)
    assert found.data("volume") == [("1",), ("3",)]
    (note,) = (note for note in found.report.notes if "Qty B" in note)
    assert note.startswith('Column B ("Qty A") was taken as the quantity; column C ("Qty B") holds')
    assert note.endswith("Say in the mapping which one counts.")
    said = parse(tmp_path, text, mapping={"Qty B": "volume"})
    assert not any("Qty A" in note for note in said.report.notes)


@pytest.mark.parametrize(
    "heading", ["Meter number", "Invoice no", "Unit price", "VAT %", "Cost centre"]
)
def test_other_numbers_are_no_quantity(tmp_path: Path, heading: str) -> None:
    found = parse(tmp_path, f"Item,Quantity,{heading},Unit\nDiesel,1,2,l\nPetrol,3,4,l\n")
    assert not any("could be it" in note for note in found.report.notes)


def test_duplicate_headings_are_pointed_out_and_the_first_is_read(tmp_path: Path) -> None:
    found = parse(tmp_path, "Item,Quantity,Quantity,Unit\nDiesel,1,2,l\n")
    assert found.data("volume") == [("1",)]
    assert any('"Quantity" occurs in columns B, C' in note for note in found.report.notes)
    other = parse(tmp_path, "Item,Quantity,Quantity,Unit\nDiesel,1,2,l\n", mapping={"C": "volume"})
    assert other.data("volume") == [("2",)]


def test_an_oversized_cell_costs_its_row_only(tmp_path: Path) -> None:
    found = parse(tmp_path, HEAD + f"{'x' * 200_000},1,l\nGas,2,m3\n")
    assert found.kinds() == [(2, "cell_too_large"), (3, "data")]
    assert len(found.rows[0]["cells"][0]) == 200


def test_a_nul_character_costs_its_row_only_and_never_goes_on(tmp_path: Path) -> None:
    found = parse(tmp_path, HEAD + "Die\0sel,1,l\nGas,2,m3\n")
    assert found.kinds() == [(2, "bad_character"), (3, "data")]
    assert "\0" not in repr(found.rows[0]["cells"]).replace("\\x00", "\0")


@pytest.mark.parametrize("heading", ["Act\0ivity,Quantity,Unit", "Activity,Quantity,Unit,\0"])
def test_a_nul_character_in_a_heading_is_refused(tmp_path: Path, heading: str) -> None:
    with pytest.raises(FileRejected) as refused:
        parse(tmp_path, f"{heading}\nDiesel,1,l\n")
    assert refused.value.code == "bad_character"


@pytest.mark.parametrize("names", [("Data", "Data"), ("Data", "x" * 256)])
def test_sheets_whose_rows_could_not_be_told_apart_are_refused(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    rows = {"A1": "Activity", "B1": "Quantity", "C1": "Unit", "A2": "Diesel", "B2": 1, "C2": "l"}
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(("First", rows), ("Second", rows)))) as good,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as odd,
    ):
        for entry in good.infolist():
            content = good.read(entry)
            if entry.filename == "xl/workbook.xml":
                content = content.replace(b'"First"', f'"{names[0]}"'.encode())
                content = content.replace(b'"Second"', f'"{names[1]}"'.encode())
            odd.writestr(entry.filename, content)
    with pytest.raises(FileRejected) as refused:
        parse(tmp_path, buffer.getvalue(), "a.xlsx")
    assert refused.value.code == "sheet_names"


def test_ragged_rows_keep_what_they_have(tmp_path: Path) -> None:
    found = parse(tmp_path, HEAD + "Diesel,1\nGas,2,m3,extra\n")
    assert found.data("volume", "unit") == [("1", None), ("2", "m3")]
    assert found.rows[1]["cells"] == ["Gas", "2", "m3", "extra"]


def test_parts_are_bounded_and_in_order(tmp_path: Path) -> None:
    body = "".join(f"Diesel {i},{i},l\n" for i in range(250))
    found = parse(tmp_path, HEAD + body, rows_per_part=100)
    assert [(p.name, p.rows) for p in found.report.parts] == [
        ("part-00000.parquet", 100), ("part-00001.parquet", 100), ("part-00002.parquet", 50),
    ]  # fmt: skip
    assert [r["row_number"] for r in found.rows] == list(range(2, 252))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "file_empty"),
        (HEAD, "no_rows"),
        (HEAD + ",,\n\n", "no_rows"),
        ("Diesel,12,l\nGas,3,m3\n", "no_header"),
        ("just one line of words", "no_header"),
        ("Commodity,Description\nBolts,M8\nNuts,M8\n", "no_quantity_column"),
        (HEAD + 'Diesel,1,"l\n' + "x" * 1_100_000, "cell_too_large"),
        (HEAD + "x," * 600 + "y\n", "too_many_columns"),
        (b"\x00\x01\x02\x03" * 500, "not_text"),
    ],
)
def test_a_file_without_a_table_is_refused(tmp_path: Path, content: str | bytes, code: str) -> None:
    with pytest.raises(FileRejected) as caught:
        parse(tmp_path, content)
    assert caught.value.code == code
    assert caught.value.message


def test_too_many_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRejected) as caught:
        parse(tmp_path, HEAD + "Diesel,1,l\n" * 11, max_rows=10)
    assert caught.value.code == "too_many_rows"


def test_a_mapping_of_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRejected) as caught:
        parse(tmp_path, HEAD + "Diesel,1,l\n", mapping={"Menge": "volume"})
    assert caught.value.code == "mapping_unknown_column"


def test_the_upload_mapping_is_columns_and_settings() -> None:
    options = ParseOptions.from_upload(
        mapping={"Menge": "volume", "C": "ignore", "decimal_separator": ",", "currency": "EUR"}
    )
    assert options.mapping == {"Menge": "volume", "C": "ignore"}
    assert (options.decimal_separator, options.currency) == (",", "EUR")
    for bad in ({"A": "quantity"}, {"decimal_separator": ";"}, {"date_order": "ymd"}):
        with pytest.raises(FileRejected) as caught:
            ParseOptions.from_upload(mapping=bad)
        assert caught.value.code == "mapping_invalid"


def test_values_decide_only_among_regions_that_write_alike(tmp_path: Path) -> None:
    found = parse(
        tmp_path,
        "Activity,Quantity,Unit,Country,Date\nGas,12.5,kWh,GB,03/04/2024\n"
        "Erdgas,96.400,kWh,DE,31/12/2024\n",
    )
    table = found.report.tables[0]
    assert table.decimals[Field.VOLUME] == {
        Convention.POINT: Convention.POINT,
        Convention.COMMA: Convention.COMMA,
        Convention.BY_REGION: Convention.POINT,
    }
    assert table.date_order is DateOrder.DAY_FIRST


def test_settings_of_the_upload_decide_over_values(tmp_path: Path) -> None:
    found = parse(
        tmp_path,
        "Item,Quantity,Unit,Date\nGas,1.260,kWh,03/04/2024\n",
        decimal_separator=",",
        date_order="mdy",
    )
    table = found.report.tables[0]
    assert set(table.decimals[Field.VOLUME].values()) == {Convention.COMMA}
    assert table.date_order is DateOrder.MONTH_FIRST


def test_a_workbook_keeps_numbers_days_and_row_numbers(tmp_path: Path) -> None:
    cells = {
        "B3": "Activity", "C3": "Quantity", "D3": "Unit", "E3": "Date",
        "B4": "Diesel", "C4": 1.234, "D4": "l", "E4": dt.date(2024, 8, 31),
        "B6": "Gas", "C6": "1.200,5", "D6": "kWh", "E6": "2024-09",
        "B7": "Petrol", "C7": 100000, "D7": "l",
    }  # fmt: skip
    found = parse(tmp_path, workbook(("Data", cells)), "a.xlsx")
    assert found.data("sheet", "row_number", "activity_name", "volume", "date", "typed") == [
        ("Data", 4, "Diesel", "1.234", "2024-08-31", ["volume"]),
        ("Data", 6, "Gas", "1.200,5", "2024-09", []),
        ("Data", 7, "Petrol", "100000", None, ["volume"]),
    ]
    assert found.kinds()[1] == (5, "blank")
    # A number that the workbook holds proves nothing about the texts beside it.
    decimals = found.report.tables[0].decimals[Field.VOLUME]
    assert decimals[Convention.BY_REGION] is Convention.COMMA


def test_every_sheet_with_a_table_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    table = {"A1": "Activity", "B1": "Quantity", "C1": "Unit", "A2": "Gas", "B2": 1, "C2": "m3"}
    ledger = {"A1": "Article", "B1": "Montant HT", "C1": "Devise", "A2": "Papier", "B2": 9.5,
              "C2": "EUR"}  # fmt: skip
    content = workbook(
        ("Read me", {"A1": "How to fill in this file"}), ("Energy", dict(table)),
        ("Achats", ledger), ("Old", dict(table)), hidden=("Old",),
    )  # fmt: skip
    found = parse(tmp_path, content, "a.xlsx")
    assert [t.sheet for t in found.report.tables] == ["Energy", "Achats"]
    assert found.data("sheet", "activity_name", "volume", "amount") == [
        ("Energy", "Gas", "1", None), ("Achats", "Papier", None, "9.5"),
    ]  # fmt: skip
    assert any("Read me" in note for note in found.report.notes)
    assert any("Old" in note and "hidden" in note for note in found.report.notes)


def test_merged_and_two_line_headings_are_one_heading(tmp_path: Path) -> None:
    cells = {
        "!merge": {"A1:D1": "Energy report", "B3:C3": "Consumption", "A3:A4": "Activity"},
        "B4": "Quantity", "C4": "Unit", "D3": "Country",
        "A5": "Gas", "B5": 12, "C5": "kWh", "D5": "DE",
    }  # fmt: skip
    found = parse(tmp_path, workbook(("Data", cells)), "a.xlsx")
    table = found.report.tables[0]
    assert (table.header_row, table.header_lines) == (4, 2)
    assert [c.heading for c in table.columns] == [
        "Activity", "Consumption Quantity", "Consumption Unit", "Country",
    ]  # fmt: skip
    assert found.data("activity_name", "volume", "unit", "region") == [("Gas", "12", "kWh", "DE")]


def test_a_line_of_units_below_the_headings_belongs_to_them(tmp_path: Path) -> None:
    found = parse(tmp_path, "Site,Consumption,Cost\n,kWh,GBP\nLondon,12,3\n")
    table = found.report.tables[0]
    assert (table.header_lines, table.unit_text, table.currency_text) == (2, "kWh", "GBP")
    assert found.data("row_number", "volume") == [(3, "12")]


def test_a_cell_merged_over_rows_holds_for_each_of_them(tmp_path: Path) -> None:
    cells = {
        "A1": "Activity", "B1": "Quantity", "C1": "Unit", "!merge": {"A2:A3": "Gas"},
        "B2": 1, "C2": "m3", "B3": 2, "C3": "m3", "A4": "Oil", "B4": 3, "C4": "l",
    }  # fmt: skip
    found = parse(tmp_path, workbook(("Data", cells)), "a.xlsx")
    assert found.data("activity_name", "volume") == [("Gas", "1"), ("Gas", "2"), ("Oil", "3")]


def test_a_workbook_without_any_quantity_says_what_is_missing(tmp_path: Path) -> None:
    content = workbook(
        ("Cover", {"A1": "Title"}), ("Data", {"A1": "Activity", "B1": "Country", "A2": "Gas",
                                              "B2": "DE"})
    )  # fmt: skip
    with pytest.raises(FileRejected) as caught:
        parse(tmp_path, content, "a.xlsx")
    assert caught.value.code == "no_quantity_column"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_no_bytes_break_the_parser(tmp_path: Path, content: bytes) -> None:
    with contextlib.suppress(FileRejected):
        parse(tmp_path, content)


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=20))
def test_every_row_of_any_table_is_counted(
    tmp_path: Path, rows: list[tuple[str, str, str]]
) -> None:
    quoted = "".join(
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows
    )
    found = parse(tmp_path, HEAD + "Diesel,1,l\n" + quoted + "Gas,2,m3\n")
    assert found.report.rows_total == len(rows) + 2
    assert RowKind.DATA in found.report.rows_by_kind
