"""Raw rows → typed rows: nothing lost, nothing guessed, everything filled in is flagged."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.activity_key import activity_key
from core.parsing.parse import parse_file
from core.parsing.report import ParseOptions
from core.records import ActivityRow, Basis, Dimension, RowIssue, Severity
from core.validation import TYPED_SCHEMA, ValidationContext, rows_of, validate_part

HEAD = "Activity,Quantity,Unit,Country,Date,Amount,Currency\n"


def validated(
    tmp_path: Path, text: str, **options: Any
) -> tuple[list[ActivityRow], list[RowIssue]]:
    source = tmp_path / "a.csv"
    source.write_text(text, encoding="utf-8", newline="")
    chosen = ParseOptions(filename="a.csv", **options)
    report = parse_file(source, tmp_path, chosen)
    context = ValidationContext.of(report, chosen)
    rows: list[ActivityRow] = []
    issues: list[RowIssue] = []
    for part in report.parts:
        table, found = validate_part(pq.read_table(tmp_path / part.name), context)
        assert table.schema.equals(TYPED_SCHEMA)
        rows += rows_of(table)
        issues += found
    # Rows in = rows out: each is typed or rejected, once.
    rejected = [issue.row_number for issue in issues if issue.severity is Severity.REJECTED]
    typed = [row.row_number for row in rows]
    assert len(rejected) == len(set(rejected))
    assert not set(rejected) & set(typed)
    assert len(rejected) + len(typed) == report.rows_total
    return rows, issues


def one(tmp_path: Path, line: str, **options: Any) -> ActivityRow:
    rows, issues = validated(tmp_path, HEAD + line + "\n", **options)
    assert not issues, issues
    return rows[0]


def rejection(tmp_path: Path, line: str, head: str = HEAD, **options: Any) -> RowIssue:
    rows, issues = validated(tmp_path, head + line + "\n", **options)
    assert not rows
    (issue,) = issues
    assert issue.severity is Severity.REJECTED
    assert issue.message.startswith(f"Row {issue.row_number}")
    return issue


def test_a_row_is_typed_with_its_texts_beside_the_values(tmp_path: Path) -> None:
    row = one(tmp_path, 'Diesel,"1,200.0",ltr,UK,31/08/2024,,')
    assert row == ActivityRow(
        sheet="", row_number=2, column_number=0,
        activity_key=activity_key(
            name="Diesel", type=None, description=None, dimension=Dimension.VOLUME, basis=None,
            currency=None, region="GB", year=2024),
        activity_name="Diesel", activity_type=None, activity_description=None,
        volume_text="1,200.0", unit_text="ltr", region_text="UK", date_text="31/08/2024",
        volume=1200.0, unit="l", dimension=Dimension.VOLUME, basis=None, region="GB",
        activity_on=dt.date(2024, 8, 31), year=2024, currency=None, flags=(),
    )  # fmt: skip


def test_the_basis_goes_with_the_row(tmp_path: Path) -> None:
    assert one(tmp_path, "Gas,10000,kWh (Net CV),GB,2024,,").basis is Basis.NET


def test_defaults_of_the_upload_are_flagged(tmp_path: Path) -> None:
    row = one(tmp_path, "Gas,12,kWh,,,,", region="GB", reporting_year=2024)
    assert (row.region, row.year, row.activity_on) == ("GB", 2024, None)
    assert row.flags == ("region_defaulted", "year_defaulted")


def test_without_defaults_nothing_is_filled_in(tmp_path: Path) -> None:
    row = one(tmp_path, "Gas,12,kWh,,,,")
    assert (row.region, row.year, row.flags) == (None, None, ())


def test_the_region_of_the_row_chooses_the_gallon_and_is_flagged(tmp_path: Path) -> None:
    american = one(tmp_path, "Diesel,10,gal,USA,,,")
    assert (american.unit, american.flags) == ("gal_us", ("unit_by_region",))
    assert one(tmp_path, "Diesel,10,gal,UK,,,").unit == "gal_uk"
    assert one(tmp_path, "Diesel,10,US gal,UK,,,").flags == ()


def test_hours_of_homeworking_are_working_hours(tmp_path: Path) -> None:
    row = one(tmp_path, "Homeworking staff,160,hours,GB,,,")
    assert (row.unit, row.dimension) == ("fte_hour", Dimension.WORK_HOUR)
    assert row.flags == ("unit_from_activity",)
    assert one(tmp_path, "Generator,160,hours,GB,,,").dimension is Dimension.TIME


def test_number_and_unit_may_share_a_cell(tmp_path: Path) -> None:
    row = one(tmp_path, 'Gas,"1,200.5 kWh",,GB,,,')
    assert (row.volume, row.unit, row.volume_text) == (1200.5, "kWh", "1,200.5 kWh")
    # But they must not contradict a column of units.
    assert rejection(tmp_path, "Gas,12 kWh,m3,GB,,,").code == "number_invalid"


def test_money_is_read_where_there_is_no_quantity(tmp_path: Path) -> None:
    row = one(tmp_path, "Paper,,,GB,,12.50,EUR")
    assert (row.volume, row.unit, row.currency) == (12.5, "EUR", "EUR")
    assert row.flags == ("amount_used",)


def test_a_quantity_wins_over_its_cost(tmp_path: Path) -> None:
    row = one(tmp_path, "Diesel,12,l,GB,,20,EUR")
    assert (row.volume, row.unit, row.currency) == (12.0, "l", None)


@pytest.mark.parametrize(
    ("line", "code", "column"),
    [
        # PostgreSQL takes 2,704 bytes of an index entry: 600 characters are 2,400 at most.
        ("x" * 601 + ",12,l,GB,,,", "text_too_long", "Activity"),
        # The largest double is 1.8e308; times a million litres it would be infinite.
        ("Diesel,1.7e308,l,GB,,,", "quantity_too_large", "Quantity"),
        ("Diesel,1.1e18 l,,GB,,,", "quantity_too_large", "Quantity"),
        ("Paper,,,GB,,-1e300,GBP", "quantity_too_large", "Amount"),
    ],
)
def test_what_could_not_be_stored_costs_its_row_only(
    tmp_path: Path, line: str, code: str, column: str
) -> None:
    issue = rejection(tmp_path, line)
    assert (issue.code, issue.column) == (code, column)
    assert issue.value_text
    assert len(issue.value_text) <= 200  # the report shows a piece of it


def test_a_type_that_is_too_long_is_rejected_and_a_description_is_not(tmp_path: Path) -> None:
    head = "Activity,Type,Description,Quantity,Unit\n"
    long = "x" * 601
    issue = rejection(tmp_path, f"Diesel,{long},,1,l", head)
    assert (issue.code, issue.column) == ("text_too_long", "Type")
    rows, issues = validated(tmp_path, f"{head}{'y' * 600},fuel,{long},1e18,l\n")
    assert (len(rows), issues) == (1, [])
    assert rows[0].activity_description == long


LEDGER = "Item,Amount,Currency\n"


@pytest.mark.parametrize(
    ("line", "region", "currency", "flags"),
    [
        ("Paper,12.50,EUR", None, "EUR", ()),
        ("Paper,£12.50,", None, "GBP", ()),
        ("Paper,£12.50,GBP", None, "GBP", ()),
        ("Paper,12.50 €,", "GB", "EUR", ("region_defaulted",)),
        ("Paper,$12.50,", "US", "USD", ("region_defaulted",)),
        ("Paper,12.50,$", "CA", "CAD", ("region_defaulted",)),
        ("Paper,12.50,", "GB", "GBP", ("region_defaulted", "currency_defaulted")),
        ("Paper,12.50,", "US-TX", "USD", ("region_defaulted", "currency_defaulted")),
    ],
)
def test_the_currency_is_found_or_that_of_the_region_and_flagged(
    tmp_path: Path, line: str, region: str | None, currency: str, flags: tuple[str, ...]
) -> None:
    (row,), issues = validated(tmp_path, LEDGER + line + "\n", region=region)
    assert (row.volume, row.unit, row.currency, row.flags) == (12.5, currency, currency, flags)
    assert not issues


def test_the_currency_given_with_the_upload_is_no_default(tmp_path: Path) -> None:
    (row,), _ = validated(tmp_path, "Item,Amount\nPaper,12.50\n", region="GB", currency="EUR")
    assert (row.currency, row.flags) == ("EUR", ("region_defaulted",))


def test_thousands_of_a_currency_stay_a_unit_of_their_own(tmp_path: Path) -> None:
    (row,), _ = validated(tmp_path, "Item,Spend (k€)\nPaper,12.5\n")
    assert (row.volume, row.unit, row.currency) == (12.5, "kEUR", "EUR")


def test_a_credit_note_is_kept_and_flagged_and_zero_is_kept(tmp_path: Path) -> None:
    rows, _ = validated(tmp_path, LEDGER + "Paper,(12.50),EUR\nPaper,-1.5,EUR\nPaper,0,EUR\n")
    assert [(row.volume, row.flags) for row in rows] == [
        (-12.5, ("credit_note",)), (-1.5, ("credit_note",)), (0.0, ()),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("Diesel,12,boxes,GB,,,", "unit_unknown"),
        ("Diesel,12,,GB,,,", "unit_missing"),
        ("Diesel,12,gal,,,,", "unit_ambiguous"),
        ("Diesel,abc,l,GB,,,", "number_invalid"),
        ("Diesel,=1+2,l,GB,,,", "number_invalid"),
        ("Diesel,NaN,l,GB,,,", "number_invalid"),
        ("Diesel,50%,l,GB,,,", "number_invalid"),
        ('Diesel,"1,260",l,,,,', "number_ambiguous"),
        ("Diesel,,l,GB,,,", "number_missing"),
        ("Diesel,-,l,GB,,,", "number_missing"),
        ("Diesel,-12,l,GB,,,", "negative_quantity"),
        (",12,l,GB,,,", "activity_missing"),
        ("Paper,,,,,12.50,", "currency_missing"),
        ("Paper,,,GB,,12.50,XQZ", "currency_unknown"),
        ("Paper,,,GB,,£12.50,EUR", "currency_conflict"),
        ("Paper,,,GB,,abc,EUR", "number_invalid"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_says_why(tmp_path: Path, line: str, code: str) -> None:
    # A second row keeps the table recognizable whatever the first one holds.
    rows, issues = validated(tmp_path, HEAD + line + "\nGas,12,kWh,GB,2024-01-01,1,EUR\n")
    assert len(rows) == 1
    (issue,) = issues
    assert (issue.code, issue.severity, issue.row_number) == (code, Severity.REJECTED, 2)
    assert issue.column in HEAD
    assert issue.message.startswith(f'Row 2, column "{issue.column}": ')


def test_rows_that_are_no_activities_are_rejected_by_name(tmp_path: Path) -> None:
    text = HEAD + "Gas,1,kWh,GB,,,\n,,,,,,\n" + HEAD + "Total,1,,,,,\nSee the note below,,,,,,\n"
    _, issues = validated(tmp_path, text + "x" * 40_000 + ",1,l,,,,\nDie\0sel,1,l,,,,\n")
    assert [(issue.row_number, issue.code) for issue in issues] == [
        (3, "row_blank"), (4, "header_repeated"), (5, "row_total"), (6, "row_note"),
        (7, "cell_too_large"), (8, "bad_character"),
    ]  # fmt: skip


def test_the_value_of_an_issue_is_cut(tmp_path: Path) -> None:
    issue = rejection(tmp_path, "Diesel,12," + "b" * 500 + ",GB,,,")
    assert issue.value_text == "b" * 200


def test_what_costs_only_a_date_or_region_is_a_warning(tmp_path: Path) -> None:
    rows, issues = validated(
        tmp_path,
        HEAD + "Gas,12.5,kWh,Atlantis,2024-01-31,,\nGas,12.5,kWh,,30.02.2024,,\n"
        "Gas,12.5,kWh,,03/04/2024,,\n",
    )
    assert [(row.region, row.activity_on, row.year) for row in rows] == [
        (None, dt.date(2024, 1, 31), 2024), (None, None, None), (None, None, 2024),
    ]  # fmt: skip
    assert [(i.row_number, i.code, i.severity) for i in issues] == [
        (2, "region_unknown", Severity.WARNING), (3, "date_invalid", Severity.WARNING),
        (4, "date_ambiguous", Severity.WARNING),
    ]  # fmt: skip
    assert rows[0].flags == ("region_unknown",)


def test_a_rejected_row_lists_everything_that_is_wrong_with_it(tmp_path: Path) -> None:
    _, issues = validated(
        tmp_path,
        HEAD + "Gas,12.5,buckets,Atlantis,2024-06-31,,\nGas,many,buckets,GB,2024-01-31,,\n"
        f"{'x' * 601},many,kWh,GB,31.06.2024,,\nGas,-5,kWh,GB,2024-06-31,,\n",
    )
    found: dict[int, list[tuple[str, str]]] = {}
    for issue in issues:
        found.setdefault(issue.row_number, []).append((issue.severity.value, issue.code))
    assert found == {
        2: [("rejected", "unit_unknown"), ("warning", "region_unknown"),
            ("warning", "date_invalid")],
        3: [("rejected", "number_invalid"), ("warning", "unit_unknown")],
        4: [("rejected", "text_too_long"), ("warning", "number_invalid"),
            ("warning", "date_invalid")],
        5: [("rejected", "negative_quantity"), ("warning", "date_invalid")],
    }  # fmt: skip


def test_a_period_is_flagged(tmp_path: Path) -> None:
    row = one(tmp_path, "Gas,12,kWh,GB,Q3 2024,,")
    assert (row.activity_on, row.year, row.flags) == (dt.date(2024, 7, 1), 2024, ("date_period",))


def test_each_region_reads_its_own_thousands_in_one_column(tmp_path: Path) -> None:
    rows, _ = validated(
        tmp_path,
        HEAD + 'Gas,"41,087.33",kWh,GB,,,\nErdgas,96.400,kWh,DE,,,\nGas,"2,350",kWh,US,,,\n'
        'Gas,"15,004",kWh,,,,\n',
    )
    assert [row.volume for row in rows] == [41087.33, 96400.0, 2350.0, 15004.0]


def test_a_column_of_us_states_is_not_read_as_countries(tmp_path: Path) -> None:
    rows, _ = validated(tmp_path, HEAD + "Power,1,kWh,CA,,,\nPower,1,kWh,TX,,,\n")
    assert [row.region for row in rows] == ["US-CA", "US-TX"]


def test_a_missing_name_is_taken_from_its_description(tmp_path: Path) -> None:
    rows, _ = validated(
        tmp_path,
        "Activity,Description,Quantity,Unit\nDiesel,van,1,l\nDiesel,bus,1,l\n,red diesel,2,l\n",
    )
    assert rows[2].activity_name == "red diesel"
    assert rows[2].flags == ("name_defaulted",)


def test_a_missing_name_is_taken_from_its_type_where_nothing_is_described(tmp_path: Path) -> None:
    rows, _ = validated(
        tmp_path,
        "Activity,Category,Quantity,Unit\nDiesel,Fuel,1,l\nPetrol,Fuel,1,l\n,Water,2,l\n",
    )
    assert rows[2].activity_name == "Water"
    assert rows[2].flags == ("name_defaulted",)


def test_remarks_in_a_german_file_cost_no_row(tmp_path: Path) -> None:
    rows, issues = validated(
        tmp_path,
        "Standort;Energieart;Zeitraum;Verbrauch;Einheit;Kosten (EUR);Bemerkung\n"
        "Kassel;Strom;01.2024;12.500;kWh;3.750,00;\n"
        "Kassel;Erdgas;01.2024;8.300;kWh;830,00;\n"
        "Kassel;Heizöl;02.2024;1.500;l;1.650,00;Tank 2\n"
        "Fulda;Fernwärme;02.2024;6.000;kWh;720,00;Schätzung\n",
        region="DE",
    )
    assert not issues
    assert [row.activity_name for row in rows] == ["Strom", "Erdgas", "Heizöl", "Fernwärme"]
    assert [row.volume for row in rows] == [12_500, 8_300, 1_500, 6_000]
    assert rows[2].activity_description == "Tank 2"


def test_a_table_that_is_no_raw_part_is_a_defect(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text(HEAD + "Gas,1,kWh,GB,,,\n", encoding="utf-8")
    report = parse_file(source, tmp_path, ParseOptions())
    table, _ = validate_part(pq.read_table(tmp_path / "part-00000.parquet"),
                             ValidationContext(report))  # fmt: skip
    with pytest.raises(ValueError, match="raw part"):
        validate_part(table, ValidationContext(report))


CELL = st.one_of(
    st.sampled_from(["", "12", "1.260", "1,5", "-3", "kWh", "gal", "GB", "DE", "2024-01-31", "€5",
                     "EUR", "Total", "Diesel", "NaN", "=1"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10),
)  # fmt: skip


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(CELL, min_size=7, max_size=7), max_size=12), st.sampled_from(["GB", None]))
def test_rows_in_are_rows_out_whatever_they_hold(
    tmp_path: Path, rows: list[list[str]], region: str | None
) -> None:
    text = "".join(
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows
    )
    validated(tmp_path, HEAD + "Gas,1,kWh,GB,2024-01-31,1,EUR\n" * 9 + text, region=region)
