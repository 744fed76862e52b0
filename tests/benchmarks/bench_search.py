"""How long every list and summary takes with a million figures in one organization.

    .venv/bin/python tests/benchmarks/bench_search.py [--rows 1000000] [--runs 40] [--plans DIR]

The real query functions run as tonnage_app under row-level security, in a transaction each, on a
PostgreSQL of their own. Beside them the floor: the same as a role that row-level security lets
pass. `--plans` writes what EXPLAIN (ANALYZE, BUFFERS) says of every statement. `--data` keeps the
database between runs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, event, func, select, text
from sqlmodel import Session

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import search_data
from search_data import BIG, RECALCULATION

from core.permissions import Reach
from core.recalculation import ReasonCode
from db.engine import TenantSession, make_engine
from db.models import Emission, File
from db.queries import (
    audit,
    emissions,
    factors,
    files,
    memory,
    paging,
    recalculations,
    reports,
    reviews,
)
from runtime import migrate
from runtime.postgres import LocalPostgres, start_postgres

Filter = emissions.EmissionFilter
Case = tuple[str, Callable[[Session], Any]]
LIMIT = 50
EVERYTHING = Reach(None)
EMISSION: Any = Emission


def filters(file_id: UUID, project_id: UUID) -> dict[str, emissions.EmissionFilter]:
    """Return one filter of each kind, frequent and rare."""
    day = dt.date
    return {
        "nothing": Filter(),
        "q, one word of ten": Filter(q="diesel"),
        "q, two words": Filter(q="diesel office"),
        "q, rare": Filter(q="flight 333"),
        "name": Filter(name="diesel"),
        "name, rare": Filter(name="diesel vans 2"),
        "type": Filter(type="type 17"),
        "scope": Filter(scope=(2,)),
        "category": Filter(category="Category 4"),
        "file_id": Filter(file_id=file_id),
        "project_id": Filter(project_id=project_id),
        "region": Filter(region="FR"),
        "dates, months": Filter(date_from=day(2024, 4, 1), date_to=day(2024, 9, 30)),
        "dates, days": Filter(date_from=day(2024, 4, 12), date_to=day(2024, 9, 17)),
        "min_confidence": Filter(min_confidence=0.8),
        "q + days": Filter(q="diesel", date_from=day(2024, 4, 12), date_to=day(2024, 5, 17)),
        "type + region + scope": Filter(type="type 17", region="FR", scope=(3,)),
    }


def middle(session: Session, sort: paging.Sort) -> paging.Position | None:
    """Return a place in the middle of the million."""
    total = session.scalar(select(func.count()).where(EMISSION.organization_id == BIG)) or 0
    row = session.execute(
        select(sort.column, EMISSION.id)
        .where(EMISSION.organization_id == BIG, sort.column.is_not(None))
        .order_by(sort.column, EMISSION.id)
        .offset(total // 2)
        .limit(1)
    ).first()
    return None if row is None else paging.Position(row[0], row[1])


def cases(session: Session) -> Iterator[Case]:
    """Yield (what, query) of every list and summary."""
    file: Any = File
    found = session.execute(
        select(file.id, file.project_id).where(file.organization_id == BIG).order_by(file.id)
    ).first()
    assert found is not None
    wanted = filters(*found)
    for name, one in wanted.items():
        yield f"summary: {name}", lambda s, f=one: emissions.summarize(s, BIG, EVERYTHING, f)
    for name, one in wanted.items():
        for order in ("date", "emission"):
            yield f"list: {name}, -{order}", listed(one, emissions.SORTS[order], True, None)
    for name, sort in emissions.SORTS.items():
        place = middle(session, sort)
        for down in (False, True):
            sign = "-" if down else ""
            yield f"list: {sign}{name}, first page", listed(Filter(), sort, down, None)
            yield f"list: {sign}{name}, deep", listed(Filter(), sort, down, place)
    yield from others(found[0])


def listed(
    wanted: emissions.EmissionFilter, sort: paging.Sort, down: bool, place: paging.Position | None
) -> Callable[[Session], Any]:
    """Return the query of a page of figures."""
    asked = paging.PageRequest(replace(sort, descending=down), LIMIT, place)
    return lambda s: emissions.list_emissions(s, BIG, EVERYTHING, wanted, asked)


def others(file_id: UUID) -> Iterator[Case]:
    """Yield the lists of everything else, first pages."""

    def page(sort: paging.Sort) -> paging.PageRequest:
        return paging.PageRequest(sort, LIMIT)

    for name, sort in files.SORTS.items():
        yield (
            f"files: {name}",
            lambda s, o=sort: files.list_files(s, BIG, EVERYTHING, files.FileFilter(), page(o)),
        )
    yield (
        "issues of a file",
        lambda s: files.list_issues(s, BIG, file_id, files.IssueFilter(), page(files.ISSUE_ORDER)),
    )
    yield (
        "reviews",
        lambda s: reviews.list_reviews(
            s, BIG, EVERYTHING, reviews.ReviewFilter(), page(reviews.BY_RISK)
        ),
    )
    yield (
        "reports",
        lambda s: reports.list_reports(
            s, BIG, EVERYTHING, reports.ReportFilter(), page(reports.BY_AGE)
        ),
    )
    yield (
        "decisions",
        lambda s: memory.list_memory(s, BIG, memory.MemoryFilter(), page(memory.BY_AGE)),
    )
    yield from trails(file_id, page)
    for name, kind in factors.SORTS.items():
        yield f"factors: {name}", factor_list(factors.FactorFilter(), page(kind))
    for name, wanted in (
        ("q", factors.FactorFilter(q="diesel kind 3")),
        ("region", factors.FactorFilter(region="FR")),
        ("category", factors.FactorFilter(category="Category 7")),
    ):
        yield f"factors: {name}, by name", factor_list(wanted, page(factors.SORTS["name"]))
    yield "facets of all factors", lambda s: factors.facets(s, BIG, factors.FactorFilter())


def factor_list(
    wanted: factors.FactorFilter, asked: paging.PageRequest
) -> Callable[[Session], Any]:
    """Return the query of a page of factors."""
    return lambda s: factors.list_factors(s, BIG, wanted, asked)


def trails(file_id: UUID, page: Callable[[paging.Sort], paging.PageRequest]) -> Iterator[Case]:
    """Yield the lists of the audit trail and of what a recalculation would change."""
    newest = page(audit.BY_SEQUENCE)
    middle = replace(newest, after=paging.Position(40_000, UUID(int=0)))
    for name, wanted, asked in (
        ("", audit.AuditFilter(), newest),
        (", deep", audit.AuditFilter(), middle),
        (" of a file", audit.AuditFilter(object_type="file", object_id=file_id), newest),
        (" of an action", audit.AuditFilter(action="file.uploaded"), newest),
        (" of a person", audit.AuditFilter(user_id=search_data.USER), newest),
    ):
        yield (
            f"audit events{name}",
            lambda s, w=wanted, a=asked: audit.list_events(s, BIG, w, a),
        )
    largest = page(recalculations.BY_MAGNITUDE)
    deep = replace(largest, after=paging.Position(2.0, UUID(int=0)))
    for title, rows, at in (
        ("", recalculations.RowFilter(), largest),
        (", deep", recalculations.RowFilter(), deep),
        (", changed", recalculations.RowFilter(changed=True), largest),
        (", of a reason", recalculations.RowFilter(reason=ReasonCode.OTHER_FACTOR), largest),
        (", of none", recalculations.RowFilter(reason=ReasonCode.NOW_HELD), largest),
    ):
        yield (
            f"recalculation rows{title}",
            lambda s, r=rows, a=at: recalculations.list_rows(s, BIG, RECALCULATION, r, a),
        )


def timed(engine: Engine, query: Callable[[Session], Any], runs: int) -> list[float]:
    """Return the milliseconds of each run, the transaction's begin included."""
    taken = []
    for run in range(runs + 2):
        start = time.perf_counter()
        with TenantSession(engine, BIG) as session:
            query(session)
        if run >= 2:  # two to warm up
            taken.append(1000 * (time.perf_counter() - start))
    return sorted(taken)


def percentile(taken: Sequence[float], share: float) -> float:
    """Return the value that this share of the runs stays within."""
    return taken[min(len(taken) - 1, int(share * len(taken)))]


@contextmanager
def explained(engine: Engine, folder: Path, name: str) -> Iterator[None]:
    """Write the plan of every statement that is sent meanwhile."""
    lines: list[str] = []
    asked: list[tuple[str, Any]] = []

    def keep(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT") and "set_config" not in statement:
            asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", keep)
    with TenantSession(engine, BIG) as session:
        connection = session.connection()
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, BUFFERS) {statement}", parameters
            ).scalars()
            lines += [statement, "", *plan, "", ""]
    folder.mkdir(parents=True, exist_ok=True)
    file_name = "".join(c if c.isalnum() else "_" for c in name) + ".txt"
    (folder / file_name).write_text("\n".join(lines))


def url_of(server: LocalPostgres, role: str) -> str:
    """Return the URL of the benchmark's database for a role."""
    rest = server.uri("bench").partition("://")[2]
    return f"postgresql+psycopg://{role}:@{rest.partition('@')[2]}"


def build(server: LocalPostgres, rows: int) -> None:
    """Make the database unless it is there."""
    admin = make_engine(f"postgresql+psycopg://{server.uri('postgres').partition('://')[2]}")
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        there = connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = 'bench'"))
        if not there:
            connection.execute(text("CREATE DATABASE bench"))
    admin.dispose()
    if there:
        return
    engine = make_engine(url_of(server, "postgres"))
    with engine.connect() as connection:
        migrate.upgrade(connection)
        search_data.fill(connection, rows)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))
    engine.dispose()


def measure(
    server: LocalPostgres, runs: int, plans: Path | None, only: str = ""
) -> list[tuple[str, float, float, float]]:
    """Return (what, p50, p95, floor p50) in milliseconds of everything."""
    app = make_engine(url_of(server, "tonnage_app"), pool_size=1)
    owner = make_engine(url_of(server, "postgres"), pool_size=1)
    found = []
    with TenantSession(owner, BIG) as session:
        chosen = [case for case in cases(session) if only in case[0]]
    chosen.insert(0, ("SELECT 1", lambda s: s.execute(text("SELECT 1"))))
    for name, query in chosen:
        taken = timed(app, query, runs)
        floor = statistics.median(timed(owner, query, max(3, runs // 8)))
        found.append((name, statistics.median(taken), percentile(taken, 0.95), floor))
        print(f"| {name} | {found[-1][1]:.1f} | {found[-1][2]:.1f} | {floor:.1f} |", flush=True)
        if plans is not None and name != "SELECT 1":
            with explained(app, plans, name), TenantSession(app, BIG) as session:
                query(session)
    app.dispose()
    owner.dispose()
    return found


def main(arguments: Sequence[str] | None = None) -> list[tuple[str, float, float, float]]:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--plans", type=Path)
    parser.add_argument("--only", default="", help="part of a case's name")
    parser.add_argument("--data", type=Path, help="keep the database here")
    given = parser.parse_args(arguments)
    folder = given.data or Path(tempfile.mkdtemp(prefix="tonnage-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    server = start_postgres(folder / "pg")
    try:
        build(server, given.rows)
        print("| | p50 ms | p95 ms | floor ms |\n|---|---|---|---|")
        return measure(server, given.runs, given.plans, given.only)
    finally:
        server.stop()
        if given.data is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
