"""Bring a database to a schema revision."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

import db
from core.errors import Misconfigured

MIGRATIONS = Path(db.__file__).parent / "migrations"
FILE_NAMES = "%%(year)d_%%(month).2d_%%(day).2d_%%(hour).2d%%(minute).2d_%%(slug)s"
# Any number: two deployments that start at once must not migrate at once.
MIGRATION_LOCK = 7_461_001


def alembic_config(connection: Connection) -> Config:
    """Return alembic's configuration, without an .ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", FILE_NAMES)
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Migrate upwards; safe to run from several processes at once."""
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
    connection.commit()
    try:
        command.upgrade(alembic_config(connection), revision)
        connection.commit()
    finally:
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()


def downgrade(connection: Connection, revision: str = "base") -> None:
    """Migrate downwards. Data in dropped tables is lost."""
    command.downgrade(alembic_config(connection), revision)
    connection.commit()


@cache
def head_revision() -> str:
    """Return the revision that this code expects."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    head = ScriptDirectory.from_config(config).get_current_head()
    if head is None:
        raise Misconfigured("the package holds no migrations")
    return head
