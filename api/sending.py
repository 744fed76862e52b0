"""Answers that go out piece by piece, to readers who take them."""

from __future__ import annotations

import asyncio

from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

PIECE_LASTS_S = 60  # of some hundred kB


class SentInTime(StreamingResponse):
    """Gives up on a reader who takes a piece in longer than a minute, or all in `lasts_s`.

    The transfer then ends without its end, which every client tells from a whole file. Whoever
    takes nothing would else hold what is sent open for ever.
    """

    lasts_s: float | None = None  # None: as long as pieces are taken

    async def stream_response(self, send: Send) -> None:
        """Send everything, each piece within its time."""

        async def timely(message: Message) -> None:
            async with asyncio.timeout(PIECE_LASTS_S):
                await send(message)

        async with asyncio.timeout(self.lasts_s):
            await super().stream_response(timely)
