"""Child processes that end with their parent, are restarted when they die, and stop in order."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STOP_TIMEOUT_S = 15
RESTART_DELAY_S = 0.5
MAX_RESTART_DELAY_S = 30.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h
BELOW_OUTGOING = range(20_000, 32_000)


def free_port(preferred: int, ip: str = "127.0.0.1") -> int:
    """Return `preferred` when nothing listens there, else a port that is free now.

    Below the range that systems take for outgoing connections: one of those would have the port
    before whoever asked for it listens there.
    """
    wanted = [preferred] if preferred else []
    for port in (*wanted, *random.sample(BELOW_OUTGOING, 20), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ip, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port")


def die_with_parent() -> None:
    """Ask Linux to kill this child when its parent is gone, even after kill -9."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Child:
    """One supervised process."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    exit_code: int | None = None
    restarts: int = 0
    retry_at: float = field(default=0.0)

    def start(self) -> None:
        """Start the process in a session of its own: Ctrl-C reaches only the parent."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    @property
    def running(self) -> bool:
        """Tell whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Ask the process to end, then make it."""
        if self.process is None or not self.running:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def how_it_ended(self) -> str:
        """Say how the last run ended: killed, or with which words."""
        if self.exit_code is not None and self.exit_code < 0:
            return f"was killed by signal {-self.exit_code}"
        return f"ended with exit code {self.exit_code} ({self.tail(1)[:200]})"

    def tail(self, lines: int = 15) -> str:
        """Return the end of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Supervisor:
    """Keeps children running."""

    def __init__(self, on_restart: Callable[[Child], None]) -> None:
        self.children: list[Child] = []
        self.on_restart = on_restart

    def add(self, child: Child) -> Child:
        """Start a child and look after it."""
        child.start()
        self.children.append(child)
        return child

    def tend(self) -> None:
        """Restart what has died, later each time."""
        now = time.monotonic()
        for child in self.children:
            if child.running:
                continue
            if child.retry_at == 0.0:
                child.exit_code = child.process.poll() if child.process else None
                delay_s = min(RESTART_DELAY_S * 2**child.restarts, MAX_RESTART_DELAY_S)
                child.retry_at = now + delay_s
            elif now >= child.retry_at:
                child.restarts += 1
                child.retry_at = 0.0
                child.start()
                self.on_restart(child)

    def stop(self) -> None:
        """Stop all, the last started first."""
        while self.children:
            self.children.pop().stop()
