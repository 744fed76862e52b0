"""A real PgBouncer in transaction mode in front of the tests' PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
import pytest

PORT = 6432
START_TIMEOUT_S = 15
CONFIGURATION = """
[databases]
{database} = host={host}
[pgbouncer]
listen_port = {port}
unix_socket_dir = {directory}
auth_type = trust
auth_file = {directory}/users
pool_mode = transaction
default_pool_size = 1
max_client_conn = 100
logfile = {directory}/log
pidfile = {directory}/pid
"""


@contextmanager
def in_front_of(url: str) -> Iterator[str]:
    """Yield the URL of the same database behind PgBouncer: one connection for each role."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("needs PgBouncer (Debian: apt-get install pgbouncer)")
    parts = urlsplit(url)
    database, host = parts.path.strip("/"), parse_qs(parts.query)["host"][0]
    directory = Path(tempfile.mkdtemp(prefix="tonnage-bouncer-"))
    (directory / "users").write_text(
        "".join(f'"tonnage_{role}" ""\n' for role in ("app", "auth", "worker"))
    )
    (directory / "conf").write_text(
        CONFIGURATION.format(database=database, host=host, port=PORT, directory=directory)
    )
    unprivileged = {}
    if os.geteuid() == 0:  # it refuses to run as root; PostgreSQL's socket is its owner's alone
        owner = Path(host).stat()
        for path in (directory, *directory.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)
        unprivileged = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    process = subprocess.Popen(
        [program, "-q", directory / "conf"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **unprivileged,
    )
    behind = (
        f"{parts.scheme}://{{user}}@/{database}?host={quote(str(directory), safe='')}&port={PORT}"
    )
    try:
        wait_for(behind.format(user="tonnage_app"), process, directory / "log")
        yield behind
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(directory, ignore_errors=True)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(f"postgresql://{url.partition('://')[2]}", connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                told = log.read_text() if log.exists() else ""
                raise AssertionError(told) from error
            time.sleep(0.05)
