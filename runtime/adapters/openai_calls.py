"""Calls of an OpenAI-compatible server: one deadline, no retries, errors without a word of theirs.

Checked against openai 3.54 and the published OpenAPI document of the protocol. The client never
retries: Temporal does, where everybody can see it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import wait
from email.utils import parsedate_to_datetime
from typing import TypeVar

import openai
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from core.errors import Misconfigured, RateLimited, TonnageError, Unavailable

T = TypeVar("T")

# "Now" would be a busy loop, and days would be longer than any stage waits.
MIN_RETRY_AFTER_S, MAX_RETRY_AFTER_S = 1.0, 600.0
# How soon a caller that is told to stop notices.
NOTICE_EVERY_S = 0.5
# Says something of this request and nothing of the deployment; see core.errors.Misconfigured.
REQUEST_REFUSED = "request_refused"
_REFUSING = (400, 413, 422)
_PASSING = (408, 409, 425)


class Calls:
    """Makes calls on an event loop of its own.

    The client's timeout is for each read, so a server that answers byte by byte would hold a call
    for ever; here one deadline is for all of it. And a thread within a socket cannot be stopped,
    while a task can: when the caller gets an exception (its activity was cancelled), the call is
    given up and its connection closed.
    """

    def __init__(self, *, base_url: str, api_key: str, timeout_s: float, who: str) -> None:
        self.timeout_s = timeout_s
        self.who = who
        self._client = AsyncOpenAI(
            base_url=base_url,
            api_key=api_key,
            timeout=timeout_s,
            max_retries=0,
            # A redirect would take an organization's texts to a server that nobody named.
            http_client=DefaultAsyncHttpxClient(follow_redirects=False),
        )
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, call: Callable[[AsyncOpenAI], Awaitable[T]]) -> T:
        """Return what `call` returns. Raises RateLimited, Unavailable or Misconfigured."""

        async def limited() -> T:
            async with asyncio.timeout(self.timeout_s):
                return await call(self._client)

        future = asyncio.run_coroutine_threadsafe(limited(), self._running())
        try:
            while not future.done():
                wait([future], timeout=NOTICE_EVERY_S)
        except BaseException:
            future.cancel()
            raise
        try:
            return future.result()
        except (openai.OpenAIError, TimeoutError, ValueError) as error:
            raise translated(error, self.who) from None

    def close(self) -> None:
        """Close connections and stop the loop."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._client.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        self._loop = self._thread = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="openai-calls", daemon=True
                )
                self._thread.start()
            return self._loop


def translated(error: Exception, who: str) -> TonnageError:
    """Return our error for the client's. Only statuses are told: bodies may repeat ours."""
    if isinstance(error, openai.RateLimitError):
        if "insufficient_quota" in (error.code, error.type):
            return Misconfigured(f"{who} says that the quota is used up")
        return RateLimited(f"{who} says: too many requests", retry_after_s=retry_after_s(error))
    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        if status in _PASSING or status >= 500:
            return Unavailable(f"{who} answered {status}")
        code = REQUEST_REFUSED if status in _REFUSING else None
        return Misconfigured(f"{who} refused the call: {status}", code=code)
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return Unavailable(f"{who} did not answer in time")
    if isinstance(error, openai.APIConnectionError):
        return Unavailable(f"{who} is away")
    return Unavailable(f"the answer of {who} cannot be read")  # no JSON at all


def retry_after_s(error: openai.APIStatusError, now: dt.datetime | None = None) -> float | None:
    """Read Retry-After: seconds, or an HTTP date."""
    text = error.response.headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)  # "-0000" is read as naive
        seconds = (at - (now or dt.datetime.now(dt.UTC))).total_seconds()
    if math.isnan(seconds):
        return None
    return min(max(seconds, MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S)
