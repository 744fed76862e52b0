"""HTTP to the sign-on providers that tenants name: judged and pinned addresses, small answers.

An answer is read whole and at once, so that it is bounded whoever reads it, and no connection
outlives its request.
"""

from __future__ import annotations

import ssl

import httpx2

from core.egress import EgressPolicy
from runtime.adapters.egress import PinnedTransport, Refused, Resolver, resolve

MAX_ANSWER_BYTES = 1024**2


class ProviderTransport(httpx2.AsyncBaseTransport):
    """Connects to judged addresses only, and reads at most a megabyte of what they answer."""

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        resolver: Resolver = resolve,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._verify = verify or httpx2.create_ssl_context(trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request over a connection of its own and read the whole answer."""
        request.headers["Accept-Encoding"] = "identity"  # what is packed may unpack to any size
        async with PinnedTransport(
            self._policy, resolver=self._resolver, verify=self._verify
        ) as transport:
            answer = await transport.handle_async_request(request)
            try:
                body = await _read(answer, request)
            finally:
                await answer.aclose()
        kind = answer.headers.get("content-type", "application/json")
        return httpx2.Response(answer.status_code, headers={"Content-Type": kind}, content=body)


async def _read(answer: httpx2.Response, request: httpx2.Request) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise Refused("a packed answer was not asked for", request=request)
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise Refused("the answer is too large", request=request)
    return bytes(body)
