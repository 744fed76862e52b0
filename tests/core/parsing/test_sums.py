"""Sums among the figures, down and across: counted with what they add up, all would count twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.parsing.block import Block
from core.parsing.sums import RecentRows
from tests.core.parsing.test_parse import workbook
from tests.core.parsing.test_uglies import read


@pytest.mark.parametrize(
    ("headings", "figures"),
    [
        ("Jan 2024,Feb 2024,Mar 2024,Q1 2024", "1,2,3,6"),
        ("Jan,Feb,Mar,Q1", "1,2,3,6"),
        ("Jan-24,Feb-24,Mar-24,FY24", "1,2,3,6"),
        ("Jan 2024,Feb 2024,Mar 2024,2024", "1,2,3,6"),
        ("Jan 2024 (kWh),Feb 2024 (kWh),Mar 2024 (kWh),Q1 2024 (kWh)", "1,2,3,6"),
        ("Q1 2024,Q2 2024,H1 2024,Q3 2024,FY2024/25", "1,2,3,3,6"),
    ],
)
def test_quarters_and_years_beside_their_months_are_not_counted_again(
    tmp_path: Path, headings: str, figures: str
) -> None:
    found = read(tmp_path, f"Fuel,Unit,{headings}\nGas,kWh,{figures}\n", reporting_year=2024)
    assert found.of("volume") == [(1,), (2,), (3,)]
    assert any("add up shorter periods" in note for note in found.report.notes)


def test_periods_of_any_length_that_hold_no_other_are_all_read(tmp_path: Path) -> None:
    found = read(tmp_path, "Fuel,Unit,2022,2023,Q1 2024,Apr 2024\nGas,kWh,1,2,3,4\n")
    assert found.of("volume", "year") == [(1, 2022), (2, 2023), (3, 2024), (4, 2024)]
    assert not any("add up" in note for note in found.report.notes)


def test_what_was_planned_for_a_period_was_not_used_in_it(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "Fuel,Unit,2023 Budget,2024 Budget,2023 Actual,2024 Actual\nGas,kWh,1,2,3,4\n",
    )
    assert found.of("volume", "year") == [(3, 2023), (4, 2024)]


SUM = "Activity,Quantity,Unit\nElectricity A,100,kWh\nElectricity B,200.5,kWh\n"


def test_a_total_with_a_unit_that_adds_up_what_stands_above_it_is_a_total(tmp_path: Path) -> None:
    found = read(tmp_path, SUM + 'Total electricity,300.5,kWh\nDiesel,"1,000",litres\n')
    assert found.of("activity_name", "volume") == [
        ("Electricity A", 100), ("Electricity B", 200.5), ("Diesel", 1000),
    ]  # fmt: skip
    assert found.rejected == [(4, "row_total")]


def test_a_total_above_its_parts_is_a_total(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "Activity,Quantity,Unit\nTotal energy,1000,kWh\nTotal electricity,600,kWh\n"
        "Electricity A,400,kWh\nElectricity B,200,kWh\nGas,400,kWh\nTotal fuel,70,litres\n"
        "Diesel,50,litres\n",
    )
    assert found.rejected == [(2, "row_total"), (3, "row_total")]
    assert [name for (name,) in found.of("activity_name")] == [
        "Electricity A", "Electricity B", "Gas", "Total fuel", "Diesel",
    ]  # fmt: skip


def test_a_total_above_its_parts_is_found_among_rows_that_are_taken_together(
    tmp_path: Path,
) -> None:
    lines = [f"Electricity,{n},kWh\n" for n in range(1, 3_001)]
    lines[2_500] = f"Total electricity,{sum(range(2_502, 2_522))},kWh\n"
    lines[2_990] = f"Total electricity,{sum(range(2_992, 2_995))},kWh\n"
    found = read(tmp_path, "Activity,Quantity,Unit\n" + "".join(lines))
    assert found.rejected == [(2_502, "row_total"), (2_992, "row_total")]


def test_what_is_called_total_and_adds_up_nothing_is_an_activity(tmp_path: Path) -> None:
    found = read(tmp_path, SUM + "Total electricity,299,kWh\nTotal Gas & Power,50,kWh\n")
    assert found.rejected == []
    assert len(found.rows) == 4


def test_two_equal_bills_of_a_supplier_called_total_are_both_read(tmp_path: Path) -> None:
    bill = "{},Total Gas & Power,Gas,25,kWh\n"
    found = read(
        tmp_path,
        "Date,Supplier,Activity,Quantity,Unit\n"
        + "".join(map(bill.format, ("2024-01-01", "2024-02-01", "2024-03-01"))),
    )
    assert found.rejected == []
    named = read(tmp_path, "Account,Amount\nTotal Gas & Power,25\nTotal Gas & Power,25\n")
    assert named.of("volume") == [(25,), (25,)]


def test_the_total_of_a_single_row_says_less_than_it(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "Activity,Site,Quantity,Unit\nElectricity,Leeds,100,kWh\nTotal electricity,,100,kWh\n"
        "Diesel,York,100,litres\nTotal diesel deliveries,York,100,litres\n",
    )
    assert found.rejected == [(3, "row_total")]


def test_totals_are_found_far_below_where_rows_are_taken_together(tmp_path: Path) -> None:
    lines = [f"Electricity,{n},kWh\n" for n in range(1, 3_001)]
    lines[2_500] = f"Total electricity,{sum(range(2_401, 2_501))},kWh\n"
    found = read(tmp_path, "Activity,Quantity,Unit\n" + "".join(lines))
    assert found.rejected == [(2_502, "row_total")]


def test_rows_are_added_up_whether_they_came_singly_or_together() -> None:
    recent = RecentRows([1])
    recent.add(["a", "1"])
    assert not recent.add_up_to(["Total", "1"])
    assert recent.add_up_to(["", "1"])
    recent.add(Block.of([["b", "2,5"], ["c", "3"]], [2, 3]))
    assert recent.add_up_to(["Total", "6,5"])
    assert not recent.add_up_to(["Total", "7"])
    assert not recent.add_up_to(["Total", ""])
    assert recent.add_up_to(["Total", "9"], [["d", "4"], ["e", "5"], ["f", "6"]])
    assert not recent.add_up_to(["Total", "9"], [["d", "9"]])


def test_looking_for_what_adds_up_comes_to_an_end() -> None:
    recent = RecentRows([0])
    for _ in range(5_000):
        recent.add(["1"])
    assert recent.add_up_to(["1000"])
    assert not recent.add_up_to(["1001"])  # no further up than that
    for _ in range(2_000):
        recent.add_up_to(["1e9"])
    assert not recent.add_up_to(["1000"])  # it was asked often enough


def test_a_sheet_that_may_add_up_the_others_is_pointed_out(tmp_path: Path) -> None:
    cells = {"A1": "Activity", "B1": "Quantity", "C1": "Unit", "A2": "Gas", "B2": 3, "C2": "kWh"}
    both = read(tmp_path, workbook(("Summary 2024", {**cells}), ("Leeds", {**cells})), "a.xlsx")
    assert any('"Summary 2024" was read like the others' in note for note in both.report.notes)
    one = read(tmp_path, workbook(("Summary 2024", {**cells})), "a.xlsx")
    assert not any("like the others" in note for note in one.report.notes)
