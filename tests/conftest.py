"""Real servers for the tests: one PostgreSQL for the run, one database for each test process."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from sqlalchemy import Engine, text
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from db.engine import make_engine
from runtime import dev_config, migrate
from runtime.dev import script
from runtime.settings import DatabaseRole, Settings
from tests.distribution import ByFile

# How long an example takes says more of the machine's other work than of the code.
hypothesis.settings.register_profile("tonnage", deadline=None)
hypothesis.settings.load_profile("tonnage")

SERVER_VARIABLE = "TONNAGE_TEST_POSTGRES"  # the server's URI, from the controller to its workers
TEMPLATE = "tonnage_template"
SECRET = "only-for-tests-0123456789-abcdefghijklmnop"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let somebody with time send the API more requests (`make fuzz-api`)."""
    parser.addoption("--api-examples", type=int, default=0, help="requests an operation and role")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Say which test process runs what."""
    return ByFile(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Start PostgreSQL once, before test processes are forked, and migrate the template."""
    if hasattr(config, "workerinput") or SERVER_VARIABLE in os.environ:
        return
    directory = Path(tempfile.mkdtemp(prefix="tonnage-tests-"))
    directory.chmod(0o755)
    from runtime.postgres import start_postgres

    server = start_postgres(directory / "pg")
    config.stash[SERVER_KEY] = (server, directory)
    os.environ[SERVER_VARIABLE] = server.uri("postgres")
    with psycopg.connect(server.uri("postgres"), autocommit=True) as connection:
        # The server lives as long as the run: nothing of it must survive a power cut, and a
        # checkpoint (every DROP DATABASE waits for one) can take minutes on a slow disk.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET full_page_writes = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    engine = make_engine(f"postgresql+psycopg://{server.uri(TEMPLATE).partition('://')[2]}")
    with engine.connect() as connection:
        migrate.upgrade(connection)
    engine.dispose()


SERVER_KEY: pytest.StashKey[Any] = pytest.StashKey()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop PostgreSQL and remove its files."""
    if SERVER_KEY in config.stash:
        server, directory = config.stash[SERVER_KEY]
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
        os.environ.pop(SERVER_VARIABLE, None)


def make_database(name: str) -> str:
    """Create a migrated, empty database; return its superuser URL."""
    admin = os.environ[SERVER_VARIABLE]
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        # Settings of roles in a database are not copied with the template.
        for role, timeout_s in (("app", 15), ("auth", 15), ("worker", 600)):
            connection.execute(
                f"ALTER ROLE tonnage_{role} IN DATABASE {name}"
                f" SET statement_timeout = '{timeout_s}s'"
            )
            connection.execute(
                f"ALTER ROLE tonnage_{role} IN DATABASE {name} SET lock_timeout = '3s'"
            )
        connection.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
        connection.execute(
            f"GRANT TEMPORARY ON DATABASE {name} TO tonnage_worker, tonnage_platform"
        )
    return admin.replace("/postgres?", f"/{name}?")


# What pg_trgm does, for servers without it (that of the tests): the share of common trigrams.
SIMILARITY = """
CREATE FUNCTION similarity(a text, b text) RETURNS real LANGUAGE sql IMMUTABLE AS $$
    WITH x AS (SELECT DISTINCT substr('  ' || lower(a) || ' ', n, 3) AS t
               FROM generate_series(1, length(a) + 1) n),
         y AS (SELECT DISTINCT substr('  ' || lower(b) || ' ', n, 3) AS t
               FROM generate_series(1, length(b) + 1) n)
    SELECT (SELECT count(*) FROM x JOIN y USING (t))::real
        / (SELECT count(*) FROM (SELECT t FROM x UNION SELECT t FROM y) u) $$
"""


@pytest.fixture
def similarity(admin_engine: Engine) -> Iterator[None]:
    """Let searching find similarity(), as where pg_trgm is installed."""
    with admin_engine.begin() as connection:
        connection.execute(text(SIMILARITY))
    yield
    with admin_engine.begin() as connection:
        connection.execute(text("DROP FUNCTION similarity"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as Temporal's SDK does."""
    return "asyncio"


@asynccontextmanager
async def temporal_server() -> AsyncIterator[WorkflowEnvironment]:
    """Run a real Temporal dev server as temporal-dev.yaml says, with its state in memory."""
    config = dev_config.load()
    extra = []
    for key, value in config.dynamic_config.items():
        extra += ["--dynamic-config-value", f"{key}={json.dumps(value)}"]
    async with await WorkflowEnvironment.start_local(
        namespace=config.server.namespace,
        data_converter=pydantic_data_converter,
        dev_server_existing_path=script("temporal"),
        dev_server_extra_args=extra,
        search_attributes=[SearchAttributeKey.for_keyword(n) for n in config.search_attributes],
    ) as environment:
        yield environment


@pytest.fixture(scope="session")
async def temporal(anyio_backend: str) -> AsyncIterator[WorkflowEnvironment]:
    """The server of the workflow tests, which bring workers of their own."""
    async with temporal_server() as environment:
        yield environment


@pytest.fixture(scope="session")
def database_url() -> str:
    """A database of this test process, as superuser URL."""
    return make_database(f"tonnage_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")


@pytest.fixture(scope="session")
def settings(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a complete local deployment on the test database."""
    root = tmp_path_factory.mktemp("tonnage")
    return Settings(
        secret_key=SECRET,
        database_url=database_url,
        storage_url=f"file://{root / 'objects'}",
        work_dir=root / "work",
        argon2_memory_kib=64,
        argon2_time_cost=1,
        rate_limit_organization=1_000_000,
        rate_limit_user=1_000_000,
        rate_limit_uploads=1_000_000,
        rate_limit_reports=1_000_000,
        rate_limit_recalculations=1_000_000,
    )


def engine_for(settings: Settings, role: DatabaseRole) -> Engine:
    """Return a small engine for one role."""
    return make_engine(settings.database_url_for(role), pool_size=5)


@pytest.fixture(scope="session")
def admin_engine(settings: Settings) -> Iterator[Engine]:
    """A superuser's engine: arranges and inspects, never under test itself."""
    engine = engine_for(settings, DatabaseRole.ADMIN)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def app_engine(settings: Settings) -> Iterator[Engine]:
    """The API's engine."""
    engine = engine_for(settings, DatabaseRole.APP)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def worker_engine(settings: Settings) -> Iterator[Engine]:
    """The pipeline's engine."""
    engine = engine_for(settings, DatabaseRole.WORKER)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def platform_engine(settings: Settings) -> Iterator[Engine]:
    """The sweeps' engine; bypasses row-level security."""
    engine = engine_for(settings, DatabaseRole.PLATFORM)
    yield engine
    engine.dispose()


@pytest.fixture
def clean_database(admin_engine: Engine) -> None:
    """Empty every tenant table."""
    with admin_engine.begin() as connection:
        connection.execute(text("TRUNCATE organizations, users, login_throttles CASCADE"))
