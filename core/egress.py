"""Which addresses a tenant may make us call. Names are judged by what they resolve to.

A URL that a tenant wrote must not reach what only we can reach: the host itself, the private
network, a cloud's metadata service. What wraps another address (IPv4 in IPv6, NAT64, 6to4, Teredo)
is refused whole instead of being unwrapped.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.errors import InvalidInput

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = frozenset({443, 8443})
MAX_URL_LENGTH = 2000

# Besides what Python's ipaddress calls private: written out, since its tables differ by version.
REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # a public address that is Azure's platform service
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
# Names of one label too: a host of the same network may have one.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE)
GLOBAL_UNICAST = ipaddress.ip_network(
    "2000::/3"
)  # so neither ::/96, ::ffff:0:0/96 nor 64:ff9b::/96


def is_public(address: Address) -> bool:
    """Tell whether an address is one that anybody on the internet could call."""
    if isinstance(address, ipaddress.IPv6Address) and (
        address not in GLOBAL_UNICAST or address.scope_id is not None
    ):
        return False
    if any(address in network for network in REFUSED if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What may be called. `allow_private` is for development and for a deployment of one's own."""

    allow_private: bool = False

    def allows(self, address: str) -> bool:
        """Tell whether an address, written in numbers, may be connected to."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return self.allow_private or is_public(found)

    def allows_port(self, scheme: str, port: int) -> bool:
        """Tell whether a scheme and port may be used: https on 443 and 8443."""
        if self.allow_private:
            return scheme in ("http", "https")
        return scheme == "https" and port in PORTS

    def require_url(self, url: str) -> None:
        """Refuse a URL that can never be called. Its name is judged when it is connected to.

        Raises InvalidInput with what is wrong, and without the URL.
        """
        if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
            raise InvalidInput(f"must be at most {MAX_URL_LENGTH} ASCII characters without spaces")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise InvalidInput("is no URL") from None
        if not host or "\\" in url or not (":" in host or _HOST.fullmatch(host)):
            raise InvalidInput("must be a URL with a host name")
        if parts.username is not None or parts.password is not None:
            raise InvalidInput("must hold no user name or password")
        if parts.fragment:
            raise InvalidInput("must have no fragment")
        if port is None:
            port = 443 if parts.scheme == "https" else 80
        if not self.allows_port(parts.scheme, port):
            raise InvalidInput("must begin with https:// and use port 443 or 8443")
        if looks_numeric(host) and not self.allows(host):
            raise InvalidInput("must name a host of the public internet")


def looks_numeric(host: str) -> bool:
    """Tell whether a host is an address: no top-level domain is a number (RFC 3696 §2)."""
    last = host.rstrip(".").rpartition(".")[2].lower()
    return ":" in host or last.isdigit() or last.startswith("0x")
