"""Ledgers, bills and logs as people send them: what is read, and that nothing is lost."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core.errors import FileRejected
from core.parsing.parse import parse_file
from core.parsing.report import ParseOptions, ParseReport
from core.records import ActivityRow, RowIssue, Severity
from core.validation import ValidationContext, rows_of, validate_part
from tests.core.parsing.test_parse import workbook


class Read:
    """An upload after parsing and validating."""

    def __init__(self, report: ParseReport, rows: list[ActivityRow], issues: list[RowIssue]):
        self.report, self.rows, self.issues = report, rows, issues

    def of(self, *names: str) -> list[tuple[Any, ...]]:
        return [tuple(getattr(row, name) for name in names) for row in self.rows]

    @property
    def rejected(self) -> list[tuple[int, str]]:
        return [(i.row_number, i.code) for i in self.issues if i.severity is Severity.REJECTED]


def read(tmp_path: Path, content: bytes | str, name: str = "a.csv", **told: Any) -> Read:
    source, out = tmp_path / "object", tmp_path / "parts"
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    out.mkdir(exist_ok=True)
    told = {"region": "GB"} | told
    options = ParseOptions.from_upload(filename=name, **told)
    report = parse_file(source, out, options)
    rows: list[ActivityRow] = []
    issues: list[RowIssue] = []
    for part in report.parts:
        typed, found = validate_part(
            pq.read_table(out / part.name), ValidationContext.of(report, options)
        )
        rows += rows_of(typed)
        issues += found
    rejected = [i for i in issues if i.severity is Severity.REJECTED]
    # Every row, or every figure of a row, is read or rejected; none twice.
    assert report.rows_total == len(rows) + len(rejected)
    places = [(r.sheet, r.row_number, r.column_number) for r in (*rows, *rejected)]
    assert len(set(places)) == len(places)
    assert all(str(issue.row_number) in issue.message for issue in rejected)
    return Read(report, rows, issues)


def test_months_across_become_one_row_each(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "Energy use 2024\n\nFuel,Unit,Jan,Feb,Mar,Total\n"
        "Electricity,kWh,100,110,,210\nNatural gas,kWh,50,n/k,70,120\nTotal,,150,110,70,330\n",
    )
    assert found.of("row_number", "column_number", "activity_name", "volume", "activity_on") == [
        (4, 3, "Electricity", 100, dt.date(2024, 1, 1)),
        (4, 4, "Electricity", 110, dt.date(2024, 2, 1)),
        (5, 3, "Natural gas", 50, dt.date(2024, 1, 1)),
        (5, 5, "Natural gas", 70, dt.date(2024, 3, 1)),
    ]
    assert found.rejected == [(5, "number_invalid"), (6, "row_total")]
    (issue,) = [i for i in found.issues if i.code == "number_invalid"]
    assert (issue.column, issue.column_number, issue.value_text) == ("Feb", 4, "n/k")


def test_years_across_in_a_workbook_are_numbers(tmp_path: Path) -> None:
    book = workbook(("S", {
        "A1": "Material", "B1": "Unit", "C1": 2022, "D1": 2023, "E1": 2024,
        "A2": "Paper", "B2": "t", "C2": 1, "D2": 2, "E2": 3,
        "A3": "Steel", "B3": "t", "C3": 4.5, "D3": 0, "E3": 6,
    }))  # fmt: skip
    found = read(tmp_path, book, "a.xlsx")
    assert found.of("activity_name", "volume", "year") == [
        ("Paper", 1, 2022), ("Paper", 2, 2023), ("Paper", 3, 2024),
        ("Steel", 4.5, 2022), ("Steel", 0, 2023), ("Steel", 6, 2024),
    ]  # fmt: skip


def test_dates_as_headings_of_a_workbook(tmp_path: Path) -> None:
    book = workbook(("Spend", {
        "A1": "Account", "B1": dt.date(2024, 1, 1), "C1": dt.date(2024, 2, 1),
        "D1": dt.date(2024, 3, 1), "A2": "Paper", "B2": 10.5, "C2": 11, "D2": 12,
    }))  # fmt: skip
    found = read(tmp_path, book, "a.xlsx")
    assert found.of("volume", "currency", "activity_on") == [
        (10.5, "GBP", dt.date(2024, 1, 1)), (11, "GBP", dt.date(2024, 2, 1)),
        (12, "GBP", dt.date(2024, 3, 1)),
    ]  # fmt: skip


def test_years_above_months_are_one_heading(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        ",,2023,,,2024,,\nFuel,Unit,Oct,Nov,Dec,Jan,Feb,Mar\nDiesel,litres,1,2,3,4,5,6\n",
    )
    assert [on for (on,) in found.of("activity_on")] == [
        dt.date(2023, 10, 1), dt.date(2023, 11, 1), dt.date(2023, 12, 1),
        dt.date(2024, 1, 1), dt.date(2024, 2, 1), dt.date(2024, 3, 1),
    ]  # fmt: skip


def test_months_with_quantity_and_cost_are_counted_once(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "Fuel,Jan 2024 (kWh),Jan 2024 (GBP),Feb 2024 (kWh),Feb 2024 (GBP)\nGas,10,1.5,20,3.1\n",
    )
    assert found.of("volume", "unit_text") == [(10, "kWh"), (20, "kWh")]


def test_supplies_across_are_activities_of_their_own(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "Month,Site,Electricity (kWh),Natural gas (kWh),Water (m3)\n"
        "Jan-24,London,100,200,3\nFeb-24,London,110,,4\n",
    )
    assert found.of("row_number", "activity_name", "volume", "activity_on") == [
        (2, "Electricity", 100, dt.date(2024, 1, 1)),
        (2, "Natural gas", 200, dt.date(2024, 1, 1)),
        (2, "Water", 3, dt.date(2024, 1, 1)),
        (3, "Electricity", 110, dt.date(2024, 2, 1)),
        (3, "Water", 4, dt.date(2024, 2, 1)),
    ]


def test_one_block_a_meter_takes_its_name_from_above(tmp_path: Path) -> None:
    preamble = "".join(f"Line {n} of the letterhead,,\n" for n in range(16))
    found = read(
        tmp_path,
        preamble + "Half-hourly billing 2024,,\nElectricity - Main building,,\n"
        "Month,Reading,Consumption (kWh)\nJan,1000,500\nFeb,1500,510\nTotal,,1010\n\n"
        "Gas - Annex,,\nMonth,Reading,Consumption (kWh)\nJan,2000,70\nFeb,2070,71\nTotal,,141\n",
    )
    assert found.of("activity_name", "volume", "activity_on") == [
        ("Electricity - Main building", 500, dt.date(2024, 1, 1)),
        ("Electricity - Main building", 510, dt.date(2024, 2, 1)),
        ("Gas - Annex", 70, dt.date(2024, 1, 1)),
        ("Gas - Annex", 71, dt.date(2024, 2, 1)),
    ]
    assert [code for _, code in found.rejected] == [
        "row_total", "row_blank", "row_note", "header_repeated", "row_total",
    ]  # fmt: skip


def test_several_tables_on_a_sheet_have_headings_of_their_own(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "Fuel,Litres,Date\nDiesel,100,31/01/2024\nPetrol,50,28/02/2024\n\n"
        "Business travel,,\nMode,Distance (km),Period\nRail,1200,Q1 2024\nTaxi,30,Q2 2024\n",
    )
    assert found.of("row_number", "activity_name", "volume", "activity_on") == [
        (2, "Diesel", 100, dt.date(2024, 1, 31)),
        (3, "Petrol", 50, dt.date(2024, 2, 28)),
        (7, "Rail", 1200, dt.date(2024, 1, 1)),
        (8, "Taxi", 30, dt.date(2024, 4, 1)),
    ]
    assert [table.header_row for table in found.report.tables] == [1, 6]


@pytest.mark.parametrize("lines", [0, 5, 18, 30])
def test_a_preamble_of_any_length(tmp_path: Path, lines: int) -> None:
    above = "".join(f"Account {n},value {n},2023\n" for n in range(lines))
    found = read(tmp_path, above + "Activity,Quantity,Unit\nDiesel,5,litres\n")
    assert found.of("activity_name", "volume") == [("Diesel", 5)]


def test_subtotals_are_rejected_wherever_they_stand(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "Site,Activity,Quantity,Unit\nA,Gas,1,kWh\nA,Power,2,kWh\nA Total,,3,\n"
        "B,Gas,4,kWh\nSubtotal B,,4,\nB,Total,4,kWh\nGrand Total,,7,\n",
    )
    assert [volume for (volume,) in found.of("volume")] == [1, 2, 4]
    assert {code for _, code in found.rejected} == {"row_total"}


def test_a_unit_stated_above_holds_for_the_column(tmp_path: Path) -> None:
    found = read(tmp_path, "Consumption in MWh,\n\nMeter,Jan,Feb,Mar\nElectricity,1,2,3\n",
                 reporting_year=2023)  # fmt: skip
    assert [(v, on) for v, on in found.of("volume", "activity_on")] == [
        (1, dt.date(2023, 1, 1)), (2, dt.date(2023, 2, 1)), (3, dt.date(2023, 3, 1)),
    ]  # fmt: skip
    assert found.report.tables[0].unit_text == "MWh"


def test_a_sheet_says_what_its_rows_are(tmp_path: Path) -> None:
    def sheet() -> dict[str, Any]:
        return {"A1": "Meter", "B1": "Month", "C1": "kWh", "A2": "M1", "B2": "Jan 2024", "C2": 5}

    book = workbook(("Electricity", sheet()), ("Natural gas 2024", sheet()))
    found = read(tmp_path, book, "a.xlsx")
    assert [name for (name,) in found.of("activity_name")] == ["Electricity", "Natural gas 2024"]


def test_a_ledger_without_units_is_money(tmp_path: Path) -> None:
    found = read(tmp_path, "Supplier,Account,Date,Amount\nX Ltd,Stationery,05/01/2024,1200.50\n"
                 "Y Ltd,Catering,25/01/2024,(80.00)\n")  # fmt: skip
    assert found.of("activity_name", "volume", "currency") == [
        ("Stationery", 1200.5, "GBP"), ("Catering", -80, "GBP"),
    ]  # fmt: skip


def test_letters_map_a_file_without_headings(tmp_path: Path) -> None:
    found = read(tmp_path, "Diesel,100,litres\nPetrol,50,litres\n",
                 mapping={"A": "activity_name", "B": "volume", "C": "unit"})  # fmt: skip
    assert found.of("row_number", "activity_name", "volume") == [
        (1, "Diesel", 100), (2, "Petrol", 50),
    ]  # fmt: skip


def test_quarters_across_in_german(tmp_path: Path) -> None:
    found = read(tmp_path, "Verbrauch 2023;;;;;\nEnergieträger;Einheit;Q1;Q2;Q3;Q4\n"
                 "Strom;kWh;1.000,5;2.000;3.000;4.000\n", region="DE")  # fmt: skip
    assert [v for (v,) in found.of("volume")] == [1000.5, 2000, 3000, 4000]
    assert found.rows[1].activity_on == dt.date(2023, 4, 1)


def test_a_row_without_any_figure_is_one_rejection(tmp_path: Path) -> None:
    found = read(tmp_path, "Fuel,Unit,Jan 2024,Feb 2024\nGas,kWh,1,2\nOil,litres,,-\n")
    assert len(found.rows) == 2
    assert found.rejected == [(3, "number_missing")]


def test_a_table_above_a_better_known_one_is_read_too(tmp_path: Path) -> None:
    upper = "Activity,Quantity,Unit\nDiesel,5,litres\nPetrol,6,litres\n"
    lower = "Activity,Quantity,Unit,Date,Country\nGas,7,kWh,2024-01-01,GB\n"
    path, out = tmp_path / "a.csv", tmp_path / "out"
    path.write_text(f"Fuels and heat\n\n{upper}\n{lower}")
    out.mkdir()
    report = parse_file(path, out, ParseOptions(filename="a.csv", reporting_year=2024))
    # two rows, the blank line below them, one row
    assert [(table.header_row, table.rows) for table in report.tables] == [(3, 3), (7, 1)]
    assert report.notes == ()


def test_a_table_above_that_we_are_not_sure_of_is_told(tmp_path: Path) -> None:
    path, out = tmp_path / "a.csv", tmp_path / "out"
    path.write_text("Site,kWh\nA,5\nB,6\n\nActivity,Quantity,Unit,Country\nGas,7,kWh,GB\n")
    out.mkdir()
    report = parse_file(path, out, ParseOptions(filename="a.csv", reporting_year=2024))
    (table,) = report.tables
    assert (table.header_row, [row.number for row in table.outside]) == (5, [1, 2, 3, 5])
    (note,) = report.notes
    assert note.startswith("Row 1 may head another table; what stands above the headings in row 5")


def test_lines_above_a_table_that_only_name_things_are_no_table(tmp_path: Path) -> None:
    path, out = tmp_path / "a.csv", tmp_path / "out"
    path.write_text(
        "Company,Acme\nYear,2024\nQuantity,of activity,by unit\n\n"
        "Activity,Quantity,Unit,Country\nGas,7,kWh,GB\n"
    )
    out.mkdir()
    report = parse_file(path, out, ParseOptions(filename="a.csv", reporting_year=2024))
    (table,) = report.tables
    assert (table.header_row, report.notes) == (5, ())


def test_a_date_merged_over_rows_holds_for_each_of_them(tmp_path: Path) -> None:
    book = workbook(("S", {
        "A1": "Date", "B1": "Activity", "C1": "Quantity", "D1": "Unit",
        "!merge": {"A2:A3": "2024-03-01"}, "B2": "Gas", "C2": 1, "D2": "kWh",
        "B3": "Electricity", "C3": 2, "D3": "kWh", "A4": "2024-04-01", "B4": "Gas", "C4": 3,
        "D4": "kWh",
    }))  # fmt: skip
    found = read(tmp_path, book, "a.xlsx")
    march, april = dt.date(2024, 3, 1), dt.date(2024, 4, 1)
    assert found.of("volume", "activity_on") == [(1, march), (2, march), (3, april)]


def test_numbers_with_their_units_decide_the_decimal_sign(tmp_path: Path) -> None:
    found = read(tmp_path, 'Activity,Quantity\nGas,"1.234,56 kWh"\nOil,12.500 kWh\n')
    assert found.of("volume") == [(1234.56,), (12500,)]


def test_a_price_without_cents_is_no_credit(tmp_path: Path) -> None:
    found = read(
        tmp_path, "Artikel;Betrag\nPapier;50,-\nStift;1.250,-\nGutschrift;12,50-\n", region="DE"
    )
    assert found.of("volume") == [(50,), (1250,), (-12.5,)]


def test_two_digit_years_are_read_in_the_order_that_was_told(tmp_path: Path) -> None:
    content = "Activity,Quantity,Unit,Date\nGas,1,kWh,31-12-23\nGas,1,kWh,05-12-23\n"
    found = read(tmp_path, content)
    assert found.of("activity_on", "year") == [(None, None), (dt.date(2023, 12, 5), 2023)]
    found = read(tmp_path, content, mapping={"date_order": "dmy"})
    assert [on for (on,) in found.of("activity_on")] == [
        dt.date(2023, 12, 31), dt.date(2023, 12, 5),
    ]  # fmt: skip


def test_the_clock_of_a_vehicle_is_not_what_a_fuel_card_paid_for(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "Date,Site,Product,Litres,Gross,Mileage\n02/01/2024,Leeds,Diesel,45.2,65.5,45210\n"
        "14/01/2024,York,Unleaded,30.1,42,45510\n22/01/2024,York,Diesel,40.1,42,46010\n",
    )
    assert found.of("volume", "unit") == [(45.2, "l"), (30.1, "l"), (40.1, "l")]


@pytest.mark.parametrize("other", ["Odometer", "Last year kWh", "Order"])
def test_numbers_of_five_digits_are_no_days_unless_they_are_called_so(
    tmp_path: Path, other: str
) -> None:
    lines = "".join(f"Gas,{n}.5,kWh,{45_000 + n}\n" for n in range(5))
    found = read(tmp_path, f"Activity,Quantity,Unit,{other}\n{lines}", reporting_year=2024)
    assert found.of("activity_on", "year") == [(None, 2024)] * 5
    called = read(tmp_path, f"Activity,Quantity,Unit,Date\n{lines}", reporting_year=2024)
    assert called.of("activity_on")[0] == (dt.date(2023, 3, 15),)


@pytest.mark.parametrize("said", ["No", "NA", "IN"])
def test_a_column_that_says_no_is_not_in_norway(tmp_path: Path, said: str) -> None:
    lines = "".join(f"Electricity,{n},kWh,{said}\n" for n in range(5))
    found = read(tmp_path, f"Activity,Quantity,Unit,Recurring\n{lines}", region="GB")
    assert {region for (region,) in found.of("region")} == {"GB"}
    countries = "Gas,1,kWh,France\nGas,1,kWh,Germany\nGas,1,kWh,DE\n"
    named = read(tmp_path, f"Activity,Quantity,Unit,Where to\n{countries}", region="GB")
    assert [region for (region,) in named.of("region")] == ["FR", "DE", "DE"]


def test_a_department_called_all_does_not_pay_in_albanian_money(tmp_path: Path) -> None:
    lines = "".join(f"Paper,{n},ALL\n" for n in range(5))
    found = read(tmp_path, f"Account,Amount,Dept\n{lines}")
    assert {currency for (currency,) in found.of("currency")} == {"GBP"}
    named = read(tmp_path, f"Account,Amount,Currency\n{lines}")
    assert {currency for (currency,) in named.of("currency")} == {"ALL"}


def test_a_column_called_state_holds_states(tmp_path: Path) -> None:
    content = "Activity,Quantity,Unit,State\nElectricity,1,kWh,CA\nElectricity,2,kWh,IN\n"
    found = read(tmp_path, content, region="US")
    assert [region for (region,) in found.of("region")] == ["US-CA", "US-IN"]


def test_months_of_a_financial_year_are_not_all_in_its_first(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "Financial year,Month,Activity,Quantity,Unit\n2023/24,Apr,Gas,1,kWh\n"
        "2023/24,Jan,Gas,2,kWh\n2024,Feb,Gas,3,kWh\n",
    )
    assert found.of("activity_on", "year") == [
        (None, 2023), (None, 2023), (dt.date(2024, 2, 1), 2024),
    ]  # fmt: skip
    assert [i.code for i in found.issues] == ["date_invalid", "date_invalid"]


RUNNING_ON = "Fuel,Unit,Oct,Nov,Dec,Jan,Feb\nGas,kWh,1,2,3,4,5\n"


@pytest.mark.parametrize("title", ["Energy use FY2023/24", "Year 2023-2024"])
def test_months_that_run_on_into_another_year_are_of_it(tmp_path: Path, title: str) -> None:
    found = read(tmp_path, f"{title}\n\n{RUNNING_ON}")
    assert [on for (on,) in found.of("activity_on")] == [
        dt.date(2023, 10, 1), dt.date(2023, 11, 1), dt.date(2023, 12, 1),
        dt.date(2024, 1, 1), dt.date(2024, 2, 1),
    ]  # fmt: skip


def test_months_that_run_on_are_in_the_one_year_that_is_stated_and_on_no_day(
    tmp_path: Path,
) -> None:
    found = read(tmp_path, f"Energy use 2023\n\n{RUNNING_ON}")
    assert found.of("activity_on", "year") == [(None, 2023)] * 5
    told = read(tmp_path, RUNNING_ON, reporting_year=2024)
    assert told.of("activity_on", "year") == [(None, 2024)] * 5


def test_emissions_by_year_are_not_spend(tmp_path: Path) -> None:
    with pytest.raises(FileRejected) as caught:
        read(tmp_path, "Source,2022 (tCO2e),2023 (tCO2e)\nGas,100,200\nElectricity,1,2\n")
    assert caught.value.code == "no_quantity_column"
    found = read(tmp_path, "Activity,Usage,Unit,Carbon (kg)\nGas,100,kWh,18\nGas,101,kWh,19\n")
    assert found.of("volume", "unit") == [(100, "kWh"), (101, "kWh")]


def test_a_very_long_region_costs_its_region_only(tmp_path: Path) -> None:
    lines = "".join(f'Gas,1,kWh,"{"DE," * 9_000}{n}"\n' for n in range(3))
    found = read(tmp_path, f"Activity,Quantity,Unit,Country\nGas,1,kWh,DE\n{lines}")
    assert [region for (region,) in found.of("region")] == ["DE", None, None, None]


def test_headings_of_three_lines_end_with_their_units(tmp_path: Path) -> None:
    book = workbook(("S", {
        "A1": "Energy 2023", "A2": "Site", "!merge": {"B2:C2": "Electricity", "D2:E2": "Gas"},
        "B3": "Usage", "C3": "Cost", "D3": "Usage", "E3": "Cost",
        "B4": "kWh", "C4": "GBP", "D4": "kWh", "E4": "GBP",
        "A5": "London", "B5": 100, "C5": 10, "D5": 200, "E5": 20,
    }))  # fmt: skip
    found = read(tmp_path, book, "a.xlsx")
    assert found.report.tables[0].header_lines == 3
    assert found.of("row_number", "activity_name", "volume", "unit") == [
        (5, "Electricity Usage", 100, "kWh"), (5, "Gas Usage", 200, "kWh"),
    ]  # fmt: skip
    assert not any("only 1 of 1" in note for note in found.report.notes)


def test_the_number_of_an_account_is_no_activity(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "Account: 12345\nMeter: E100 Electricity\nDate,Reading,Usage,Unit\n"
        "01/01/2024,100,50,kWh\n13/02/2024,150,60,kWh\n\nMeter: G200 Natural gas\n"
        "Date,Reading,Usage,Unit\n01/01/2024,10,5,m3\n",
    )
    assert [name for (name,) in found.of("activity_name")] == [
        "Meter: E100 Electricity", "Meter: E100 Electricity", "Meter: G200 Natural gas",
    ]  # fmt: skip


def test_of_a_refrigerant_what_leaked_counts(tmp_path: Path) -> None:
    found = read(
        tmp_path, "Asset,Refrigerant,Charge (kg),Leakage (kg)\nChiller,R-410A,20,2\nHVAC,R-32,9,1\n"
    )
    assert found.of("activity_name", "volume") == [("R-410A", 2), ("R-32", 1)]


def test_a_list_as_sap_prints_it(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "01.02.2024          Dynamische Listenausgabe\n--------------------\n"
        "| Buch.dat.|Kurztext     |     Menge|BME|    Betrag|Währg|\n--------------------\n"
        "|31.01.2024|Diesel       | 1.234,560|L  | 1.500,00 |EUR  |\n"
        "|31.01.2024|Heizöl EL    |   500,000|L  |   450,00-|EUR  |\n--------------------\n"
        "|*         |             |          |   | 1.050,00 |EUR  |\n",
        region="DE",
    )
    assert found.of("activity_name", "volume", "unit", "activity_on") == [
        ("Diesel", 1234.56, "l", dt.date(2024, 1, 31)),
        ("Heizöl EL", 500, "l", dt.date(2024, 1, 31)),
    ]  # fmt: skip


def test_names_say_in_what_unit_the_months_beside_them_are(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        ",Jan 2024,Feb 2024\nElectricity (kWh),100,110\nWater [m3],3,4\nCost (£),5,\nStaff,7,8\n",
    )
    assert found.of("activity_name", "volume", "unit") == [
        ("Electricity (kWh)", 100, "kWh"), ("Electricity (kWh)", 110, "kWh"),
        ("Water [m3]", 3, "m3"), ("Water [m3]", 4, "m3"), ("Cost (£)", 5, "GBP"),
    ]  # fmt: skip
    assert found.rejected == [(5, "unit_missing"), (5, "unit_missing")]


def test_names_say_in_what_unit_the_figure_beside_them_is(tmp_path: Path) -> None:
    found = read(
        tmp_path, "Metric,Value 2023\nElectricity consumption (kWh),12000\nDiesel (litres),300\n"
    )
    assert found.of("volume", "unit") == [(12000, "kWh"), (300, "l")]
    money = read(tmp_path, "Item,Cost\nElectricity (kWh),12000\nDiesel (litres),300\n")
    assert money.of("volume", "unit") == [(12000, "GBP"), (300, "GBP")]
    ledger = read(tmp_path, "Account,Jan 2024,Feb 2024\nPaper,1,2\nTaxi (km),3,4\nHotel,5,6\n")
    assert {unit for (unit,) in ledger.of("unit")} == {"GBP"}


def test_a_second_amount_is_no_quantity(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "Date,Expense Type,Transaction Amount,Transaction Currency,Reimbursement Amount\n"
        "2024-01-15,Airfare,500,USD,400\n2024-01-16,Hotel,300,USD,240\n",
    )
    assert found.of("volume", "unit") == [(500, "USD"), (300, "USD")]


def test_a_column_that_tells_credits_is_pointed_out(tmp_path: Path) -> None:
    content = (
        "Datum;Bezeichnung;Betrag;S/H\n13.02.2024;Papier;100,00;S\n14.02.2024;Papier;20,00;{}\n"
    )
    found = read(tmp_path, content.format("H"), region="DE")
    assert any("Column D tells debits from credits" in note for note in found.report.notes)
    found = read(tmp_path, content.format("S"), region="DE")
    assert not any("credits" in note for note in found.report.notes)
