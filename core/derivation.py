"""How the keys of single purposes come from the one secret of a deployment."""

from __future__ import annotations

import hmac


def derive_key(secret: bytes, purpose: str) -> bytes:
    """Return the 32-byte key of one purpose, so that no key serves two."""
    return hmac.digest(secret, f"tonnage/{purpose}".encode(), "sha256")
