"""Every table of the catalog × every verb × both serving roles, on another organization's row.

The statements are made from the catalog, so a new table is tried as soon as ROWS has a row of it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from db.engine import tenant_session
from db.ids import uuid7

sys.path.insert(0, str(Path(__file__).parent))

from test_tenancy import engine, tenants  # noqa: F401  (fixtures)

# ruff: noqa: F811  (pytest's fixtures are parameters of the same name)

NOTHING, REFUSED = 0, "42501"


@dataclass(frozen=True)
class Table:
    """A tenant table, with a row of the other organization."""

    name: str
    owner: str  # the column that names the organization
    columns: tuple[str, ...]
    key: tuple[str, ...]
    theirs: str  # their row, as JSON

    def values(self, *, new: bool) -> dict[str, Any]:
        """Return their row as a parameter, as it is or with an id of its own."""
        row = json.loads(self.theirs)
        for column in self.key:
            if new and column not in (self.owner, "user_id") and isinstance(row[column], str):
                row[column] = str(uuid7())
        return {"row": json.dumps(row)}


TABLES = """
SELECT c.relname,
       ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
             AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
             ORDER BY a.attnum) AS columns,
       ARRAY(SELECT a.attname FROM pg_index i
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
             WHERE i.indrelid = c.oid AND i.indisprimary) AS key
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
AND (c.relname = 'organizations' OR EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id'
    AND NOT a.attisdropped))
"""


def read_tables(connection: Connection, organization_id: UUID) -> list[Table]:
    found = connection.execute(text(TABLES)).all()
    tables = []
    for name, columns, key in found:
        owner = "id" if name == "organizations" else "organization_id"
        row = connection.scalar(
            text(f"SELECT to_jsonb(t)::text FROM {name} t WHERE {owner} = :o LIMIT 1"),
            {"o": organization_id},
        )
        assert row is not None, f"ROWS of test_tenancy.py makes no row in {name}"
        tables.append(Table(name, owner, tuple(columns), tuple(key), row))
    return tables


@pytest.fixture(scope="module")
def tables(admin_engine: Engine, tenants) -> list[Table]:
    with admin_engine.connect() as connection:
        return read_tables(connection, tenants["beta"]["organization"])


def insert(table: Table, columns: tuple[str, ...], rest: str = "") -> str:
    names = ", ".join(f'"{column}"' for column in columns)
    return (
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM "
        f"jsonb_populate_record(NULL::{table.name}, CAST(:row AS jsonb)) {rest}"
    )


def statements(verb: str, table: Table, granted: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """Return one try and its parameters; `granted` are the columns the role may write."""
    name, key = table.name, ", ".join(table.key)
    mine = f"{table.owner} = :theirs"
    some = granted[0] if granted else table.owner
    columns = granted or table.columns
    update = f'UPDATE {name} SET "{some}" = "{some}" WHERE {mine}'
    upsert = f'ON CONFLICT ({key}) DO UPDATE SET "{some}" = excluded."{some}"'
    match verb:
        case "select":
            return f"SELECT 1 FROM {name} WHERE {mine}", {}
        case "select for update":
            return f"SELECT 1 FROM {name} WHERE {mine} FOR UPDATE", {}
        case "join":
            return f"SELECT 1 FROM {name} a JOIN {name} b USING ({key}) WHERE a.{mine}", {}
        case "insert":
            return insert(table, columns), table.values(new=True)
        case "insert returning":
            return insert(table, columns, "RETURNING *"), table.values(new=True)
        case "upsert":
            return insert(table, columns, upsert), table.values(new=False)
        case "upsert nothing":
            return insert(table, columns, "ON CONFLICT DO NOTHING"), table.values(new=False)
        case "update":
            return update, {}
        case "update returning":
            return f"{update} RETURNING *", {}
        case "update of all":
            return f"WITH u AS ({update} RETURNING 1) SELECT 1 FROM u", {}
        case "delete":
            return f"DELETE FROM {name} WHERE {mine}", {}
        case "delete returning":
            return f"DELETE FROM {name} WHERE {mine} RETURNING *", {}
        case "merge":
            matched = f'WHEN MATCHED THEN UPDATE SET "{some}" = t."{some}"'
            return f"MERGE INTO {name} t USING (SELECT 1) s ON t.{mine} {matched}", {}
    raise AssertionError(verb)


VERBS = {
    "select": "UPDATE", "select for update": "UPDATE", "join": "UPDATE",
    "insert": "INSERT", "insert returning": "INSERT", "upsert": "INSERT",
    "upsert nothing": "INSERT", "update": "UPDATE", "update returning": "UPDATE",
    "update of all": "UPDATE", "delete": "UPDATE", "delete returning": "UPDATE", "merge": "UPDATE",
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_another_organizations_rows_are_out_of_reach(
    engine: Engine,
    tenants,
    tables: list[Table],
    verb: str,
) -> None:
    outcomes = {}
    with tenant_session(engine, tenants["alpha"]["organization"]) as session:
        for table in tables:
            granted = tuple(
                session.execute(
                    text(
                        "SELECT c FROM unnest(CAST(:columns AS text[])) c "
                        "WHERE has_column_privilege(:table, c, :verb)"
                    ),
                    {"columns": list(table.columns), "table": table.name, "verb": VERBS[verb]},
                ).scalars()
            )
            statement, values = statements(verb, table, granted)
            values |= {"theirs": tenants["beta"]["organization"]} if ":theirs" in statement else {}
            try:
                done = session.execute(text(statement), values)
                outcomes[table.name] = len(done.all()) if done.returns_rows else done.rowcount
            except DBAPIError as error:
                outcomes[table.name] = error.orig.sqlstate
            session.rollback()
    writes = verb.startswith(("insert", "upsert"))
    allowed = {REFUSED} if writes else {NOTHING, REFUSED}
    assert {name: found for name, found in outcomes.items() if found not in allowed} == {}
    if verb == "select":
        assert set(outcomes.values()) >= {NOTHING}


def test_no_own_row_can_be_given_away(engine: Engine, tenants, tables: list[Table]) -> None:
    outcomes = {}
    with tenant_session(engine, tenants["alpha"]["organization"]) as session:
        for table in tables:
            try:
                outcomes[table.name] = session.execute(
                    text(f"UPDATE {table.name} SET {table.owner} = :theirs"),
                    {"theirs": tenants["beta"]["organization"]},
                ).rowcount
            except DBAPIError as error:
                outcomes[table.name] = error.orig.sqlstate
            session.rollback()
    assert {name: found for name, found in outcomes.items() if found != REFUSED} == {}


def test_their_rows_are_as_they_were(admin_engine: Engine, tenants, tables: list[Table]) -> None:
    with admin_engine.connect() as connection:
        now = read_tables(connection, tenants["beta"]["organization"])
    assert {t.name: t.theirs for t in now} == {t.name: t.theirs for t in tables}


def test_partitions_and_views_give_nothing_away(
    engine: Engine,
    admin_engine: Engine,
    tenants,
) -> None:
    with admin_engine.connect() as connection:
        relations = connection.execute(
            text(
                "SELECT c.relname, c.relispartition FROM pg_class c "
                "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' "
                "WHERE c.relnamespace = 'public'::regnamespace "
                "AND (c.relispartition AND c.relkind = 'r' OR c.relkind IN ('v', 'm'))"
            )
        ).all()
    assert len(relations) >= 16
    with tenant_session(engine, tenants["alpha"]["organization"]) as session:
        for name, partition in relations:
            try:
                outcome = session.execute(
                    text(f"SELECT count(*) FROM {name} WHERE organization_id = :theirs"),
                    {"theirs": tenants["beta"]["organization"]},
                ).scalar()
            except DBAPIError as error:
                outcome = error.orig.sqlstate
            session.rollback()
            assert outcome in ({REFUSED} if partition else {NOTHING, REFUSED}), name
