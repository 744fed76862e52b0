"""What chaining the audit trail costs: events a second with the chain, and without it.

    .venv/bin/python tests/benchmarks/bench_audit.py [SECONDS] [THREADS]

Every transaction records one event as app and commits, as a request does. The floor is the same
INSERT with the chain's trigger switched off, in the same database. One organization is the worst
case: its writers wait for one another at each commit. The best round of three counts, for other
work on the machine can only slow one down. Then how fast a chain is checked.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine, text
from sqlmodel import Session

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.audit import verify
from db.engine import make_engine, tenant_session
from db.ids import uuid7
from db.queries import audit, audit_chain, organizations
from runtime import migrate
from runtime.postgres import start_postgres
from runtime.settings import with_driver, with_user

ROUNDS = 3
ACTOR = audit.Actor(user_id=None, kind="pipeline", request_id="bench")
AFTER = {"rows": {"total": 1200, "calculated": 1100, "in_review": 80, "rejected": 20},
         "outcome": "completed", "kg_co2e": 18243.551}  # fmt: skip


def write(engine: Engine, ids: list[UUID], until: float, seed: int, took: list[float]) -> None:
    """Record events, one a transaction, until the time is over."""
    turn = seed
    while time.perf_counter() < until:
        organization_id = ids[turn % len(ids)]
        turn += 7
        start = time.perf_counter()
        with tenant_session(engine, organization_id) as session:
            audit.record(session, organization_id, ACTOR, action="file.completed",
                         object_type="file", object_id=uuid7(), after=AFTER)  # fmt: skip
            session.commit()
        took.append(time.perf_counter() - start)


def measure(engine: Engine, ids: list[UUID], seconds: float, threads: int) -> tuple[float, float]:
    """Return events a second and the 99th percentile of a transaction in milliseconds."""
    took: list[list[float]] = [[] for _ in range(threads)]
    begin = time.perf_counter()
    running = [
        threading.Thread(target=write, args=(engine, ids, begin + seconds, n, took[n]))
        for n in range(threads)
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    every = [one for mine in took for one in mine]
    rate = len(every) / (time.perf_counter() - begin)
    return rate, statistics.quantiles(every, n=100)[98] * 1000


def main(seconds: float = 5, threads: int = 16) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        server = start_postgres(Path(directory) / "pg")
        try:
            run(server.uri("postgres"), seconds, threads)
        finally:
            server.stop()


def run(url: str, seconds: float, threads: int) -> None:
    """Measure on a fresh server, with commits that wait for the disk and without."""
    admin = make_engine(with_driver(url))
    with admin.connect() as connection:
        migrate.upgrade(connection)
    with Session(admin) as session:
        ids = [organizations.create_organization(session, name=f"o{n}") for n in range(100)]
        session.commit()
    print(f"{threads} threads, best of {ROUNDS} rounds of {seconds:g} s; events/s (p99 in ms)")
    print(f"{'':40}{'plain':>16}{'chained':>16}{'':>8}")
    for commits, told in (("off", "no wait for the disk"), ("on", "waits for the disk")):
        with admin.begin() as connection:
            connection.execute(text(f"ALTER ROLE tonnage_app SET synchronous_commit = {commits}"))
        app = make_engine(with_driver(with_user(url, "tonnage_app")), pool_size=threads)
        write(app, ids, time.perf_counter() + 1, 0, [])  # warm: connections, plans, heads
        for chosen in (ids[:1], ids):
            found: dict[str, list[tuple[float, float]]] = {"DISABLE": [], "ENABLE": []}
            for verb in ("DISABLE", "ENABLE") * ROUNDS:  # turn about: the machine has other work
                with admin.begin() as connection:
                    connection.execute(
                        text(f"ALTER TABLE audit_events {verb} TRIGGER audit_events_chain")
                    )
                found[verb].append(measure(app, chosen, seconds, threads))
            rates = [max(rounds) for rounds in found.values()]
            many = f"{len(chosen)} organization{'s' if len(chosen) > 1 else ''}"
            shown = "".join(f"{rate:>10.0f} ({p99:3.0f})" for rate, p99 in rates)
            print(f"{many}, commit {told}".ljust(40) + shown + f"{rates[1][0] / rates[0][0]:>8.0%}")
        app.dispose()
    checked(admin, ids[0])
    admin.dispose()


def checked(admin: Engine, organization_id: UUID) -> None:
    """Print how fast a chain is checked."""
    with Session(admin) as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("DELETE FROM audit_events WHERE sequence IS NULL"))
        session.commit()
        [head] = audit_chain.heads(session, organization_id)
        start = time.perf_counter()
        verdict = verify(organization_id, audit_chain.events(session, organization_id), head)
        took = time.perf_counter() - start
    assert verdict.broken is None
    print(f"checked {verdict.events} events in {took:.1f} s: {verdict.events / took:.0f} events/s")


if __name__ == "__main__":
    main(*(float(a) for a in sys.argv[1:2]), *(int(a) for a in sys.argv[2:3]))
