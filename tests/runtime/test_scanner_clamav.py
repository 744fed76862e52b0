"""ClamAV's INSTREAM protocol against a server that speaks it, and one that misbehaves."""

from __future__ import annotations

import io
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from core.errors import Unavailable
from runtime.adapters.scanner_clamav import ClamavScanner, verdict_of

Answer = Callable[[bytes], bytes]


@contextmanager
def clamd(answer: Answer) -> Iterator[str]:
    """Run a server that reads one INSTREAM command and answers; yield its address."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            assert self.rfile.read(10) == b"zINSTREAM\0"
            data = b""
            while size := struct.unpack("!L", self.rfile.read(4))[0]:
                data += self.rfile.read(size)
            self.wfile.write(answer(data))

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def judge(data: bytes) -> bytes:
    """Answer as clamd does with a database that knows EICAR."""
    return b"stream: Eicar-Test-Signature FOUND\0" if b"EICAR" in data else b"stream: OK\0"


def test_a_stream_of_several_chunks_is_clean_only_when_clamd_says_ok() -> None:
    with clamd(judge) as address:
        verdict = ClamavScanner(address).scan(io.BytesIO(b"x" * 700_000))
    assert verdict.clean
    assert verdict.signature is None


def test_a_virus_at_the_very_end_is_found() -> None:
    with clamd(judge) as address:
        verdict = ClamavScanner(address).scan(io.BytesIO(b"x" * 700_000 + b"EICAR"))
    assert not verdict.clean
    assert verdict.signature == "Eicar-Test-Signature"


@pytest.mark.parametrize(
    "answer",
    [
        b"INSTREAM size limit exceeded. ERROR\0",
        b"stream: Can't allocate memory ERROR\0",
        b"",
        b"stream: OK but not quite\0",
        b"x" * 10_000,
    ],
)
def test_anything_but_a_verdict_is_no_verdict(answer: bytes) -> None:
    with clamd(lambda _: answer) as address, pytest.raises(Unavailable):
        ClamavScanner(address).scan(io.BytesIO(b"data"))


def test_an_absent_scanner_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        ClamavScanner("127.0.0.1:1", timeout_s=2).scan(io.BytesIO(b"data"))
    with pytest.raises(Unavailable):
        ClamavScanner("unix:/nowhere/clamd.sock").scan(io.BytesIO(b"data"))


def test_a_signature_cannot_carry_a_novel() -> None:
    with pytest.raises(Unavailable):
        verdict_of("stream: " + "x" * 300 + " FOUND")
