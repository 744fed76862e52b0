"""HTTP to hosts that tenants name: the address that was judged is the one that is connected to.

The client would resolve a name by itself, later and perhaps differently (DNS rebinding). So the
name is resolved here, every answer is judged, and the connection is made to the number; the name
stays in the Host header and in TLS, where the certificate must match it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar

import httpx2

from core.egress import EgressPolicy

# (host, port) → addresses in numbers; blocking
Resolver = Callable[[str, int], Sequence[str]]

# A host with many addresses that all hang must not use up the deadline by itself.
MAX_ADDRESSES = 4
# Resolving cannot be given up: a tenant's slow name server must not hold the threads of others'
# database work. Nor more than a few of these, of which each holder has so many.
THREADS_OF_EACH = 3
_resolving = ThreadPoolExecutor(max_workers=64, thread_name_prefix="egress-dns")
_LOOK_AGAIN_S = 0.05
_holder: ContextVar[str] = ContextVar("holder", default="")
_held: Counter[str] = Counter()  # threads, by holder
_holding = threading.Lock()


class Refused(httpx2.TransportError):
    """The address may not be called; nothing was sent."""


class Unresolved(httpx2.ConnectError):
    """The name has no address."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host, in the order in which the system prefers them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@contextmanager
def on_behalf_of(holder: str) -> Iterator[None]:
    """Let what is called within use the share of `holder`: an organization, a connection."""
    before = _holder.set(holder)
    try:
        yield
    finally:
        _holder.reset(before)


async def resolved(resolver: Resolver, host: str, port: int) -> Sequence[str]:
    """Resolve a name in a thread, once the holder has one to spare.

    Callers bound the time. A thread is held until its resolver returns, not until nobody waits for
    it any more.
    """
    holder = _holder.get()
    while not _taken(holder):
        await asyncio.sleep(_LOOK_AGAIN_S)
    try:
        running = _resolving.submit(resolver, host, port)
    except RuntimeError:  # the process ends
        _give_back(holder)
        raise
    running.add_done_callback(lambda _: _give_back(holder))
    return await asyncio.wrap_future(running)


def _taken(holder: str) -> bool:
    with _holding:
        if _held[holder] >= THREADS_OF_EACH:
            return False
        _held[holder] += 1
        return True


def _give_back(holder: str) -> None:
    with _holding:
        _held[holder] -= 1
        if not _held[holder]:
            del _held[holder]


class PinnedTransport(httpx2.AsyncHTTPTransport):
    """Connects to judged addresses only. No connection outlives its request: one made to an
    address for one name must not serve another name at that address."""

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        resolver: Resolver = resolve,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        super().__init__(
            verify=verify,
            trust_env=False,
            retries=0,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )
        self._policy = policy
        self._resolver = resolver

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the first judged address that takes a connection."""
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        if not self._policy.allows_port(url.scheme, port) or url.userinfo:
            raise Refused("this scheme, port or user name may not be used", request=request)
        host = url.raw_host.decode("ascii").strip("[]")
        addresses = await self.judged(host, port, request)
        failure: httpx2.TransportError | None = None
        for address in addresses[:MAX_ADDRESSES]:
            request.url = url.copy_with(host=address)
            request.extensions = {**request.extensions, "sni_hostname": host}
            try:
                return await super().handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error  # nothing was sent: another address may be tried
            finally:
                request.url = url
        assert failure is not None
        raise failure

    async def judged(self, host: str, port: int, request: httpx2.Request) -> Sequence[str]:
        """Return the addresses of a host. One that may not be called condemns them all."""
        try:
            found = await resolved(self._resolver, host, port)
        except (OSError, UnicodeError) as error:
            raise Unresolved("the name cannot be resolved", request=request) from error
        if not found:
            raise Unresolved("the name has no address", request=request)
        if not all(self._policy.allows(address) for address in found):
            raise Refused("the address may not be called", request=request)
        return found


def make_client(
    policy: EgressPolicy,
    *,
    timeout_s: float,
    resolver: Resolver = resolve,
    verify: ssl.SSLContext | bool = True,
) -> httpx2.AsyncClient:
    """Return a client for hosts that tenants name: no redirects, no proxies, no cookies kept.

    `timeout_s` is of each step; callers put `asyncio.timeout` around the whole.
    """
    return httpx2.AsyncClient(
        transport=PinnedTransport(policy, resolver=resolver, verify=verify),
        timeout=timeout_s,
        follow_redirects=False,
        trust_env=False,
    )
