"""Pages of figures hold what a filter lets through, whichever index they walk along."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from core.permissions import Reach
from db.engine import tenant_session
from db.ids import uuid7
from db.queries import emissions, paging
from db.queries.emissions import NAMES_LOOKED_UP

FIGURES = [  # name, date, year
    ("Diesel", dt.date(2023, 12, 31), 2023),
    ("diesel", dt.date(2024, 1, 1), 2024),
    ("DIESEL vans", dt.date(2024, 2, 29), 2024),
    ("Dies%l", dt.date(2024, 6, 30), 2024),
    ("Die_el", dt.date(2024, 12, 31), 2024),
    ("Straße", dt.date(2025, 1, 1), 2025),
    ("diesel", None, 2023),
    ("Öl", None, 2024),
    ("diesel", None, None),
]


@pytest.fixture
def stored(clean_database: None, platform_engine: Engine) -> tuple[UUID, list[UUID]]:
    """An organization with two completed files, each with the figures above."""
    organization, user, files = uuid7(), uuid7(), [uuid7(), uuid7()]
    with platform_engine.begin() as connection:
        for statement, values in (
            ("INSERT INTO organizations (id, name) VALUES (:o, 'x')", {"o": organization}),
            ("INSERT INTO users (id, email, password_hash) VALUES (:u, 'x@x', 'x')", {"u": user}),
        ):
            connection.execute(text(statement), values)
        for file in files:
            connection.execute(
                text(
                    "INSERT INTO files (organization_id, id, user_id, filename,"
                    " object_storage_path, file_size, file_type, sha256, processing_job_id, status)"
                    " VALUES (:o, :f, :u, 'a.csv', 'file:///a', 1, 'csv', :s, 'f', 'calculating')"
                ),
                {"o": organization, "f": file, "u": user, "s": str(file)},
            )
            for number, (name, on, year) in enumerate(FIGURES):
                connection.execute(
                    text(
                        "INSERT INTO emissions (organization_id, id, file_id, row_number,"
                        " activity_name, unit, volume, calculated_emission, activity_on,"
                        " activity_year) VALUES (:o, gen_random_uuid(), :f, :n, :name, 'kg', 1,"
                        " :n, :on, :year)"
                    ),
                    {"o": organization, "f": file, "n": number, "name": name, "on": on,
                     "year": year},
                )  # fmt: skip
        connection.execute(text("UPDATE files SET status = 'completed'"))
    return organization, files


def pages(
    engine: Engine, organization: UUID, wanted: emissions.EmissionFilter, sort: paging.Sort
) -> list[tuple[UUID, int]]:
    """Return (file, row) of a whole list, read two at a time."""
    found, after = [], None
    while True:
        with tenant_session(engine, organization) as session:
            asked = paging.PageRequest(sort, 2, after)
            page = emissions.list_emissions(session, organization, Reach(None), wanted, asked)
        found += [(row.file_id, row.row_number) for row in page.rows]
        after = page.next
        if after is None:
            return found


def inside(on: dt.date | None, year: int | None, first: str | None, last: str | None) -> bool:
    """Tell, day by day, whether a row is within a period."""
    if on is None and year is None:
        return first is None and last is None
    begin, end = (on, on) if on else (dt.date(year or 0, 1, 1), dt.date(year or 0, 12, 31))
    return (first is None or begin.isoformat() >= first) and (
        last is None or end.isoformat() <= last
    )


PERIODS = [
    (None, None), ("2024-01-01", "2024-12-31"), ("2023-01-01", "2024-12-31"), ("2024-01-01", None),
    (None, "2024-06-29"), ("2024-01-02", "2024-12-30"), ("2024-02-29", "2024-02-29"),
    ("2025-01-01", "2023-01-01"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "last"), PERIODS)
@pytest.mark.parametrize("of_file", [False, True])
@pytest.mark.parametrize("words", [{}, {"q": "diesel or dies or die"}])
def test_every_order_of_a_period_has_the_same_rows(
    stored, app_engine, first, last, of_file, words
) -> None:
    organization, files = stored
    wanted = emissions.EmissionFilter(
        date_from=first and dt.date.fromisoformat(first),
        date_to=last and dt.date.fromisoformat(last),
        file_id=files[0] if of_file else None,
        **words,
    )
    expected = {
        (file, number)
        for file in files[: 1 if of_file else 2]
        for number, (name, on, year) in enumerate(FIGURES)
        if inside(on, year, first, last) and (not words or name.lower().startswith("die"))
    }
    for sort in emissions.SORTS.values():
        for down in (False, True):
            found = pages(app_engine, organization, wanted, replace(sort, descending=down))
            assert len(found) == len(set(found))
            assert set(found) == expected, (sort.name, down)
    with tenant_session(app_engine, organization) as session:
        summary = emissions.summarize(session, organization, Reach(None), wanted)
    assert summary.count == len(expected)


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("DIESEL", {0, 1, 2, 6, 8}), ("diesel v", {2}), ("dies%", {3}), ("die_", {4}),
        ("straß", {5}), ("öl", {7}), ("x", set()), ("die\\", set()),
    ],
)  # fmt: skip
def test_a_name_is_found_by_its_beginning_in_any_case(stored, app_engine, typed, rows) -> None:
    organization, files = stored
    wanted = emissions.EmissionFilter(name=typed, file_id=files[1])
    found = pages(app_engine, organization, wanted, emissions.SORTS["title"])
    assert {row for _, row in found} == rows


def test_more_names_than_are_looked_up_are_found_as_well(
    stored, app_engine, platform_engine
) -> None:
    organization, files = stored
    with platform_engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO emissions (organization_id, id, file_id, row_number, activity_name,"
                " unit, volume, calculated_emission) SELECT :o, gen_random_uuid(), :f, 100 + n,"
                " 'Many ' || n, 'kg', 1, 1 FROM generate_series(1, :n) n"
            ),
            {"o": organization, "f": files[0], "n": NAMES_LOOKED_UP + 2},
        )
    wanted = emissions.EmissionFilter(name="many")
    asked = paging.PageRequest(emissions.SORTS["title"], NAMES_LOOKED_UP + 10)
    with tenant_session(app_engine, organization) as session:
        page = emissions.list_emissions(session, organization, Reach(None), wanted, asked)
    assert len({row.activity_name for row in page.rows}) == NAMES_LOOKED_UP + 2
