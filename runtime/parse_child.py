"""Parses a file in a child process, because a 1.7 KB workbook can abort the one that reads it.

`run_parse` is the parent's side; `python -m runtime.parse_child` is the child: a request as JSON on
stdin, an answer as JSON on stdout. The child limits itself before it touches the file, gets no
environment of ours (so no secrets), and dies with its parent.
"""

from __future__ import annotations

import ctypes
import errno
import json
import math
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import FileRejected, TonnageError

if TYPE_CHECKING:
    from core.parsing.report import ParseOptions, ParseReport
    from core.parsing.structure import StructureVerdict

TICK_S = 1.0
DEFAULT_MEMORY_MB = 1_024
_PROJECT = Path(__file__).resolve().parents[1]
_MEGABYTE = 1 << 20
_LARGEST_PART = 2_048 * _MEGABYTE
_OPEN_FILES = 128
_ANSWER_BYTES = 16 * _MEGABYTE  # of a report, which the child keeps far below that
_COMPLAINT_BYTES = _MEGABYTE
_PIECE_BYTES = 1 << 16
_EXHAUSTED = (errno.ENOMEM, errno.EAGAIN, errno.EFBIG, errno.EMFILE)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

# What the child sees of the environment. RLIMIT_AS counts address space, not memory in use: one
# malloc arena and one BLAS thread save hundreds of megabytes that would never be touched.
_CHILD_ENVIRONMENT = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUTF8": "1",
}


class ParserFailed(TonnageError):
    """The parser met something it was not written for; the cause is in the log."""

    code = "parser_failed"


def run_parse(
    source: Path,
    out_dir: Path,
    options: ParseOptions,
    *,
    timeout_s: float,
    memory_mb: int = DEFAULT_MEMORY_MB,
    on_tick: Callable[[], None] = lambda: None,
) -> ParseReport:
    """Run core.parsing.parse.parse_file in a limited child and return its report.

    Calls `on_tick` about every second; if it raises, the child is killed and the exception goes
    on. Raises FileRejected with the child's code, or "file_resource_limit" when the child ran out
    of memory or time or was killed; ParserFailed when it broke otherwise.
    """
    from core.parsing.report import ParseReport

    request = {
        "source": str(source),
        "out_dir": str(out_dir),
        "options": options.model_dump(mode="json"),
    }
    decoded = _ask(request, timeout_s, memory_mb, on_tick)
    return ParseReport.model_validate(decoded["report"])


def run_check(
    source: Path,
    declared_name: str,
    *,
    timeout_s: float,
    memory_mb: int = DEFAULT_MEMORY_MB,
    on_tick: Callable[[], None] = lambda: None,
) -> StructureVerdict:
    """Run core.parsing.structure.check_structure in a limited child and return its verdict.

    The check walks through the XML of whoever sent it. A child that ran out of memory or time is
    a verdict too; ParserFailed when it broke otherwise.
    """
    from core.parsing.structure import StructureVerdict

    request = {"source": str(source), "declared_name": declared_name}
    try:
        decoded = _ask(request, timeout_s, memory_mb, on_tick)
    except FileRejected as rejected:
        return StructureVerdict(False, "", rejected.code, rejected.message)
    return StructureVerdict(**decoded["verdict"])


def _ask(
    request: dict[str, Any], timeout_s: float, memory_mb: int, on_tick: Callable[[], None]
) -> dict[str, Any]:
    request = request | {"memory_mb": memory_mb, "cpu_s": math.ceil(timeout_s)}
    child = subprocess.Popen(
        [sys.executable, "-m", "runtime.parse_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=_PROJECT,
        env=_CHILD_ENVIRONMENT,
        start_new_session=True,
    )
    try:
        answer, complaint = _wait(child, json.dumps(request).encode(), timeout_s, on_tick)
    finally:
        _end(child)
    return _read_answer(child.returncode, answer, complaint)


def _wait(
    child: subprocess.Popen[bytes], request: bytes, timeout_s: float, on_tick: Callable[[], None]
) -> tuple[bytes, bytes]:
    """Return what the child writes, as much as a report may be; not communicate(), which takes all.

    Raises FileRejected("file_resource_limit") when it takes too long or says too much.
    """
    deadline = time.monotonic() + timeout_s
    with _Talk(child, request) as talk:
        while True:
            next_tick = time.monotonic() + TICK_S
            while (left_s := next_tick - time.monotonic()) > 0:
                if talk.is_over(left_s):
                    return bytes(talk.answer), bytes(talk.complaint)
            if time.monotonic() > deadline:
                raise _resource_limit()
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
                raise _resource_limit()
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


def _resource_limit() -> FileRejected:
    return FileRejected(
        "The file needs more memory or time than one file may take. Split it, remove unused "
        "sheets, or save the table as .csv.",
        code="file_resource_limit",
    )


def _read_answer(exit_code: int, answer: bytes, complaint: bytes) -> dict[str, Any]:
    if exit_code != 0 or not answer:
        # A Python error ends with status 1 and says where; everything else was a violent death.
        if exit_code == 1 and complaint and b"MemoryError" not in complaint:
            raise ParserFailed(complaint.decode("utf-8", "replace")[-2_000:])
        raise _resource_limit()
    decoded: dict[str, Any] = json.loads(answer)
    if "rejected" in decoded:
        raise FileRejected(decoded["rejected"]["message"], code=decoded["rejected"]["code"])
    return decoded


def _limit_self(memory_mb: int, cpu_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * _MEGABYTE, memory_mb * _MEGABYTE))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_PART, _LARGEST_PART))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if sys.platform == "linux":
        # A worker killed with -9 must not leave a child that goes on writing parts.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    # Imported here, never by the parent; and before the limits, so that running into one is always
    # the doing of the file, which is not touched until then.
    from core.parsing.parse import parse_file
    from core.parsing.report import ParseOptions
    from core.parsing.structure import check_structure

    source = Path(request["source"])
    options = ParseOptions.model_validate(request.get("options", {}))
    _limit_self(request["memory_mb"], request["cpu_s"])
    try:
        if "declared_name" in request:
            return {"verdict": asdict(check_structure(source, request["declared_name"]))}
        report = parse_file(source, Path(request["out_dir"]), options)
    except FileRejected as rejected:
        return {"rejected": {"code": rejected.code, "message": rejected.message}}
    except (MemoryError, RecursionError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _EXHAUSTED:
            raise
        limit = _resource_limit()
        return {"rejected": {"code": limit.code, "message": limit.message}}
    return {"report": report.model_dump(mode="json")}


def main() -> int:
    """Answer one request. Exit status 1 and a place in the code, without data, on a defect."""
    request: dict[str, Any] = json.load(sys.stdin)
    try:
        answer = _answer(request)
    except Exception as error:
        # Only type and place: the message of an exception may quote a cell.
        place = traceback.extract_tb(error.__traceback__)[-1]
        sys.stderr.write(f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}")
        return 1
    json.dump(answer, sys.stdout, ensure_ascii=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
