"""ClamAV over clamd's INSTREAM. Only an explicit OK is clean."""

from __future__ import annotations

import logging
import re
import socket
import struct
from typing import BinaryIO

from core.errors import Unavailable
from core.ports import ScanVerdict

CHUNK_BYTES = 256 * 1024
log = logging.getLogger("tonnage.scanner")

# clamd answers in one line; a longer one is no clamd.
MAX_ANSWER_BYTES = 4096


class ClamavScanner:
    """core.ports.Scanner. clamd's StreamMaxLength, MaxFileSize and MaxScanSize must exceed the
    upload limit, and AlertExceedsMax be on: by default it calls a file over its limits OK."""

    def __init__(self, address: str, *, timeout_s: float = 60) -> None:
        self.address = address
        self.timeout_s = timeout_s

    def scan(self, source: BinaryIO) -> ScanVerdict:
        """Send the stream to clamd and read its verdict; raise Unavailable for anything unclear."""
        try:
            with self.connect() as connection:
                try:
                    self.send(connection, source)
                except (BrokenPipeError, ConnectionResetError):
                    # It hung up: over its StreamMaxLength it says so first, and that can be read.
                    log.warning("clamd hung up before the end; is its StreamMaxLength too low?")
                answer = self.read_answer(connection)
        except OSError as error:
            raise Unavailable(f"clamd is away: {error.strerror or error}") from error
        return verdict_of(answer)

    @staticmethod
    def send(connection: socket.socket, source: BinaryIO) -> None:
        """Send the stream in clamd's chunks."""
        connection.sendall(b"zINSTREAM\0")
        while chunk := source.read(CHUNK_BYTES):
            connection.sendall(struct.pack("!L", len(chunk)) + chunk)
        connection.sendall(struct.pack("!L", 0))

    def connect(self) -> socket.socket:
        """Open a connection to clamd."""
        if self.address.startswith("unix:"):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(self.timeout_s)
            try:
                connection.connect(self.address.removeprefix("unix:"))
            except OSError:
                connection.close()
                raise
            return connection
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=self.timeout_s)

    @staticmethod
    def read_answer(connection: socket.socket) -> str:
        """Return clamd's line without its terminator."""
        answer = b""
        while not answer.endswith(b"\0") and len(answer) < MAX_ANSWER_BYTES:
            chunk = connection.recv(1024)
            if not chunk:
                break
            answer += chunk
        return answer.rstrip(b"\0").decode("ascii", "replace").strip()


def verdict_of(answer: str) -> ScanVerdict:
    """Read clamd's line: `stream: OK`, `stream: NAME FOUND`; anything else raises Unavailable."""
    if answer == "stream: OK":
        return ScanVerdict(clean=True, scanner="clamav")
    if found := re.fullmatch(r"stream: (.{1,200}) FOUND", answer):
        return ScanVerdict(clean=False, signature=found[1], scanner="clamav")
    raise Unavailable("clamd gave no verdict; check its size limits and its log")
