"""Dates and periods as people write them, and no guess at which number is the month."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dates import (
    ActivityDate,
    DateOrder,
    DateProblem,
    decide_order,
    evidence,
    month_of,
    read_date,
    read_year,
)


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("2024-08-31", "2024-08-31"), ("2024/8/31", "2024-08-31"), ("20240831", "2024-08-31"),
        ("31.08.2024", "2024-08-31"), ("1.2.24", "2024-02-01"), ("31/08/2024", "2024-08-31"),
        ("08/31/2024", "2024-08-31"), ("5/5/2024", "2024-05-05"),
        ("2024-08-31T13:45:00Z", "2024-08-31"), ("2024-08-31 00:00:00", "2024-08-31"),
        ("31/08/2024 13:45", "2024-08-31"), ("1 August 2024", "2024-08-01"),
        ("1st August 2024", "2024-08-01"), ("August 1, 2024", "2024-08-01"),
        ("01-Aug-2024", "2024-08-01"), ("01-Aug-24", "2024-08-01"), ("1. März 2024", "2024-03-01"),
        ("15. Dezember 2023", "2023-12-15"), ("5 December 2023", "2023-12-05"),
        ("1er août 2024", "2024-08-01"),
        ("3 févr. 2024", "2024-02-03"), ("1 de agosto de 2024", "2024-08-01"),
        ("Thursday 1 August 2024", "2024-08-01"), ("45139", "2023-08-01"),
    ],
)  # fmt: skip
def test_a_day_is_read(text: str, on: str) -> None:
    day = dt.date.fromisoformat(on)
    assert read_date(text) == ActivityDate(day, day.year, "day")


@pytest.mark.parametrize(
    ("text", "on", "period"),
    [
        ("Aug 2024", "2024-08-01", "month"), ("August 2024", "2024-08-01", "month"),
        ("Aug-24", "2024-08-01", "month"), ("2024-08", "2024-08-01", "month"),
        ("08/2024", "2024-08-01", "month"), ("202408", "2024-08-01", "month"),
        ("Mai 2024", "2024-05-01", "month"), ("déc. 2023", "2023-12-01", "month"),
        ("enero de 2024", "2024-01-01", "month"), ("Q3 2024", "2024-07-01", "quarter"),
        ("2024-Q3", "2024-07-01", "quarter"), ("3. Quartal 2024", "2024-07-01", "quarter"),
        ("T3 2024", "2024-07-01", "quarter"), ("H2 2024", "2024-07-01", "half_year"),
        ("2024-01-01 - 2024-01-31", "2024-01-01", "range"),
        ("2024-01-01 to 2024-01-31", "2024-01-01", "range"),
        ("01.01.2024-31.01.2024", "2024-01-01", "range"),
        ("13/01/2024-14/02/2024", "2024-01-13", "range"),
        ("2024-W05", "2024-01-29", "week"), ("W5 2024", "2024-01-29", "week"),
    ],
)  # fmt: skip
def test_a_period_is_read_as_its_first_day_and_marked(text: str, on: str, period: str) -> None:
    found = read_date(text)
    assert isinstance(found, ActivityDate)
    assert (found.on, found.period) == (dt.date.fromisoformat(on), period)


@pytest.mark.parametrize(
    ("text", "year"),
    [("2024", 2024), ("2024.0", 2024), ("FY2024", 2024), ("FY2024/25", 2024), ("2024/25", 2024),
     ("2024-25", 2024), ("FY 2024-2025", 2024), ("FY24", 2024), ("Jahr 2024", 2024)],
)  # fmt: skip
def test_a_year_has_no_day_and_a_financial_year_counts_by_its_beginning(
    text: str, year: int
) -> None:
    assert read_date(text) == ActivityDate(None, year, "year")
    assert read_year(text) == year


@pytest.mark.parametrize(
    "text",
    ["30.02.2024", "2024-13-01", "foo", "1800-01-01", "32/13/2024", "12", "2024/27", "Foo 2024",
     "99999", "2024-01-31 to 2024-01-01", "x" * 100],
)  # fmt: skip
def test_what_is_no_date_is_invalid(text: str) -> None:
    found = read_date(text)
    assert isinstance(found, DateProblem)
    assert found.code == "date_invalid"


@pytest.mark.parametrize("text", ["03/04/2024", "3-4-2024", "01/02/22", "22-08-08", "2010/11"])
def test_what_fits_both_ways_is_ambiguous(text: str) -> None:
    found = read_date(text)
    assert isinstance(found, DateProblem)
    assert found.code == "date_ambiguous"


def test_the_region_decides_which_is_the_month() -> None:
    british, american = read_date("03/04/2024", region="GB"), read_date("03/04/2024", region="US")
    assert isinstance(british, ActivityDate)
    assert isinstance(american, ActivityDate)
    assert british.on == dt.date(2024, 4, 3)
    assert american.on == dt.date(2024, 3, 4)


def test_canada_is_in_two_minds() -> None:
    assert isinstance(read_date("03/04/2024", region="CA"), DateProblem)


def test_the_column_decides_before_the_region() -> None:
    order = decide_order(["03/04/2024", "12/31/2024"], region="GB")
    assert order is DateOrder.MONTH_FIRST
    found = read_date("03/04/2024", order, region="GB")
    assert isinstance(found, ActivityDate)
    assert found.on == dt.date(2024, 3, 4)


def test_a_day_that_may_begin_with_its_year_is_read_as_told() -> None:
    assert decide_order(["31-12-23"]) is DateOrder.BY_REGION
    assert isinstance(read_date("31-12-23", region="GB"), DateProblem)
    found = read_date("31-12-23", decide_order(["31-12-23", "25/12/2023"]), region="GB")
    assert isinstance(found, ActivityDate)
    assert found.on == dt.date(2023, 12, 31)


@pytest.mark.parametrize("text", ["t" * 32_000, "1 " * 16_000, "x" * 32_000])
def test_a_very_long_text_is_no_date_and_is_not_searched(text: str) -> None:
    for _ in range(100):  # each took seconds
        assert isinstance(read_date(text), DateProblem)
        assert month_of(text) is None
        assert evidence(text) is None


def test_dots_are_never_month_first() -> None:
    found = read_date("03.04.2024", DateOrder.MONTH_FIRST, region="US")
    assert isinstance(found, ActivityDate)
    assert found.on == dt.date(2024, 4, 3)


def test_a_column_that_contradicts_itself_leaves_it_to_the_row() -> None:
    assert decide_order(["31/12/2024", "12/31/2024"]) is DateOrder.BY_REGION


@given(st.dates(dt.date(1990, 1, 1), dt.date(2099, 12, 31)))
def test_iso_days_read_back_the_same(day: dt.date) -> None:
    assert read_date(day.isoformat()) == ActivityDate(day, day.year, "day")


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1990, 2099))
def test_no_order_is_ever_guessed(first: int, second: int, year: int) -> None:
    found = read_date(f"{first:02d}/{second:02d}/{year}")
    assert isinstance(found, ActivityDate if first == second else DateProblem)


@given(st.text(max_size=70))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert isinstance(read_date(text), ActivityDate | DateProblem)
