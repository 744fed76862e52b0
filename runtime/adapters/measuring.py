"""Hashes on the way into a store and out of it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from shutil import copyfileobj
from typing import BinaryIO, Protocol, cast

from core.errors import DamagedObject

CHUNK_BYTES = 1024 * 1024
SHA256 = "sha256"  # the name under which stores keep the hash beside the object


class Hash(Protocol):
    """Something that sees the bytes as they pass."""

    def update(self, data: bytes, /) -> object:
        """Take some more."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A source whose size and hash are known; it stands at its beginning."""

    source: BinaryIO
    size_bytes: int
    digest: bytes

    @property
    def sha256(self) -> str:
        """The hash in hex."""
        return self.digest.hex()


@contextlib.contextmanager
def measured(source: BinaryIO, *also: Hash) -> Iterator[Measured]:
    """Read a source once for its hash, then offer it again from where it stood.

    Stores take the metadata of an object before its bytes, and cannot add it later without
    copying the whole. Sources are files or in memory; one that cannot go back is spooled.
    """
    with contextlib.ExitStack() as stack:
        if not source.seekable():
            spool = stack.enter_context(tempfile.TemporaryFile())
            copyfileobj(source, spool, CHUNK_BYTES)
            spool.seek(0)
            source = spool
        start, size, digest = source.tell(), 0, hashlib.sha256()
        while chunk := source.read(CHUNK_BYTES):
            size += len(chunk)
            for one in (digest, *also):
                one.update(chunk)
        source.seek(start)
        yield Measured(source, size, digest.digest())


class VerifiedReader(io.BufferedIOBase):
    """A stream of pieces that keeps its last bytes back until the hash of all of them is right."""

    def __init__(self, pieces: Iterator[bytes], *, size_bytes: int, sha256: str | None) -> None:
        self.pieces = pieces
        self.size_bytes = size_bytes
        self.expected = sha256  # None: this store could not keep one
        self.digest = hashlib.sha256()
        self.seen = 0
        self.rest = memoryview(b"")
        self.checked = False

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return `size` bytes or all there are left; b"" at the end."""
        wanted = size if size is not None and size >= 0 else self.size_bytes
        kept: list[bytes] = []
        while wanted > 0:
            if not self.rest:
                self.rest = memoryview(self.next_piece())
                if not self.rest:
                    break
            taken, self.rest = self.rest[:wanted], self.rest[wanted:]
            kept.append(bytes(taken))
            wanted -= len(taken)
        if not self.checked and self.seen == self.size_bytes:
            self.next_piece()  # an empty object has no last piece to keep back
        return b"".join(kept)

    def read1(self, size: int = -1, /) -> bytes:
        """Return what is at hand."""
        return self.read(CHUNK_BYTES if size < 0 else size)

    def readinto(self, buffer: object, /) -> int:
        """Fill a buffer."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def next_piece(self) -> bytes:
        """Return the next piece; raise DamagedObject instead of the last if something is wrong."""
        if self.checked:
            return b""
        piece = next((one for one in self.pieces if one), b"")
        self.digest.update(piece)
        self.seen += len(piece)
        if piece and self.seen < self.size_bytes:
            return piece
        if self.seen != self.size_bytes:
            raise DamagedObject("a stored object is shorter or longer than it was")
        if self.expected is not None and self.digest.hexdigest() != self.expected:
            raise DamagedObject("a stored object does not have the hash it was stored with")
        self.checked = True
        return piece


def verified(pieces: Iterator[bytes], *, size_bytes: int, sha256: str | None) -> BinaryIO:
    """Return the pieces as a file that is read to its end only if they are what was put."""
    return cast(BinaryIO, VerifiedReader(pieces, size_bytes=size_bytes, sha256=sha256))
