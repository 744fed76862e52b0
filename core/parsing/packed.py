"""gzip → the text inside, within limits."""

from __future__ import annotations

import zlib
from pathlib import Path

from core.errors import FileRejected
from core.parsing import limits

_CHUNK_BYTES = 1 << 18
_GZIP = 31  # zlib's window bits with which it reads a gzip header and checks its sum


def unpack(source: Path, target: Path) -> None:
    """Write what a gzip file holds to `target`, counting real bytes: the declared size may lie.

    Several members after one another are one text, as gzip has it. Raises FileRejected: zip_bomb,
    gzip_damaged.
    """
    total = packed = 0
    members = 1
    inflater = zlib.decompressobj(_GZIP)
    with source.open("rb") as reader, target.open("wb") as writer:
        chunk = reader.read(_CHUNK_BYTES)
        while chunk:
            packed += len(chunk)
            while chunk:
                text, chunk = _inflate(inflater, chunk)
                total += len(text)
                _check(total, packed)
                writer.write(text)
                if inflater.eof and _goes_on(chunk):
                    inflater, members = _next_member(members)
                elif inflater.eof:
                    break  # padding
            chunk = reader.read(_CHUNK_BYTES)
            if inflater.eof and _goes_on(chunk):
                inflater, members = _next_member(members)
    if not inflater.eof:
        raise _damaged()


def _goes_on(chunk: bytes) -> bool:
    """Tell whether more than padding follows a member."""
    return chunk[:1] not in (b"", b"\0") or bool(chunk.strip(b"\0"))


def _next_member(members: int) -> tuple[zlib._Decompress, int]:
    if members == limits.GZIP_MEMBERS:
        raise FileRejected(
            f"The file is packed in more than {limits.GZIP_MEMBERS} pieces. Pack it as one.",
            code="zip_bomb",
        )
    return zlib.decompressobj(_GZIP), members + 1


def unpack_head(packed: bytes, size: int) -> bytes:
    """Return up to `size` bytes of what a gzip file holds, from its first bytes."""
    return _inflate(zlib.decompressobj(_GZIP), packed, size)[0]


def _inflate(
    inflater: zlib._Decompress, chunk: bytes, size: int = _CHUNK_BYTES
) -> tuple[bytes, bytes]:
    """Return at most `size` bytes, and what is left to be read."""
    try:
        text = inflater.decompress(chunk, size)
    except zlib.error as error:
        raise _damaged() from error
    return text, inflater.unused_data if inflater.eof else inflater.unconsumed_tail


def _check(total: int, packed: int) -> None:
    if total > limits.GZIP_TOTAL_BYTES or (
        total > limits.ZIP_RATIO_FLOOR and total / packed > limits.ZIP_RATIO
    ):
        raise FileRejected(
            f"The file unpacks to more than we take ({limits.GZIP_TOTAL_BYTES // 10**6} MB, or "
            f"{limits.ZIP_RATIO} times its size). Split it.",
            code="zip_bomb",
        )


def _damaged() -> FileRejected:
    return FileRejected(
        "The packed file cannot be unpacked: it is damaged or was cut off. Upload it again, or "
        "unpacked.",
        code="gzip_damaged",
    )
