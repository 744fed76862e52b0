"""The rollups tie to the figures whatever happens to them, and the tenant views to their tenant."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from core.permissions import Reach
from db.engine import tenant_session
from db.ids import uuid7
from db.queries import emissions
from db.queries.emission_sums import cut_off, last_whole_month

VIEWS = ("tenant_emissions", "tenant_emission_texts")
ROLLUPS = ("emission_totals", "emission_texts")

# Digits that a sum of floats loses: 0.1 + 0.2 is 0.30000000000000004, and 1e16 + 1 is 1e16.
KG = (0.1, 0.2, 1e16, 1.0, 1e-7, 123456.789)


@pytest.fixture
def tenants(clean_database: None, platform_engine: Engine) -> dict[str, dict[str, UUID]]:
    """Two organizations with a file of six figures each."""
    made = {}
    with platform_engine.begin() as connection:
        for name in ("alpha", "beta"):
            ids = {key: uuid7() for key in ("organization", "user", "file")}
            made[name] = ids
            for statement in (
                "INSERT INTO organizations (id, name) VALUES (:organization, 'x')",
                "INSERT INTO users (id, email, password_hash) VALUES (:user, :mail, 'x')",
                "INSERT INTO files (organization_id, id, user_id, filename, object_storage_path,"
                " file_size, file_type, sha256, processing_job_id, status) VALUES (:organization,"
                " :file, :user, 'a.csv', 'file:///a', 1, 'csv', 'x', 'f', 'completed')",
            ):
                connection.execute(text(statement), {**ids, "mail": f"{name}@x.example"})
            for number, kg in enumerate(KG):
                connection.execute(
                    text(
                        "INSERT INTO emissions (organization_id, id, file_id, row_number,"
                        " activity_name, activity_type, unit, volume, calculated_emission,"
                        " upstream_emission, activity_on) VALUES (:organization, gen_random_uuid(),"
                        " :file, :number, :name, 'fuel', 'kg', 1, :kg, :kg, :on)"
                    ),
                    {**ids, "number": number, "name": f"{name} diesel {number % 2}", "kg": kg,
                     "on": dt.date(2024, 1 + number % 3, 1 + number)},
                )  # fmt: skip
    return made


def ties(engine: Engine) -> int:
    """Assert that both rollups say what the figures say; return how many there are."""
    with engine.connect() as connection:
        figures, kg = connection.execute(
            text(
                "SELECT count(*), coalesce(sum(calculated_emission::text::numeric), 0)"
                " FROM emissions WHERE deleted_at IS NULL"
            )
        ).one()
        for rollup in ROLLUPS:
            found = connection.execute(
                text(f"SELECT coalesce(sum(figures), 0), coalesce(sum(kg), 0) FROM {rollup}")
            ).one()
            assert (found[0], Decimal(found[1])) == (figures, Decimal(kg)), rollup
            assert connection.scalar(text(f"SELECT count(*) FROM {rollup} WHERE figures < 1")) == 0
    return int(figures)


CHANGES = {
    "a figure": "UPDATE emissions SET calculated_emission = 7.3 WHERE row_number = 2",
    "every key": "UPDATE emissions SET region = 'GB', scope = 2, activity_name = 'x',"
    " activity_on = NULL, activity_year = 2024, confidence_score = 0.5, category = 'c'",
    "a soft delete": "UPDATE emissions SET deleted_at = now() WHERE row_number < 3",
    "nothing": "UPDATE emissions SET volume = 3 WHERE row_number > 100",
    "a delete": "DELETE FROM emissions WHERE row_number = 2",
    "all": "DELETE FROM emissions",
    "an upsert": "INSERT INTO emissions (organization_id, id, file_id, row_number, activity_name,"
    " unit, volume, calculated_emission) SELECT organization_id, gen_random_uuid(), file_id,"
    " row_number + 3, 'y', 'kg', 1, 4.4 FROM emissions ON CONFLICT (organization_id, file_id,"
    " sheet, row_number, column_number) DO UPDATE SET calculated_emission = 4.4",
    "a file that goes": "DELETE FROM files",
}


@pytest.mark.parametrize("change", CHANGES)
def test_both_rollups_tie_to_the_last_digit_after(tenants, platform_engine, change: str) -> None:
    assert ties(platform_engine) == 12
    with platform_engine.begin() as connection:
        connection.execute(text(CHANGES[change]))
    left = ties(platform_engine)
    expected = {"a soft delete": 6, "a delete": 10, "all": 0, "a file that goes": 0}
    # the upsert meets rows 3 to 5 and adds rows 6 to 8, in both files
    assert left == {**expected, "an upsert": 18}.get(change, 12)


def test_a_deleted_figure_that_comes_back_counts_again(tenants, platform_engine) -> None:
    for value in ("now()", "NULL"):
        with platform_engine.begin() as connection:
            connection.execute(text(f"UPDATE emissions SET deleted_at = {value}"))
        assert ties(platform_engine) == (0 if value == "now()" else 12)


PERIODS = [
    (None, None), ("2024-01-01", "2024-03-31"), ("2024-01-02", None), ("2024-01-02", "2024-02-04"),
    ("2024-02-01", "2024-02-28"), ("2024-02-02", "2024-02-02"), ("2024-03-04", "2024-01-05"),
    (None, "2024-02-29"), (None, "2024-03-05"),
]  # fmt: skip


@pytest.mark.parametrize("words", [{}, {"q": "diesel"}, {"name": "ALPHA"}])
@pytest.mark.parametrize(("first", "last"), PERIODS)
def test_a_summary_is_the_sum_of_its_list(tenants, app_engine, words, first, last) -> None:
    from db.queries import paging

    wanted = emissions.EmissionFilter(
        date_from=first and dt.date.fromisoformat(first),
        date_to=last and dt.date.fromisoformat(last),
        **words,
    )
    mine = tenants["alpha"]["organization"]
    with tenant_session(app_engine, mine) as session:
        summary = emissions.summarize(session, mine, Reach(None), wanted)
        page = emissions.list_emissions(
            session, mine, Reach(None), wanted, paging.PageRequest(emissions.SORTS["date"], 200)
        )
    assert summary.count == len(page.rows)
    total = sum((Decimal(repr(row.calculated_emission)) for row in page.rows), Decimal())
    assert summary.total_kg_co2e == float(total)


def test_days_that_are_no_whole_months_are_told_apart() -> None:
    day, wanted = dt.date, emissions.EmissionFilter
    assert cut_off(wanted()) == []
    assert cut_off(wanted(date_from=day(2024, 2, 1), date_to=day(2024, 2, 29))) == []
    assert cut_off(wanted(date_from=day(2024, 2, 10), date_to=day(2024, 4, 2))) == [
        (day(2024, 2, 10), day(2024, 2, 29)), (day(2024, 4, 1), day(2024, 4, 2)),
    ]  # fmt: skip
    assert cut_off(wanted(date_from=day(2024, 2, 10), date_to=day(2024, 2, 12))) == [
        (day(2024, 2, 10), day(2024, 2, 12))
    ]
    assert cut_off(wanted(date_from=day(2024, 3, 1), date_to=day(2024, 2, 12))) == []
    assert last_whole_month(day(2024, 3, 30)) == day(2024, 2, 1)
    assert last_whole_month(day(2024, 2, 29)) == day(2024, 2, 1)


@pytest.mark.parametrize("role", ["app", "worker"])
@pytest.mark.parametrize("relation", VIEWS + ROLLUPS)
def test_views_and_rollups_show_the_tenant_and_nobody_without_one(
    request, tenants, role: str, relation: str
) -> None:
    engine: Engine = request.getfixturevalue(f"{role}_engine")
    mine, theirs = (tenants[name]["organization"] for name in ("alpha", "beta"))
    with tenant_session(engine, mine) as session:
        found = session.execute(text(f"SELECT organization_id FROM {relation}")).scalars()
        named = session.scalar(
            text(f"SELECT count(*) FROM {relation} WHERE organization_id = :o"), {"o": theirs}
        )
    assert set(found) == {mine}
    assert named == 0
    with engine.connect() as connection:
        assert connection.scalar(text(f"SELECT count(*) FROM {relation}")) == 0


@pytest.mark.parametrize("role", ["app", "worker", "platform"])
@pytest.mark.parametrize("relation", VIEWS + ROLLUPS)
@pytest.mark.parametrize("verb", ["insert", "update", "delete"])
def test_views_and_rollups_are_written_by_nobody(
    request, tenants, role: str, relation: str, verb: str
) -> None:
    engine: Engine = request.getfixturevalue(f"{role}_engine")
    statement = {
        "insert": f"INSERT INTO {relation} (organization_id) VALUES (:o)",
        "update": f"UPDATE {relation} SET organization_id = :o",
        "delete": f"DELETE FROM {relation} WHERE organization_id = :o",
    }[verb]
    mine = tenants["alpha"]["organization"]
    with tenant_session(engine, mine) as session, pytest.raises(ProgrammingError) as refused:
        session.execute(text(statement), {"o": mine})
    assert refused.value.orig.sqlstate == "42501"


def test_the_views_belong_to_a_role_that_nobody_can_be(admin_engine: Engine) -> None:
    with admin_engine.connect() as connection:
        role: Any = connection.execute(
            text(
                "SELECT rolcanlogin, rolsuper, rolbypassrls, has_schema_privilege(rolname,"
                " 'public', 'CREATE') AS makes, pg_has_role('tonnage_app', oid, 'MEMBER') AS app,"
                " pg_has_role('tonnage_worker', oid, 'MEMBER') AS worker,"
                " has_table_privilege(rolname, 'emissions', 'INSERT, UPDATE, DELETE') AS writes"
                " FROM pg_roles WHERE rolname = 'tonnage_search'"
            )
        ).one()
        owners = connection.scalars(
            text("SELECT viewowner FROM pg_views WHERE viewname = ANY(:v)"), {"v": list(VIEWS)}
        ).all()
    assert not any(role)
    assert owners == ["tonnage_search", "tonnage_search"]


def test_a_rare_word_is_found_by_index_as_the_app(
    tenants, admin_engine: Engine, app_engine: Engine
) -> None:
    with admin_engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO emissions (organization_id, id, file_id, row_number, activity_name,"
                " unit, volume, calculated_emission) SELECT :organization, gen_random_uuid(),"
                " :file, 100 + n, 'word' || n, 'kg', 1, 1 FROM generate_series(1, 5000) n"
            ),
            tenants["alpha"],
        )
    # what waits in a GIN index's pending list makes it look dear
    with admin_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE) emissions, emission_texts"))
    mine = tenants["alpha"]["organization"]
    found = {}
    with tenant_session(app_engine, mine) as session:
        for relation in (*VIEWS, "emissions"):
            plan = session.execute(
                text(
                    f"EXPLAIN SELECT 1 FROM {relation} WHERE organization_id = :o"
                    " AND search_vector @@ websearch_to_tsquery('english', 'word77')"
                ),
                {"o": mine},
            )
            found[relation] = "Index Cond: (search_vector @@" in "\n".join(plan.scalars())
    # under row-level security the condition is a filter: that is what the views are for
    assert found == {"tenant_emissions": True, "tenant_emission_texts": True, "emissions": False}
