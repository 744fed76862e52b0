"""/v1/downloads: what a signed link stands for, when the store has no web server of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api.deps import ServicesDep
from api.errors import ApiError
from api.openapi import documented
from api.sending import SentInTime
from core.disposition import attachment
from core.ports import ReadsDownloadTokens

router = APIRouter(prefix="/v1/downloads", tags=["downloads"])

CHUNK_BYTES = 256 * 1024


@router.get("", response_class=StreamingResponse, **documented("not_found"))
def download(
    services: ServicesDep,
    token: Annotated[str, Query(max_length=4096, description="As the link holds it")],
) -> StreamingResponse:
    """Send the object of a signed link; the link itself is the right to it."""
    storage = services.storage
    if not isinstance(storage, ReadsDownloadTokens):
        raise ApiError("not_found")
    signed = storage.read_token(token)
    body = chunks(services.storage.open(signed.key))
    return SentInTime(body, media_type=signed.content_type, headers=saved_as(signed.filename))


def chunks(opened: AbstractContextManager[BinaryIO]) -> Iterator[bytes]:
    """Open an object now, so that a missing one is a 404, and read it in pieces later."""
    stack = ExitStack()
    source = stack.enter_context(opened)

    def read() -> Iterator[bytes]:
        with stack:
            while chunk := source.read(CHUNK_BYTES):
                yield chunk

    return read()


def saved_as(filename: str) -> dict[str, str]:
    """Return headers under which a browser saves and never shows."""
    return {
        "Content-Disposition": attachment(filename),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "no-store",
    }
