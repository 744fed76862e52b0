"""How long reports of a million figures take, and how much memory.

    .venv/bin/python tests/benchmarks/bench_reports.py [--rows 1000000] [--only NAME] [--data DIR]

The activity of the reports worker runs in a process of its own, which afterwards says its peak of
resident memory: one snapshot as tonnage_worker under row-level security, rendering, storing on
disk, publishing. Beside each what the machine needs for the same bytes or cells and nothing else.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_search import build, url_of
from search_data import BIG, USER
from sqlalchemy import Engine, text

from core.contracts import ReportRef
from core.permissions import Reach
from core.reporting import GroupBy, ReportFormat, ReportType
from db.engine import make_engine, tenant_session
from db.ids import uuid7
from db.queries import reports
from db.queries.emissions import EmissionFilter
from runtime.postgres import LocalPostgres, start_postgres

HALF = EmissionFilter(date_from=dt.date(2025, 1, 1))  # the second of the two years
SUMMARY, DETAILED = ReportType.EMISSION_SUMMARY, ReportType.DETAILED
PDF, EXCEL, CSV = ReportFormat.PDF, ReportFormat.EXCEL, ReportFormat.CSV
CASES = {
    "pdf, summary, all": (PDF, SUMMARY, EmissionFilter()),
    "pdf, summary, half": (PDF, SUMMARY, HALF),
    "pdf, detailed, half, with annex": (PDF, DETAILED, HALF),
    "excel, summary, all": (EXCEL, SUMMARY, EmissionFilter()),
    "excel, detailed, half": (EXCEL, DETAILED, HALF),
    "csv, summary, all": (CSV, SUMMARY, EmissionFilter()),
    "csv, detailed, half": (CSV, DETAILED, HALF),
    "csv, detailed, all": (CSV, DETAILED, EmissionFilter()),
}
# search_data makes figures without factors; a report's joins and tables shall have some.
FACTORS = (
    "INSERT INTO factor_releases (name, publisher, title, version, source_year, licence, sha256,"
    " gwp_set, factor_count) VALUES ('bench-2024', 'Bench', 'Factors for a bench', '1', 2024,"
    " 'OGL v3', '', 'AR5', 60)",
    "INSERT INTO emission_factors (id, release, source_id, name, category, unit, dimension,"
    " value_per_unit, activity_kind, source, source_year, gwp_set, licence)"
    " SELECT md5('factor ' || n)::uuid, 'bench-2024', 'bench-' || n,"
    " 'Energy of type ' || n || ' (average blend)', 'Category ' || n % 15, 'kWh', 'energy',"
    " 0.2 + n / 1000.0, 'fuel', 'bench', 2024, 'AR5', 'OGL v3' FROM generate_series(0, 60) n",
    "INSERT INTO decisions (organization_id, id, file_id, activity_key, activity, row_count,"
    " volume_total, outcome, method, confidence, emission_factor_id)"
    " SELECT organization_id, md5(id::text || n)::uuid, id, 'bench ' || n, '{}', 1, 1, 'matched',"
    " (ARRAY['offline', 'offline', 'memory', 'review'])[1 + n % 4], 0.9,"
    " md5('factor ' || n % 60)::uuid FROM files, generate_series(0, 400) n"
    " WHERE organization_id = :big",
    "UPDATE emissions SET decision_id = md5(file_id || substring(activity_name, '\\d+$'))::uuid,"
    " emission_factor_id = md5('factor ' || substring(activity_type, '\\d+$'))::uuid"
    " WHERE organization_id = :big",
)


def add_factors(server: LocalPostgres) -> None:
    """Give every figure a factor and a decision, unless they have them."""
    engine = make_engine(url_of(server, "postgres"))
    with engine.begin() as connection:
        if not connection.scalar(text("SELECT count(*) FROM factor_releases")):
            connection.execute(text("SET session_replication_role = replica"))  # sums stay
            for statement in FACTORS:
                connection.execute(text(statement), {"big": BIG})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE) emissions"))
        connection.execute(text("CHECKPOINT"))
    engine.dispose()


def ask(engine: Engine, name: str) -> UUID:
    """Add the report of a case; return its id."""
    file_format, kind, wanted = CASES[name]
    by = (GroupBy.SCOPE, GroupBy.CATEGORY)
    now = dt.datetime.now(dt.UTC)
    criteria = reports.Criteria({}, wanted, Reach(), by, False, 0, now)
    new = reports.NewReport(uuid7(), USER, name, None, kind, file_format, criteria)
    with tenant_session(engine, BIG) as session:
        reports.add_report(session, BIG, new)
        session.commit()
    return new.id


def generate(url: str, report_id: UUID, folder: Path) -> dict[str, Any]:
    """Run the activity as the worker does."""
    from temporalio.testing import ActivityEnvironment

    from activities.report import GenerateReports
    from runtime.adapters.renderer_csv import CsvRenderer
    from runtime.adapters.renderer_excel import ExcelRenderer
    from runtime.adapters.renderer_pdf import PdfRenderer
    from runtime.adapters.storage_local import LocalStorage

    renderers = {CSV: CsvRenderer(), EXCEL: ExcelRenderer(), PDF: PdfRenderer()}
    storage = LocalStorage(folder / "objects", public_url="http://bench", secret=b"s" * 32)
    activities = GenerateReports(make_engine(url), storage, renderers, work_dir=folder / "work")
    ref = ReportRef(organization_id=BIG, report_id=report_id)
    result = ActivityEnvironment().run(activities.generate_report, ref)
    assert result.status == "completed"
    return {"rows": result.rows, "bytes": result.size_bytes}


# -- what the machine needs for as much --


def empty_page(*_: Any) -> dict[str, Any]:
    """Lay out a page with nothing on it."""
    from weasyprint import HTML

    made = HTML(string="<!DOCTYPE html><html lang=en><title>x</title><p>x").write_pdf()
    return {"rows": 0, "bytes": len(made)}


def bare_cells(_url: str, _report: UUID, folder: Path) -> dict[str, Any]:
    """Write 500,000 rows as a report's, 9 numbers and 17 texts, by XlsxWriter's own calls."""
    import xlsxwriter

    path = folder / "bare.xlsx"
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    sheet = book.add_worksheet()
    for row in range(500_000):
        for place in range(9):
            sheet.write_number(row, place, row + place / 7)
        for place in range(9, 26):
            sheet.write_string(row, place, "a text of a report")
    book.close()
    return {"rows": 500_000, "bytes": path.stat().st_size}


def copied(url: str, _report: UUID, folder: Path) -> dict[str, Any]:
    """Let PostgreSQL write the same table as CSV itself."""
    from sqlalchemy.dialects import postgresql

    from core.reporting import DETAIL_COLUMNS
    from db.queries.emissions import conditions
    from db.queries.report_figures import CELLS, joined

    query = joined([CELLS[c.name].label(c.name) for c in DETAIL_COLUMNS], BIG).where(
        *conditions(BIG, Reach(), EmissionFilter())
    )
    compiled = query.compile(
        dialect=postgresql.psycopg.dialect(), compile_kwargs={"literal_binds": True}
    )
    path = folder / "copied.csv"
    with tenant_session(make_engine(url), BIG) as session, path.open("wb") as sink:
        cursor = session.connection().connection.cursor()
        with cursor.copy(f"COPY ({compiled}) TO STDOUT (FORMAT csv, HEADER)") as rows:  # type: ignore[attr-defined]
            for data in rows:
                sink.write(data)
    return {"rows": 1_000_000, "bytes": path.stat().st_size}


def summed(url: str, *_: Any) -> dict[str, Any]:
    """Sum all figures once, in one exact pass without a join or a group."""
    with tenant_session(make_engine(url), BIG) as session:
        found = session.execute(
            text(
                "SELECT count(*), sum(calculated_emission::text::numeric) FROM emissions"
                " WHERE organization_id = :o AND deleted_at IS NULL"
            ),
            {"o": BIG},
        ).one()
    return {"rows": found[0], "bytes": 0}


PEERS: dict[str, Callable[..., dict[str, Any]]] = {
    "floor: an empty page by WeasyPrint": empty_page,
    "floor: one exact sum of all by PostgreSQL": summed,
    "peer: 500,000 × 26 cells by XlsxWriter": bare_cells,
    "peer: COPY all TO CSV by PostgreSQL": copied,
}


def child(name: str, url: str, report_id: UUID, folder: Path) -> None:
    """Do one thing and print what it took. The imports count: a worker pays them once."""
    start = time.perf_counter()
    work = PEERS.get(name, generate)
    found = work(url, report_id, folder)
    found["seconds"] = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    found["cpu"] = used.ru_utime + used.ru_stime
    found["peak_mb"] = used.ru_maxrss / 1024
    print(json.dumps(found))


def measure(server: LocalPostgres, folder: Path, only: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (what, what it took)."""
    owner = make_engine(url_of(server, "postgres"), pool_size=1)
    for name in [n for n in (*CASES, *PEERS) if only in n]:
        report_id = ask(owner, name) if name in CASES else UUID(int=0)
        with scratch(folder) as place:
            done = subprocess.run(
                [sys.executable, __file__, "--child", name, url_of(server, "tonnage_worker"),
                 str(report_id), str(place)],
                check=True, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        yield name, json.loads(done.stdout)
    owner.dispose()


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Yield a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        yield Path(place)


def main(arguments: Sequence[str] | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help="part of a case's name")
    parser.add_argument("--data", type=Path, help="keep the database here")
    parser.add_argument("--build", action="store_true", help="build the database and no more")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        name, url, report_id, folder = given.child
        child(name, url, UUID(report_id), Path(folder))
        return []
    folder = given.data or Path(tempfile.mkdtemp(prefix="tonnage-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    server = start_postgres(folder / "pg")
    found = []
    try:
        build(server, given.rows)
        add_factors(server)
        if given.build:
            return []
        print("| | rows listed | s | own CPU s | peak MB | file MB |\n|---|---|---|---|---|---|")
        for name, took in measure(server, folder, given.only):
            found.append((name, took))
            print(
                f"| {name} | {took['rows']:,} | {took['seconds']:.1f} | {took['cpu']:.1f} |"
                f" {took['peak_mb']:.0f} | {took['bytes'] / 1e6:.1f} |",
                flush=True,
            )
        return found
    finally:
        server.stop()
        if given.data is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
