"""/v1/downloads: what a signed link stands for, when the store has no web server of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from api.deps import ServicesDep
from api.errors import ApiError
from api.openapi import documented
from api.sending import SentInTime
from core.disposition import attachment
from core.ports import ReadsDownloadTokens, SignedDownload

router = APIRouter(prefix="/v1/downloads", tags=["downloads"])

CHUNK_BYTES = 256 * 1024


class SentInAnHour(SentInTime):
    """As long as an upload may take to arrive."""

    lasts_s = 3600


async def signed_link(
    services: ServicesDep,
    token: Annotated[str, Query(max_length=4096, description="As the link holds it")],
) -> AsyncIterator[SignedDownload]:
    """Read a link and hold one of its places until the last piece is sent. Raises 404, 503."""
    storage = services.storage
    if not isinstance(storage, ReadsDownloadTokens):
        raise ApiError("not_found")
    signed = storage.read_token(token)
    organization = signed.key.partition("/")[0]
    with (
        services.links_of_object.hold(signed.key),
        services.links_of_organization.hold(organization),
    ):
        yield signed


SignedLink = Annotated[SignedDownload, Depends(signed_link)]


def opened(services: ServicesDep, signed: SignedLink) -> Iterator[BinaryIO]:
    """Open the object now, so that a missing one is a 404; close it when the reader is gone."""
    with services.storage.open(signed.key) as source:
        yield source


@router.get("", response_class=StreamingResponse, **documented("not_found"))
def download(signed: SignedLink, source: Annotated[BinaryIO, Depends(opened)]) -> StreamingResponse:
    """Send the object of a signed link; the link itself is the right to it."""
    headers = saved_as(signed.filename)
    return SentInAnHour(pieces(source), media_type=signed.content_type, headers=headers)


def pieces(source: BinaryIO) -> Iterator[bytes]:
    """Read an object in pieces."""
    while piece := source.read(CHUNK_BYTES):
        yield piece


def saved_as(filename: str) -> dict[str, str]:
    """Return headers under which a browser saves and never shows."""
    return {
        "Content-Disposition": attachment(filename),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "no-store",
    }
