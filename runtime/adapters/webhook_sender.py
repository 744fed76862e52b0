"""Sends webhooks by the Standard Webhooks specification, with the signatures of its own library."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import math
import ssl
import time
from email.utils import parsedate_to_datetime

import httpx2
from standardwebhooks import Webhook

from core.egress import EgressPolicy
from core.webhooks import Answer, NoAnswer, Outgoing
from runtime.adapters.egress import (
    Refused,
    Resolver,
    Unresolved,
    make_client,
    on_behalf_of,
    resolve,
)

log = logging.getLogger(__name__)

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 64 * 1024
# The only answers whose Retry-After is meant for us (RFC 9110 §10.2.3, RFC 6585 §4).
WAITING = (429, 503)


class HttpWebhookSender:
    """core.webhooks.WebhookSender over HTTP. Of the answer only status and Retry-After are used:
    whoever writes the URL must not read through us what it leads to."""

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        timeout_s: float = TIMEOUT_S,
        resolver: Resolver = resolve,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self.policy = policy
        self.timeout_s = timeout_s
        self.resolver = resolver
        self.verify = verify or httpx2.create_ssl_context(trust_env=False)

    async def send(self, message: Outgoing) -> Answer:
        """Sign and send a message, once."""
        with on_behalf_of(message.holder):
            return await self._send(message)

    async def _send(self, message: Outgoing) -> Answer:
        began = time.monotonic()
        status: int | None = None
        retry_after: float | None = None
        problem: NoAnswer | None = None
        try:
            async with (
                # The client's timeouts are of each read: a byte every ten seconds would hold us
                asyncio.timeout(self.timeout_s),
                make_client(
                    self.policy,
                    timeout_s=self.timeout_s,
                    resolver=self.resolver,
                    verify=self.verify,
                ) as client,
                client.stream(
                    "POST", message.url, content=message.payload.encode(), headers=headers(message)
                ) as response,
            ):
                status = response.status_code
                if status in WAITING:
                    retry_after = retry_after_s(response.headers.get("retry-after", ""))
                await drain(response)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, TimeoutError) as error:
            # With a status the endpoint has decided; how its body went on does not matter.
            log.info("webhook %s: %s", message.event_id, type(error).__name__)
            problem = problem_of(error) if status is None else None
        return Answer(status, round(1000 * (time.monotonic() - began)), retry_after, problem)


def problem_of(error: BaseException) -> NoAnswer:
    """Return why there was no answer."""
    if isinstance(error, (Refused, Unresolved, httpx2.InvalidURL)):
        return NoAnswer.ADDRESS_UNUSABLE
    if isinstance(error, (TimeoutError, httpx2.TimeoutException)):
        return NoAnswer.TIMEOUT
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return NoAnswer.TLS_FAILED
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, (httpx2.NetworkError, httpx2.ConnectError)):
        return NoAnswer.CONNECTION_FAILED
    return NoAnswer.ANSWER_INVALID


def headers(message: Outgoing) -> dict[str, str]:
    """Return the headers of the specification; a signature for every secret."""
    now = dt.datetime.now(dt.UTC)
    event_id = str(message.event_id)
    signatures = [
        Webhook(secret).sign(event_id, now, message.payload) for secret in message.secrets
    ]
    return {
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": "tonnage-webhooks/1",
        "webhook-id": event_id,
        "webhook-timestamp": str(math.floor(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


async def drain(response: httpx2.Response) -> None:
    """Read a polite amount of the body, and forget it."""
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size >= MAX_ANSWER_BYTES:
            return


def retry_after_s(text: str) -> float | None:
    """Read Retry-After: seconds, or an HTTP date; None when it is neither."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
            at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)  # "-0000" is read as naive
            seconds = (at - dt.datetime.now(dt.UTC)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None
