"""The rollups are the sums of the figures after any sequence of changes, and of changes at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from db.engine import make_engine
from db.ids import uuid7
from runtime.settings import DatabaseRole

COMMON = (
    "e.organization_id, e.file_id, e.project_id, e.activity_type, e.region, e.scope, e.category,"
    " e.biogenic, e.confidence_score"
)
KEYS = {
    "emission_totals": (
        "month, e.activity_year",
        "date_trunc('month', activity_on::timestamp)::date,"
        " CASE WHEN activity_on IS NULL THEN activity_year END",
    ),
    "emission_texts": (
        "activity_name, activity_description, search_language",
        "activity_name, activity_description, search_language",
    ),
}
COUNTS = (
    " JOIN files f ON f.organization_id = e.organization_id AND f.id = e.file_id"
    " WHERE f.status = 'completed' AND f.deleted_at IS NULL"
)
KG = (0.1, 0.2, 1e16, 1.0, 1e-7, 123456.789)


@pytest.fixture
def files(clean_database: None, platform_engine: Engine) -> list[tuple[UUID, UUID]]:
    """(organization, file) of three unfinished uploads, two of one organization."""
    found = []
    with platform_engine.begin() as connection:
        user = uuid7()
        connection.execute(
            text("INSERT INTO users (id, email, password_hash) VALUES (:u, 'x@x.example', 'x')"),
            {"u": user},
        )
        for count in (2, 1):
            organization = uuid7()
            connection.execute(
                text("INSERT INTO organizations (id, name) VALUES (:o, 'x')"), {"o": organization}
            )
            for _ in range(count):
                found.append((organization, uuid7()))
                connection.execute(
                    text(
                        "INSERT INTO files (organization_id, id, user_id, filename,"
                        " object_storage_path, file_size, file_type, sha256, processing_job_id,"
                        " status) VALUES (:o, :f, :u, 'a.csv', 'file:///a', 1, 'csv', :s, 'f',"
                        " 'calculating')"
                    ),
                    {"o": found[-1][0], "f": found[-1][1], "u": user, "s": str(found[-1][1])},
                )
    return found


def require_ties(engine: Engine) -> None:
    """Assert that both rollups have just the groups that the figures have."""
    sums = "sum({0}::text::numeric), coalesce(sum({1}::text::numeric), 0)"
    with engine.connect() as connection:
        for rollup, (own, derived) in KEYS.items():
            kept = (
                f"SELECT {COMMON}, {own}, e.figures, e.kg, e.upstream_kg FROM {rollup} e {COUNTS}"
            )
            keys = ", ".join(str(n) for n in range(1, 12 + (rollup == "emission_texts")))
            true = (
                f"SELECT {COMMON}, {derived}, count(*),"
                f" {sums.format('calculated_emission', 'upstream_emission')}"
                f" FROM emissions e {COUNTS} AND e.deleted_at IS NULL GROUP BY {keys}"
            )
            differences = f"(({kept}) EXCEPT ALL ({true})) UNION ALL (({true}) EXCEPT ALL ({kept}))"
            assert connection.execute(text(differences)).all() == [], rollup


def put(connection: Connection, file: tuple[UUID, UUID], draw: random.Random) -> None:
    """Store a batch as the pipeline does: some rows are there already."""
    first = draw.randrange(20)
    for number in sorted(draw.sample(range(first, first + 8), 4)):
        connection.execute(
            text(
                "INSERT INTO emissions (organization_id, id, file_id, row_number, activity_name,"
                " unit, volume, calculated_emission, upstream_emission, activity_on,"
                " activity_year, region, biogenic) VALUES (:o, gen_random_uuid(), :f, :n, :name,"
                " 'kg', 1, :kg, :up, CAST(:on AS date), 2024, :region, :biogenic)"
                " ON CONFLICT (organization_id, file_id, sheet, row_number, column_number)"
                " DO UPDATE SET calculated_emission = excluded.calculated_emission,"
                " upstream_emission = excluded.upstream_emission, region = excluded.region"
            ),
            {
                "o": file[0], "f": file[1], "n": number, "name": f"name {number % 3}",
                "kg": draw.choice(KG), "up": draw.choice((None, *KG)),
                "on": draw.choice((None, "2024-01-31", "2024-02-01")),
                "region": draw.choice((None, "GB")), "biogenic": draw.random() < 0.2,
            },
        )  # fmt: skip


def sql(statement: str) -> Callable[[Connection, tuple[UUID, UUID], random.Random], None]:
    """Return the change of one statement about a file, or about a row of it."""

    def change(connection: Connection, file: tuple[UUID, UUID], draw: random.Random) -> None:
        values = {"o": file[0], "f": file[1], "n": draw.randrange(25)}
        connection.execute(
            text(statement), {k: v for k, v in values.items() if f":{k}" in statement}
        )

    return change


FILE = "WHERE organization_id = :o AND id = :f"
ROWS = "WHERE organization_id = :o AND file_id = :f"
CHANGES = {
    "a batch": put,
    "a completion": sql(f"UPDATE files SET status = 'completed' {FILE}"),
    "a failure": sql(f"UPDATE files SET status = 'failed' {FILE} AND status <> 'completed'"),
    "figures of a failed file go": sql(
        f"DELETE FROM emissions {ROWS} AND file_id IN (SELECT id FROM files"
        " WHERE status = 'failed')"
    ),
    "a retry": sql(f"UPDATE files SET status = 'calculating' {FILE} AND status = 'failed'"),
    "a completed file opens again": sql(f"UPDATE files SET status = 'calculating' {FILE}"),
    "a review": sql(
        f"UPDATE emissions SET calculated_emission = 7.3, scope = 3 {ROWS} AND row_number % 3 = 1"
    ),
    "a withdrawal": sql(f"UPDATE emissions SET deleted_at = now() {ROWS} AND row_number > :n"),
    "a figure is deleted": sql(f"UPDATE emissions SET deleted_at = now() {ROWS} AND row_number=:n"),
    "a figure comes back": sql(f"UPDATE emissions SET deleted_at = NULL {ROWS} AND row_number=:n"),
    "a file is deleted": sql(f"UPDATE files SET deleted_at = now() {FILE}"),
    "a file comes back": sql(f"UPDATE files SET deleted_at = NULL {FILE}"),
    "rows of deleted files are purged": sql(
        f"DELETE FROM emissions {ROWS} AND row_number < :n AND file_id IN (SELECT id FROM files"
        " WHERE deleted_at IS NOT NULL)"
    ),
    "every file at once": lambda connection, *_: connection.execute(
        text("UPDATE emissions SET region = 'DE', activity_on = '2024-03-01' WHERE row_number < 9")
    ),
    "a row moves to another file": sql(
        "UPDATE emissions SET file_id = (SELECT id FROM files WHERE organization_id = :o"
        f" ORDER BY id LIMIT 1), row_number = row_number + 1000 {ROWS} AND row_number = :n"
    ),
}


@pytest.mark.parametrize("seed", range(8))
def test_rollups_tie_after_every_step_of_any_sequence(files, platform_engine, seed: int) -> None:
    draw = random.Random(seed)
    seen = []
    for _ in range(40):
        seen.append(draw.choice(list(CHANGES)))
        with platform_engine.connect() as connection:
            CHANGES[seen[-1]](connection, draw.choice(files), draw)
            connection.rollback() if draw.random() < 0.1 else connection.commit()
        require_ties(platform_engine)
    assert len(set(seen)) > 8


def test_a_file_that_is_purged_takes_its_sums_along(files, platform_engine) -> None:
    with platform_engine.begin() as connection:
        put(connection, files[0], random.Random(1))
        CHANGES["a completion"](connection, files[0], random.Random(1))
    for rollup in KEYS:
        with platform_engine.begin() as connection:
            assert connection.scalar(text(f"SELECT count(*) FROM {rollup}")) > 0
    with platform_engine.begin() as connection:
        connection.execute(text("DELETE FROM files"))
        for rollup in KEYS:
            assert connection.scalar(text(f"SELECT count(*) FROM {rollup}")) == 0


def waits(engine: Engine, pid: int) -> bool:
    """Tell whether a connection comes to wait for a lock."""
    for _ in range(1000):
        with engine.connect() as connection:
            waiting = text("SELECT count(*) FROM pg_locks WHERE pid = :pid AND NOT granted")
            if connection.scalar(waiting, {"pid": pid}):
                return True
            connection.execute(text("SELECT pg_sleep(0.01)"))
    return False


@pytest.fixture
def meanwhile(admin_engine: Engine, platform_engine: Engine):
    """Run a change in another transaction that has to wait; return how to wait for its end."""
    started = []

    def start(change: str, file: tuple[UUID, UUID], seed: int) -> Callable[[], None]:
        connection = platform_engine.connect()
        pid = connection.scalar(text("SELECT pg_backend_pid()"))

        def run() -> None:
            CHANGES[change](connection, file, random.Random(seed))
            connection.commit()
            connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        started.append(thread)
        assert waits(admin_engine, pid), f"{change} did not wait"
        return lambda: thread.join(30)

    yield start
    for thread in started:
        thread.join(30)
        assert not thread.is_alive()


def test_a_completion_waits_for_writers_and_has_what_they_wrote(
    files, platform_engine, meanwhile
) -> None:
    with platform_engine.connect() as writer:
        put(writer, files[0], random.Random(1))
        done = meanwhile("a completion", files[0], 0)
        writer.commit()
    done()
    require_ties(platform_engine)


@pytest.mark.parametrize("late", ["a batch", "a review"])
def test_a_writer_who_comes_late_waits_for_the_completion_and_counts(
    files, platform_engine, meanwhile, late: str
) -> None:
    with platform_engine.begin() as connection:
        put(connection, files[0], random.Random(1))
    with platform_engine.connect() as finisher:
        CHANGES["a completion"](finisher, files[0], random.Random(0))
        done = meanwhile(late, files[0], 2)
        finisher.commit()
    done()
    require_ties(platform_engine)


def test_writers_of_one_unfinished_file_do_not_wait_for_each_other(files, platform_engine) -> None:
    with platform_engine.connect() as one, platform_engine.connect() as other:
        for connection, row in ((one, 1), (other, 2), (one, 3), (other, 4)):
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            connection.execute(
                text(
                    "INSERT INTO emissions (organization_id, id, file_id, row_number,"
                    " activity_name, unit, volume, calculated_emission)"
                    " VALUES (:o, gen_random_uuid(), :f, :n, 'a', 'kg', 1, 0.1)"
                ),
                {"o": files[0][0], "f": files[0][1], "n": row},
            )
        one.commit()
        other.commit()
    with platform_engine.begin() as connection:
        CHANGES["a completion"](connection, files[0], random.Random(0))
        found = connection.scalar(text("SELECT sum(figures) FROM emission_totals"))
    assert found == 4


def test_a_completion_with_an_old_snapshot_is_refused(files, platform_engine) -> None:
    old = platform_engine.execution_options(isolation_level="REPEATABLE READ")
    with old.connect() as connection, pytest.raises(DBAPIError, match="READ COMMITTED only"):
        CHANGES["a completion"](connection, files[0], random.Random(0))


@pytest.mark.parametrize("locks", [True, False])
def test_many_writers_at_once_leave_exact_sums(files, settings, platform_engine, locks) -> None:
    engine = make_engine(settings.database_url_for(DatabaseRole.PLATFORM), pool_size=6)
    problems: list[BaseException] = []

    def work(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(25):
            change, file = CHANGES[draw.choice(list(CHANGES)[:-2])], draw.choice(files)
            try:
                with engine.begin() as connection:
                    if locks:  # as every stage, review and deletion does
                        held = text("SELECT 1 FROM files WHERE id = :f FOR NO KEY UPDATE")
                        connection.execute(held, {"f": file[1]})
                    change(connection, file, draw)
            except BaseException as problem:
                problems.append(problem)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    engine.dispose()
    require_ties(platform_engine)
    if locks:
        assert problems == []
    # Who holds rows and not their file may meet a deadlock: it ends the transaction, sums stay.
    assert {getattr(one, "orig", one).sqlstate for one in problems} <= {"40P01"}
