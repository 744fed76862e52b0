"""What commands of the operator work on: the environment's deployment, or a stack of `make dev`."""

from __future__ import annotations

import argparse
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
NO_ANSWER = "the database does not answer, or not to this login; is it running?"


def add_state(command: argparse.ArgumentParser) -> None:
    """Let a command name the development stack that it means when no database is configured."""
    command.add_argument(
        "--state", type=Path, default=Path(".tonnage"), help="of a running development stack"
    )


def operator_settings(state_dir: Path) -> Settings:
    """Return the environment's settings, or those of the stack that runs on `state_dir`.

    Raises Misconfigured when there is neither, ValidationError when the environment names a
    database and is wrong otherwise: whoever means that one must not be given another.
    """
    try:
        return Settings()
    except ValidationError as error:
        missing = {fault["loc"] for fault in error.errors() if fault["type"] == "missing"}
        if ("database_url",) not in missing:
            raise
        return _settings_of_stack(state_dir)


@contextmanager
def platform_engine(
    state_dir: Path, application_name: str = "tonnage-factors"
) -> Iterator[tuple[Engine, int]]:
    """Yield an engine of the platform role, and how many threads may embed.

    The environment's database, or that of the development stack that runs on `state_dir`.
    Raises Misconfigured when there is neither, Unavailable when it does not answer.
    """
    settings = operator_settings(state_dir)
    url = settings.database_url_for(DatabaseRole.PLATFORM)
    engine = make_engine(url, pool_size=2, application_name=application_name)
    try:
        yield engine, settings.embedder_threads
    except OperationalError as error:
        raise Unavailable(NO_ANSWER) from error
    finally:
        engine.dispose()


def _settings_of_stack(state_dir: Path) -> Settings:
    from runtime import dev, dev_config
    from runtime.postgres import start_postgres

    running = dev.running_stack(state_dir)
    if running is None:
        raise Misconfigured(_NO_DATABASE)
    state_dir = state_dir.resolve()
    server = start_postgres(state_dir / "pg")  # adopts the one that runs
    return Settings(
        secret_key=dev.secret(state_dir / "secret-key", 48),
        database_url=server.uri(dev.DATABASE),
        temporal_address=running.temporal_address,
        temporal_namespace=dev_config.load().server.namespace,
        temporal_ui_url=running.temporal_ui_url,
        storage_url=f"file://{state_dir / 'objects'}",
        public_url=running.api_url,
        work_dir=state_dir / "work",
    )
