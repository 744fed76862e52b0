"""Child processes for what strangers' data can abort, stall or bloat: limited, and alone.

A child gets one request on stdin, answers on stdout, knows nothing of our environment (so no
secrets), and dies with its parent. It limits itself once it has imported what it needs, so that
running into a limit is always the doing of the data.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1.0
PROJECT = Path(__file__).resolve().parents[1]
EXHAUSTED = (errno.ENOMEM, errno.EAGAIN, errno.EFBIG, errno.EMFILE)
_MEGABYTE = 1 << 20
_LARGEST_FILE = 2_048 * _MEGABYTE
_OPEN_FILES = 128
_ANSWER_BYTES = 16 * _MEGABYTE  # of a report on a file, or a PDF; both stay far below that
_COMPLAINT_BYTES = _MEGABYTE
_PIECE_BYTES = 1 << 16
_TOLD_TO_END = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # no limit sends these
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

# What every child sees of the environment. RLIMIT_AS counts address space, not memory in use: one
# malloc arena saves hundreds of megabytes that would never be touched.
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUTF8": "1",
}


class OutOfLimits(Exception):
    """The child ran out of memory or time, or was killed."""


class Stopped(Exception):
    """The child was told to end, as service managers tell every process of a service: nothing is
    known of the data, and the next try may come to its end."""


class Broke(Exception):
    """The child met what it was not written for; says which error and where, without data."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use."""

    memory_mb: int
    cpu_s: int


def ask(
    module: str,
    request: bytes,
    *,
    environment: Mapping[str, str],
    timeout_s: float,
    on_tick: Callable[[], None] = lambda: None,
) -> bytes:
    """Run `python -m module` with `request` on its stdin and return what it wrote to its stdout.

    Calls `on_tick` about every second; if it raises, or an exception is raised in this thread from
    outside, the child is killed and the exception goes on. Raises OutOfLimits, Stopped and Broke.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", module, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=PROJECT,
        env=dict(environment),
        start_new_session=True,
    )
    try:
        answer, complaint = _wait(child, request, timeout_s, on_tick)
    finally:
        _end(child)
    if -child.returncode in _TOLD_TO_END:
        raise Stopped
    if child.returncode != 0 or not answer:
        # A Python error ends with status 1 and says where; everything else was a violent death.
        if child.returncode == 1 and complaint and b"MemoryError" not in complaint:
            raise Broke(complaint.decode("utf-8", "replace")[-2_000:])
        raise OutOfLimits
    return answer


def _wait(
    child: subprocess.Popen[bytes], request: bytes, timeout_s: float, on_tick: Callable[[], None]
) -> tuple[bytes, bytes]:
    """Return what the child writes, but not more than an answer may be.

    Raises OutOfLimits when it takes too long or says too much.
    """
    deadline = time.monotonic() + timeout_s
    with _Talk(child, request) as talk:
        while True:
            next_tick = time.monotonic() + TICK_S
            while (left_s := next_tick - time.monotonic()) > 0:
                if talk.is_over(left_s):
                    return bytes(talk.answer), bytes(talk.complaint)
            if time.monotonic() > deadline:
                raise OutOfLimits
            on_tick()


class _Talk:
    """Sends the request and collects what comes back."""

    def __init__(self, child: subprocess.Popen[bytes], request: bytes) -> None:
        stdin, stdout, stderr = child.stdin, child.stdout, child.stderr
        assert stdin is not None
        self._child, self._stdin, self._unsent = child, stdin, memoryview(request)
        self.answer, self.complaint = bytearray(), bytearray()
        self._pipes = selectors.DefaultSelector()
        os.set_blocking(stdin.fileno(), False)
        self._pipes.register(stdin, selectors.EVENT_WRITE)
        for stream, into, most in (
            (stdout, self.answer, _ANSWER_BYTES),
            (stderr, self.complaint, _COMPLAINT_BYTES),
        ):
            assert stream is not None
            self._pipes.register(stream, selectors.EVENT_READ, (into, most))

    def __enter__(self) -> _Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipes.close()

    def is_over(self, timeout_s: float) -> bool:
        """Go on for some time at most; tell whether the child has ended and all is read."""
        if not self._pipes.get_map():
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout_s)
            return self._child.returncode is not None
        for key, _ in self._pipes.select(timeout_s):
            if key.fileobj is self._stdin:
                self._send()
                continue
            into, most = key.data
            piece = os.read(key.fd, _PIECE_BYTES)
            if not piece:
                self._pipes.unregister(key.fileobj)
            into += piece
            if len(into) > most:
                raise OutOfLimits
        return False

    def _send(self) -> None:
        try:
            sent = os.write(self._stdin.fileno(), self._unsent[:_PIECE_BYTES])
        except BrokenPipeError:  # it died, and how is read from its exit
            sent = len(self._unsent)
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._pipes.unregister(self._stdin)
            self._stdin.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    """Leave no process behind, whatever happened."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            stream.close()


def limit_self(limits: Limits) -> None:
    """Take the limits upon this process: a child of whoever is named as its argument."""
    memory = limits.memory_mb * _MEGABYTE
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if sys.platform == "linux":
        # A worker killed with -9 must not leave a child that goes on writing.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if str(os.getppid()) != sys.argv[1]:  # it was killed before that
        os.kill(os.getpid(), signal.SIGKILL)


def complain(error: BaseException) -> None:
    """Say on stderr what broke, and where: the message of an exception may quote a cell."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    sys.stderr.write(f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}")
