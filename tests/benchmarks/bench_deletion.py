"""How long it takes to delete a file of a million figures: the request, the marking, the purge.

    .venv/bin/python tests/benchmarks/bench_deletion.py [ROWS]

The request runs as the app role, whose statement_timeout is 15 s; the rest in batches of 5,000.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sqlalchemy import Engine, text
from sqlmodel import Session

from core.permissions import Reach
from db.engine import make_engine, tenant_session
from db.ids import uuid7
from db.queries import lifecycle, purge
from runtime import migrate
from runtime.postgres import start_postgres
from runtime.settings import with_user

BATCH = 5_000
FILL = (
    "INSERT INTO organizations (id, name) VALUES (:o, 'bench')",
    "INSERT INTO users (id, email, password_hash) VALUES (:u, 'b@x.example', 'x')",
    "INSERT INTO files (organization_id, id, user_id, filename, object_storage_path, file_size,"
    " file_type, sha256, processing_job_id, status, processing_completed_at)"
    " VALUES (:o, :f, :u, 'a.csv', 'file:///a', 1, 'csv', 'x', 'file/a', 'completed', now())",
    "INSERT INTO decisions (organization_id, id, file_id, activity_key, activity, row_count,"
    " volume_total, outcome, method, confidence) SELECT :o, gen_random_uuid(), :f, n::text, '{}',"
    " 1, 1, 'held', 'offline', 0 FROM generate_series(1, 10000) n",
    "INSERT INTO reviews (organization_id, file_id, decision_id, reason_code, reason, row_count)"
    " SELECT :o, :f, id, 'c', 'r', 1 FROM decisions",
    "WITH d AS MATERIALIZED (SELECT array_agg(id) AS ids FROM decisions)"
    " INSERT INTO emissions (organization_id, id, file_id, decision_id, row_number, activity_name,"
    " unit, volume, calculated_emission, scope, calculation) SELECT :o, gen_random_uuid(), :f,"
    " d.ids[1 + n % 10000], n, 'Diesel for site ' || n % 1000, 'litre', 1, 1, 1,"
    " jsonb_build_object('formula', repeat('x', 300)) FROM d, generate_series(1, :rows) n",
    "ANALYZE emissions, decisions, reviews, files",
)


def request(app: Engine, organization_id: UUID, file_id: UUID) -> float:
    """Delete the file as the API does; return the seconds."""
    start = time.perf_counter()
    with tenant_session(app, organization_id) as session:
        assert lifecycle.lock_file(session, organization_id, file_id, Reach())
        gone = lifecycle.delete_file(session, organization_id, file_id, purge_after_days=30)
        session.commit()
    print(f"cascaded: {gone.emissions} figures, {gone.reviews} reviews")
    return time.perf_counter() - start


def mark(platform: Engine, organization_id: UUID, file_id: UUID) -> float:
    """Mark the rows as the sweep does; return the seconds."""
    start, marked = time.perf_counter(), 1
    while marked:
        with Session(platform) as session:
            marked = lifecycle.mark_rows(session, organization_id, file_id, BATCH)
            session.commit()
    return time.perf_counter() - start


def remove(platform: Engine, organization_id: UUID, file_id: UUID) -> float:
    """Remove the rows as the purge does; return the seconds."""
    start = time.perf_counter()
    for table in purge.OF_FILE:
        gone = 1
        while gone:
            with Session(platform) as session:
                gone = purge.purge_rows_of_file(session, organization_id, file_id, table, BATCH)
                session.commit()
    with Session(platform) as session:
        assert purge.purge_file(session, organization_id, file_id)
        session.commit()
    return time.perf_counter() - start


def main() -> None:
    """Print the three figures."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    organization_id, file_id, user_id = uuid7(), uuid7(), uuid7()
    with tempfile.TemporaryDirectory(prefix="tonnage-bench-") as folder:
        Path(folder).chmod(0o755)
        server = start_postgres(Path(folder) / "pg")
        try:
            plain = server.uri("postgres")
            url = f"postgresql+psycopg://{plain.partition('://')[2]}"
            admin = make_engine(url)
            with admin.connect() as connection:
                migrate.upgrade(connection)
            with admin.begin() as connection:
                for statement in FILL:
                    values = {"o": organization_id, "f": file_id, "u": user_id, "rows": rows}
                    connection.execute(text(statement), values)
            app = make_engine(with_user(url, "tonnage_app"))
            platform = make_engine(with_user(url, "tonnage_platform"))
            scope = (organization_id, file_id)
            print(f"{rows} rows; request {request(app, *scope):.2f} s", flush=True)
            print(f"marking {mark(platform, *scope):.1f} s", flush=True)
            print(f"purge {remove(platform, *scope):.1f} s", flush=True)
            for engine in (app, platform, admin):
                engine.dispose()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
