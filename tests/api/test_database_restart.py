"""PostgreSQL that restarts, waits, deadlocks or is a standby: 503 with Retry-After, never 500."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi import Response
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from api.app import create_app
from core.permissions import Role
from db.engine import make_engine
from db.queries import organizations
from runtime import migrate
from runtime.passwords import Passwords
from runtime.postgres import LocalPostgres, start_postgres
from runtime.settings import Settings

EMAIL, PASSWORD = "ada@alpha.example", "a pass phrase of several words"
READERS = 4


@pytest.fixture
def own_postgres() -> Iterator[tuple[Path, LocalPostgres]]:
    """A server of this test alone: it is restarted."""
    directory = Path(tempfile.mkdtemp(prefix="tonnage-restart-"))
    directory.chmod(0o755)
    server = start_postgres(directory / "pg")
    yield directory / "pg", server
    start_postgres(directory / "pg").stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def own_settings(own_postgres: tuple[Path, LocalPostgres], settings: Settings) -> Settings:
    """Settings of a migrated database there, with one person in one organization."""
    _, server = own_postgres
    with psycopg.connect(server.uri("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE own")
    own = settings.model_copy(update={"database_url": server.uri("own")})
    engine = make_engine(f"postgresql+psycopg://{server.uri('own').partition('://')[2]}")
    with engine.connect() as connection:
        migrate.upgrade(connection)
    with Session(engine) as session:
        made = organizations.create_organization(session, name="Alpha", country="GB")
        hashed = Passwords(settings).hash(PASSWORD)
        user = organizations.create_user(session, email=EMAIL, password_hash=hashed, first_name="A")
        organizations.add_member(session, made, user, Role.ADMIN, None)
        session.commit()
    engine.dispose()
    return own


def test_requests_get_503_while_postgres_restarts_and_recover_by_themselves(
    own_postgres, own_settings, storage, pipeline
) -> None:
    data, server = own_postgres
    app = create_app(own_settings, storage=storage, pipeline=pipeline)
    seen: Counter[int] = Counter()
    stop, was_away = threading.Event(), threading.Event()
    with TestClient(app, raise_server_exceptions=True) as client:
        given = {"email": EMAIL, "password": PASSWORD}
        token = client.post("/v1/auth/login", json=given).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}

        def read() -> list[Any]:
            wrong = []
            while not stop.is_set():
                answer = client.get("/v1/files", headers=headers)
                seen[answer.status_code] += 1
                if answer.status_code == 503:
                    was_away.set()
                    if int(answer.headers["retry-after"]) < 1:
                        wrong.append(dict(answer.headers))
                elif answer.status_code != 200:
                    wrong.append(answer.text)
            return wrong

        with ThreadPoolExecutor(READERS) as threads:
            readers = [threads.submit(read) for _ in range(READERS)]
            try:
                server.stop()
                assert was_away.wait(30)
                ready = client.get("/readyz")
                assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "away")
                assert client.get("/livez").status_code == 200
            finally:
                start_postgres(data)
                stop.set()
            assert [reader.result(60) for reader in readers] == [[]] * READERS
        assert client.get("/v1/files", headers=headers).status_code == 200
        assert client.get("/readyz").status_code == 200
    assert seen[503] > 0


RAISE = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{}'; END $$"
BROKEN = {
    "a statement that takes too long": ("SET LOCAL statement_timeout = 20", "SELECT pg_sleep(5)"),
    "a deadlock": (RAISE.format("40P01"),),
    "a serialization failure": (RAISE.format("40001"),),
    "a lock that is not given": (RAISE.format("55P03"),),
    "too many connections": (RAISE.format("53300"),),
    "a full disk": (RAISE.format("53100"),),
    "a shutdown": (RAISE.format("57P01"),),
    "a standby": ("SET TRANSACTION READ ONLY", "CREATE TABLE never (id INT)"),
    "a killed connection": ("SELECT pg_terminate_backend(pg_backend_pid())",),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_passes_by_itself_is_503_and_the_next_request_works(
    api_settings, storage, admin_engine, alpha, broken
) -> None:
    app = create_app(api_settings, storage=storage)

    @app.get("/broken")
    def run() -> Response:
        with admin_engine.connect() as connection:
            for statement in BROKEN[broken]:
                connection.execute(text(statement))
        return Response()

    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/broken")
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"] in ("busy", "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert client.get("/v1/files", headers=alpha.headers).status_code == 200


def test_a_row_that_another_holds_is_503_after_the_lock_timeout(
    client, world, alpha, admin_engine
) -> None:
    """The real thing: somebody else's transaction holds the row that a request must write."""
    with world.engine.connect() as connection:
        connection.execute(
            text("UPDATE organizations SET name = name WHERE id = :id"), {"id": alpha.id}
        )
        url = f"/v1/organizations/{alpha.id}"
        answer = client.patch(url, headers=alpha.headers, json={"name": "Renamed"})
        connection.rollback()
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert client.patch(url, headers=alpha.headers, json={"name": "Renamed"}).status_code == 200


def test_a_broken_rule_of_the_database_stays_a_defect(api_settings, storage, admin_engine) -> None:
    app = create_app(api_settings, storage=storage)

    @app.get("/broken")
    def run() -> Response:
        with admin_engine.connect() as connection, pytest.raises(DBAPIError) as raised:
            connection.execute(text("SELECT nothing_like_it"))
        raise raised.value

    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/broken").status_code == 500
