"""How long the annotated download of a million rows takes, and how much memory it wants.

    .venv/bin/python tests/benchmarks/bench_annotated.py [ROWS]

Half of the rows have a figure, a quarter waits for review, a quarter is rejected.
"""

from __future__ import annotations

import asyncio
import io
import resource
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pyarrow as pa
from anyio import CapacityLimiter
from sqlalchemy import Engine, text

from activities.objects import write_table
from api import annotated
from core.keys import parse_report_key, raw_part_key, typed_part_key
from core.parsing.report import ParseOptions
from db.engine import make_engine
from db.ids import uuid7
from db.models import File
from runtime import migrate
from runtime.adapters.storage_local import LocalStorage
from runtime.parse_child import run_parse
from runtime.postgres import start_postgres
from runtime.settings import with_user

FILL = (
    "DROP INDEX idx_emissions_search",  # of no use here, and dear to fill
    "INSERT INTO organizations (id, name) VALUES (:o, 'bench')",
    "INSERT INTO users (id, email, password_hash) VALUES (:u, 'b@x.example', 'x')",
    "INSERT INTO files (organization_id, id, user_id, filename, object_storage_path, file_size,"
    " file_type, sha256, processing_job_id, status, processing_completed_at)"
    " VALUES (:o, :f, :u, 'a.csv', 'file:///a', 1, 'csv', 'x', 'file/a', 'completed', now())",
    "INSERT INTO decisions (organization_id, id, file_id, activity_key, activity, row_count,"
    " volume_total, outcome, method, confidence) SELECT :o, gen_random_uuid(), :f, 'k' || n, '{}',"
    " 1, 1, 'held', 'offline', 0 FROM generate_series(0, 999) n",
    "INSERT INTO reviews (organization_id, file_id, decision_id, reason_code, reason, row_count)"
    " SELECT :o, :f, id, 'no_candidate', 'Choose a factor.', 1 FROM decisions",
    "INSERT INTO emissions (organization_id, id, file_id, row_number, activity_name, unit, volume,"
    " calculated_emission, scope) SELECT :o, gen_random_uuid(), :f, n, 'Diesel', 'litre', 1,"
    " n * 2.57082, 1 FROM generate_series(2, :rows + 1) n WHERE n % 4 < 2",
    "INSERT INTO row_issues (organization_id, file_id, part, row_number, code, severity, message)"
    " SELECT :o, :f, 0, n, 'unit_unknown', 'rejected', 'Name a unit that we know.'"
    " FROM generate_series(2, :rows + 1) n WHERE n % 4 = 2",
    "ANALYZE emissions, decisions, reviews, files, row_issues",
)


def parts(storage: LocalStorage, folder: Path, scope: tuple[UUID, UUID], rows: int) -> None:
    """Store what parsing and validating leave of a table of so many rows."""
    source, out = folder / "a.csv", folder / "out"
    out.mkdir()
    with source.open("w") as target:
        target.write("Activity,Quantity,Unit,Site,Date,Note\n")
        for n in range(2, rows + 2):
            target.write(f"Diesel {n % 1000},{n}.5,litres,Site {n % 77},2024-03-01,note {n}\n")
    options = ParseOptions(filename="a.csv", region="GB")
    report = run_parse(source, out, options, timeout_s=300, memory_mb=2048)
    number = 2
    for at, part in enumerate(report.parts):
        with (out / part.name).open("rb") as stream:
            storage.put(raw_part_key(*scope, at), stream)
        places = list(range(number, number + part.rows))
        typed = {
            "sheet": [""] * part.rows, "row_number": pa.array(places, pa.int32()),
            "column_number": pa.array([0] * part.rows, pa.int32()),
            "activity_key": [f"k{n % 1000}" for n in places],
        }  # fmt: skip
        write_table(storage, typed_part_key(*scope, at), pa.table(typed))
        number += part.rows
    storage.put(parse_report_key(*scope), io.BytesIO(report.model_dump_json().encode()))


async def sent(services: Any, file: File, media: str) -> tuple[float, float, int]:
    """Read a download to its end; return seconds to the first piece, in all, and bytes."""
    start = time.perf_counter()
    services.download_threads = CapacityLimiter(1)  # belongs to this loop
    response = annotated.download(services, file, media)
    size, first = 0, 0.0
    async for chunk in response.body_iterator:
        first = first or time.perf_counter() - start
        size += len(chunk)
    return first, time.perf_counter() - start, size


def measure(app: Engine, storage: LocalStorage, scope: tuple[UUID, UUID]) -> None:
    """Print the figures."""
    services = SimpleNamespace(app_engine=app, storage=storage)
    file = File(organization_id=scope[0], id=scope[1], status="completed", filename="a.csv")
    for media in (annotated.CSV, annotated.XLSX):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cpu = time.process_time()
        first, total, size = asyncio.run(sent(services, file, media))
        cpu = time.process_time() - cpu
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{media[-12:]}: first bytes {first:.2f} s, all {total:.1f} s, of which {cpu:.1f} s"
              f" CPU here, {size / 1e6:.0f} MB; largest memory {before // 1024} ->"
              f" {after // 1024} MB, of which Arrow held"
              f" {pa.default_memory_pool().max_memory() // 1_000_000} MB", flush=True)  # fmt: skip


def main() -> None:
    """Fill a database and a store, then read."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    organization_id, file_id, user_id = uuid7(), uuid7(), uuid7()
    with tempfile.TemporaryDirectory(prefix="tonnage-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        storage = LocalStorage(folder / "objects", public_url="http://bench", secret=b"s" * 32)
        parts(storage, folder, (organization_id, file_id), rows)
        server = start_postgres(folder / "pg")
        try:
            url = f"postgresql+psycopg://{server.uri('postgres').partition('://')[2]}"
            admin = make_engine(url)
            with admin.connect() as connection:
                migrate.upgrade(connection)
            with admin.begin() as connection:
                for statement in FILL:
                    values = {"o": organization_id, "f": file_id, "u": user_id, "rows": rows}
                    connection.execute(text(statement), values)
            app = make_engine(with_user(url, "tonnage_app"))
            measure(app, storage, (organization_id, file_id))
            for engine in (app, admin):
                engine.dispose()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
