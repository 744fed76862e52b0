"""HTTP to the sign-on providers that tenants name: judged and pinned addresses, small answers.

As runtime.adapters.egress, for the HTTP client that Authlib works with. An answer is read whole and
at once, so that it is bounded whoever reads it, and no connection outlives its request.
"""

from __future__ import annotations

import asyncio
import ssl

import httpx2

from core.egress import EgressPolicy
from runtime.adapters.egress import MAX_ADDRESSES, Resolver, resolve

MAX_ANSWER_BYTES = 1024**2


class Refused(httpx2.TransportError):
    """The address may not be called, or its answer not be read."""


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
        """Send a request to the first judged address that takes a connection."""
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        if not self._policy.allows_port(url.scheme, port) or url.userinfo:
            raise Refused("this scheme, port or user name may not be used", request=request)
        host = url.raw_host.decode("ascii").strip("[]")
        addresses = await self._judged(host, port, request)
        failure: httpx2.TransportError | None = None
        for address in addresses[:MAX_ADDRESSES]:
            request.url = url.copy_with(host=address)
            request.extensions = {**request.extensions, "sni_hostname": host}
            # what is packed may unpack to any size
            request.headers["Accept-Encoding"] = "identity"
            try:
                return await self._send(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error  # nothing was sent: another address may be tried
            finally:
                request.url = url
        assert failure is not None
        raise failure

    async def _judged(self, host: str, port: int, request: httpx2.Request) -> list[str]:
        """Return the addresses of a host. One that may not be called condemns them all."""
        try:
            found = await asyncio.to_thread(self._resolver, host, port)
        except (OSError, UnicodeError) as error:
            raise httpx2.ConnectError("the name cannot be resolved", request=request) from error
        if not found:
            raise httpx2.ConnectError("the name has no address", request=request)
        if not all(self._policy.allows(address) for address in found):
            raise Refused("the address may not be called", request=request)
        return list(found)

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request over a connection of its own and read the whole answer."""
        body = bytearray()
        async with httpx2.AsyncHTTPTransport(
            verify=self._verify, trust_env=False, retries=0
        ) as transport:
            answer = await transport.handle_async_request(request)
            try:
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise Refused("a packed answer was not asked for", request=request)
                async for chunk in answer.aiter_raw():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise Refused("the answer is too large", request=request)
            finally:
                await answer.aclose()
        kind = answer.headers.get("content-type", "application/json")
        return httpx2.Response(
            answer.status_code, headers={"Content-Type": kind}, content=bytes(body)
        )
