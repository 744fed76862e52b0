"""A real clamd, with a database of one signature: the test file of EICAR."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.supervisor import free_port

# In two halves, or scanners find it in here.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
STREAM_MAX_BYTES = 1024**2
START_S = 60


@dataclass
class Clamd:
    """A running daemon and both its addresses."""

    process: subprocess.Popen[bytes]
    tcp: str
    unix: str

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it stand still: connections are taken by the kernel, and nobody answers."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def installed() -> str | None:
    """Return the path of clamd, which Debian keeps outside the PATH of users."""
    return shutil.which("clamd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def running_clamd() -> Iterator[Clamd]:
    """Run clamd in the foreground; skip the test where there is none."""
    program = installed()
    if program is None:
        pytest.skip("clamd is not installed (Debian: clamav-daemon)")
    directory = Path(tempfile.mkdtemp(prefix="clamd-"))  # short: a socket's path has 107 bytes
    port, path = free_port(0), directory / "sock"
    (directory / "db").mkdir()
    (directory / "db" / "eicar.ndb").write_text(f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
    (directory / "conf").write_text(
        f"Foreground yes\nTCPSocket {port}\nTCPAddr 127.0.0.1\nLocalSocket {path}\n"
        f"DatabaseDirectory {directory / 'db'}\nTemporaryDirectory {directory}\n"
        f"StreamMaxLength {STREAM_MAX_BYTES}\nAlertExceedsMax yes\nMaxThreads 2\n"
    )
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "--config-file", str(directory / "conf")], stdout=log, stderr=log
        )
    clamd = Clamd(process, f"127.0.0.1:{port}", f"unix:{path}")
    try:
        wait_for(process, port, directory / "log")
        yield clamd
    finally:
        clamd.end()
        shutil.rmtree(directory)


def wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"zPING\0")
                if connection.recv(16) == b"PONG\0":
                    return
        except OSError:
            pass
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
