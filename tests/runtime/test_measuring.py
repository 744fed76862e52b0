"""Hashes on the way: what is read is what was put, or the end never comes."""

from __future__ import annotations

import contextlib
import hashlib
import io
import zlib
from typing import BinaryIO

import pytest

from core.errors import DamagedObject
from runtime.adapters.measuring import VerifiedReader, measured

PIECES = (b"one", b"", b"two", b"three")
WHOLE = b"onetwothree"
SHA256 = hashlib.sha256(WHOLE).hexdigest()


def reader(*pieces: bytes, size: int = len(WHOLE), sha256: str | None = SHA256) -> VerifiedReader:
    return VerifiedReader(iter(pieces), size_bytes=size, sha256=sha256)


@pytest.mark.parametrize("size", [1, 2, 4, 11, 50, -1, None])
def test_a_sound_object_is_read_whole_in_any_way(size: int | None) -> None:
    stream = reader(*PIECES)
    parts = iter(lambda: stream.read(size), b"")
    assert b"".join(parts) == WHOLE
    assert stream.read() == b""


def test_a_buffer_is_filled_and_lines_can_be_read() -> None:
    buffer = bytearray(5)
    assert reader(*PIECES).readinto(buffer) == 5
    assert bytes(buffer) == b"onetw"
    assert list(reader(b"o\nnetw", b"othr\n", size=11, sha256=None)) == [b"o\n", b"netwothr\n"]


def test_an_empty_object_is_empty_and_its_hash_is_looked_at() -> None:
    assert reader(size=0, sha256=hashlib.sha256().hexdigest()).read() == b""
    with pytest.raises(DamagedObject):
        reader(size=0).read()


@pytest.mark.parametrize(
    "pieces",
    [(b"one", b"two", b"thre3"), (b"one", b"two"), (b"onetwo", b"threex"), ()],
    ids=["changed", "shorter", "longer", "gone"],
)
def test_the_last_bytes_of_a_damaged_object_never_arrive(pieces: tuple[bytes, ...]) -> None:
    got = b""
    stream = reader(*pieces)
    with contextlib.suppress(DamagedObject):
        while part := stream.read(3):
            got += part
    with pytest.raises(DamagedObject):
        reader(*pieces).read()
    assert len(got) < len(WHOLE)


def test_a_source_is_measured_from_where_it_stands_and_offered_again() -> None:
    source = io.BytesIO(b"skip" + WHOLE)
    source.seek(4)
    with measured(source) as found:
        assert (found.size_bytes, found.sha256) == (len(WHOLE), SHA256)
        assert found.source.read() == WHOLE


class Pipe(io.BytesIO):
    """A source that cannot go back."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation


class Crc:
    value = 0

    def update(self, data: bytes, /) -> None:
        self.value = zlib.crc32(data, self.value)


def test_a_source_that_cannot_go_back_is_spooled() -> None:
    pipe: BinaryIO = Pipe(WHOLE)
    crc = Crc()
    with measured(pipe, crc) as found:
        assert (found.source.read(), found.sha256) == (WHOLE, SHA256)
    assert crc.value == zlib.crc32(WHOLE)
