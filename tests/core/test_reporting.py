"""Cells of reports: no formulas, every digit; and sums that no order changes."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import exact
from core.reporting import (
    DETAIL_INDEX,
    GROUP_COLUMNS,
    GroupBy,
    Pace,
    ReportFormat,
    ReportType,
    effective_groups,
    group_columns,
    harmless,
    pace_of,
    plain_number,
    shows_details,
)


@pytest.mark.parametrize("start", list("=+-@\t\r\n\0＝＋－＠"))
def test_what_may_start_a_formula_is_marked_as_text(start: str) -> None:
    for text in (f"{start}1", start, f" {start}1", f"\u00a0{start}1"):
        assert harmless(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "Diesel", "1-2", "a=b", "'x", "é", "-".join("ab"), " x", "(1)"]
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"), (-7, "-7"), (0.1, "0.1"), (-12.5, "-12.5"), (8850.0, "8850"), (100.0, "100"),
        (1e-07, "0.0000001"), (1.5e21, "1500000000000000000000"), (3084.984, "3084.984"),
        (Decimal("8850.30"), "8850.3"), (Decimal("1E+3"), "1000"), (Decimal(), "0"),
        (0.30000000000000004, "0.30000000000000004"),
    ],
)  # fmt: skip
def test_numbers_are_written_plainly_with_every_digit(
    value: int | float | Decimal, written: str
) -> None:
    assert plain_number(value) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_reads_back_the_same(value: float) -> None:
    written = plain_number(value)
    assert float(written) == value
    assert "e" not in written


def test_an_exact_sum_is_the_same_in_every_order() -> None:
    # as floats: (1e16 + 1) - 1e16 = 0, and 0.1 + 0.2 is no 0.3
    values = [exact.stored(v) for v in (1e16, 1.0, -1e16, 0.1, 0.2)]
    for order in itertools.permutations(values):
        assert exact.total(order) == Decimal("1.3")


def test_an_exact_sum_spans_more_digits_than_the_default_context() -> None:
    # 1e25 + 1e-10 has 36 digits
    total = exact.add(Decimal("1e25"), Decimal("1e-10"))
    assert format(total, "f") == "10000000000000000000000000.0000000001"


def test_every_group_column_is_a_column_of_the_details() -> None:
    assert set(GROUP_COLUMNS) == set(GroupBy)
    for columns in GROUP_COLUMNS.values():
        assert set(columns) <= set(DETAIL_INDEX)


def test_a_summary_that_names_no_group_is_by_scope() -> None:
    assert effective_groups(ReportType.EMISSION_SUMMARY, []) == (GroupBy.SCOPE,)
    assert effective_groups(ReportType.CUSTOM, []) == ()
    named = [GroupBy.FILE, GroupBy.TYPE, GroupBy.FILE]
    assert effective_groups(ReportType.DETAILED, named) == (GroupBy.FILE, GroupBy.TYPE)
    assert group_columns(named) == ("file_name", "file_id", "activity_type")


def test_a_detailed_report_always_lists_its_figures() -> None:
    assert shows_details(ReportType.DETAILED, False)
    assert shows_details(ReportType.CUSTOM, True)
    assert not shows_details(ReportType.EMISSION_SUMMARY, False)


def test_every_format_has_a_pace_and_details_take_longer() -> None:
    for file_format in ReportFormat:
        pace = pace_of(file_format)
        assert pace.seconds(0, details=True) == pace.start_s
        summed, listed = (pace.seconds(10**6, details=d) for d in (False, True))
        assert pace.start_s < summed < listed
    # pages are always laid out: a PDF begins later than a CSV
    assert pace_of(ReportFormat.PDF).seconds(1, details=False) > pace_of(ReportFormat.CSV).seconds(
        1, details=False
    )


def test_the_seconds_of_a_report_are_those_of_its_sums_and_of_its_lines() -> None:
    pace = Pace(start_s=2, summed_per_s=100, listed_per_s=10)
    assert pace.seconds(1000, details=False) == 12  # 2 + 1000 / 100
    assert pace.seconds(1000, details=True) == 112  # and 1000 / 10
