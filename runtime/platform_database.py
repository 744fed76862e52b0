"""The database that commands of the command line work on, as the platform role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from core.errors import Misconfigured, Unavailable
from db.engine import make_engine
from runtime.settings import DatabaseRole, Settings

_NO_DATABASE = (
    "no database is configured: set TONNAGE_DATABASE_URL and the other settings "
    "(docs/operations.md), or let `make dev` run and name its --state folder"
)


@contextmanager
def platform_engine(state_dir: Path) -> Iterator[tuple[Engine, int]]:
    """Yield an engine of the platform role, and how many threads may embed.

    The environment's database, or that of the development stack that runs on `state_dir`.
    Raises Misconfigured when there is neither, Unavailable when it does not answer.
    """
    try:
        settings = Settings()
        url, threads = (
            settings.database_url_for(DatabaseRole.PLATFORM), settings.embedder_threads,
        )  # fmt: skip
    except ValidationError:
        url, threads = _url_of_stack(state_dir), 2
    engine = make_engine(url, pool_size=2, application_name="tonnage-factors")
    try:
        yield engine, threads
    except OperationalError as error:
        raise Unavailable("the database does not answer; is it running?") from error
    finally:
        engine.dispose()


def _url_of_stack(state_dir: Path) -> str:
    from runtime import dev
    from runtime.postgres import start_postgres
    from runtime.settings import with_driver, with_user

    if dev.running_stack(state_dir) is None:
        raise Misconfigured(_NO_DATABASE)
    server = start_postgres((state_dir / "pg").resolve())  # adopts the one that runs
    return with_driver(with_user(server.uri(dev.DATABASE), "tonnage_platform"))
