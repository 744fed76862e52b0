"""What a figure costs PostgreSQL and the worker on its way in.

    .venv/bin/python tests/benchmarks/bench_insert.py [--rows 25000] [--files 4] [--variants]

Inserts files of figures through db.queries.results.insert_emissions and completes them, as
tonnage_worker under row-level security, and prints the CPU microseconds a row: user and system
time of the server's process and of this one, which other work on the machine hardly changes.
`--variants` takes the secondary indexes and the triggers away one after the other: what is missing
then is what they cost.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_search import url_of

from core.records import ActivityRow, Dimension
from db.engine import TenantSession, make_engine
from db.ids import uuid7
from db.queries import results
from runtime import migrate
from runtime.postgres import start_postgres

ORGANIZATION = UUID("0193b1a0-0000-7000-8000-000000000011")
USER = UUID("0193b1a0-0000-7000-8000-0000000000aa")
CHUNK = 25_000  # a part of the pipeline holds up to 50,000
TICKS = os.sysconf("SC_CLK_TCK")


def figures(rows: int, seed: int) -> Iterator[results.EmissionRow]:
    """Yield figures as a ledger has them: 400 names by a power law, a quarter of days."""
    draw = random.Random(seed)
    explanation = {"formula": "1 kWh x 0.2", "steps": "converted from what was uploaded; " * 18}
    for number in range(rows):
        name = int(400 * draw.random() ** 2)
        row = ActivityRow(
            sheet="Sheet1", row_number=number, column_number=0, activity_key="", volume_text="",
            unit_text="kWh", region_text=None, date_text=None, dimension=Dimension.ENERGY,
            basis=None,
            activity_name=f"{NAMES[name % 10]} {PLACES[name // 10 % 8]} {name}",
            activity_type=f"type {name % 60}",
            activity_description=f"cost centre {draw.randrange(5)} of north",
            unit="kWh", volume=round(100 * draw.random(), 2), currency=None,
            region=("GB", "DE", "FR")[draw.randrange(3)],
            activity_on=dt.date(2024, 1, 1) + dt.timedelta(days=draw.randrange(91)), year=2024,
        )  # fmt: skip
        yield results.EmissionRow(
            decision_id=None, row=row, emission_factor_id=None,  # type: ignore[arg-type]
            emission_kg=1000 * draw.random(), confidence=0.6 + name % 40 / 100, scope=1 + name % 3,
            scope3_category=None, category=f"Category {name % 15}", biogenic=name % 97 == 0,
            method="activity", calculation=explanation,
        )  # fmt: skip


NAMES = ("Diesel", "Electricity", "Gas", "Flight", "Rail", "Hotel", "Paper", "Steel", "Freight",
         "Waste")  # fmt: skip
PLACES = ("vans", "office", "plant", "depot", "Berlin", "Leeds", "contract", "leased")


def cpu(pid: int) -> float:
    """Return the seconds of user and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def upload(admin: Engine, rows: int) -> UUID:
    """Make the row of an upload."""
    file_id = uuid7()
    with admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO files (organization_id, id, user_id, filename, object_storage_path,"
                " file_size, file_type, sha256, processing_job_id, status, rows_total,"
                " rows_calculated) VALUES (:o, :f, :u, 'a.csv', 'file:///a', 1, 'csv', :s, :s,"
                " 'calculating', :n, :n)"
            ),
            {"o": ORGANIZATION, "f": file_id, "u": USER, "s": str(file_id), "n": rows},
        )
    return file_id


def run(engine: Engine, admin: Engine, rows: int, seed: int) -> dict[str, float]:
    """Put one file in and complete it; return the CPU microseconds a row."""
    file_id = upload(admin, rows)
    made = list(figures(rows, seed))
    with TenantSession(engine, ORGANIZATION) as session:
        pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        session.commit()
        marks = [(cpu(pid), time.process_time())]
        for first in range(0, rows, CHUNK):
            results.insert_emissions(
                session, ORGANIZATION, file_id, project_id=None, search_language="english",
                rows=made[first : first + CHUNK],
            )  # fmt: skip
            session.commit()
        marks.append((cpu(pid), time.process_time()))
        session.execute(
            text("UPDATE files SET status = 'completed' WHERE organization_id = :o AND id = :f"),
            {"o": ORGANIZATION, "f": file_id},
        )
        session.commit()
        marks.append((cpu(pid), time.process_time()))
    each = 1e6 / rows
    return {
        "client": each * (marks[1][1] - marks[0][1]),
        "insert": each * (marks[1][0] - marks[0][0]),
        "finish": each * (marks[2][0] - marks[1][0]),
    }


def measure(engine: Engine, admin: Engine, rows: int, files: int, what: str) -> None:
    """Print the least of several files: what is more is other work on the machine."""
    found = [run(engine, admin, rows, seed) for seed in range(files)]
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM emissions"))  # the list of GIN's pending entries too
    best = {key: min(one[key] for one in found) for key in found[0]}
    total = sum(best.values())
    cells = " | ".join(f"{best[key]:.1f}" for key in ("client", "insert", "finish"))
    print(f"| {what} | {cells} | {total:.1f} |", flush=True)


def prepare(admin: Engine) -> None:
    """Make the tables and an organization."""
    with admin.connect() as connection:
        migrate.upgrade(connection)
        connection.execute(
            text("INSERT INTO organizations (id, name) VALUES (:o, 'bench')"), {"o": ORGANIZATION}
        )
        connection.execute(
            text("INSERT INTO users (id, email, password_hash) VALUES (:u, 'b@example.org', '')"),
            {"u": USER},
        )
        connection.commit()


def parts(admin: Engine) -> list[tuple[str, str]]:
    """Return (name, statement that removes it) of the triggers and the secondary indexes."""
    with admin.connect() as connection:
        triggers: Any = connection.scalars(
            text(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = 'emissions'::regclass"
                " AND NOT tgisinternal AND tgname LIKE 'sum%' ORDER BY 1"
            )
        ).all()
        indexes: Any = connection.scalars(
            text(
                "SELECT indexrelid::regclass::text FROM pg_index i WHERE indrelid ="
                " 'emissions'::regclass AND NOT EXISTS (SELECT FROM pg_constraint"
                " WHERE conindid = i.indexrelid) ORDER BY 1"
            )
        ).all()
    dropped = "; ".join(f"DROP TRIGGER {name} ON emissions" for name in triggers)
    return [("triggers", dropped), *((name, f"DROP INDEX {name}") for name in indexes)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=25_000)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--variants", action="store_true")
    given = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="tonnage-insert-"))
    folder.chmod(0o755)
    server = start_postgres(folder / "pg")
    try:
        postgres = make_engine(f"postgresql+psycopg://{server.uri('postgres').partition('://')[2]}")
        with postgres.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("CREATE DATABASE bench"))
        admin = make_engine(url_of(server, "postgres"))
        prepare(admin)
        engine = make_engine(url_of(server, "tonnage_worker"), pool_size=1)
        print("| CPU, µs a row | client | insert | finish | all |\n|---|---|---|---|---|")
        measure(engine, admin, given.rows, given.files, "as it is")
        for name, statement in parts(admin) if given.variants else []:
            with admin.begin() as connection:
                connection.execute(text(statement or "SELECT 1"))
            measure(engine, admin, given.rows, given.files, f"and without {name}")
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
