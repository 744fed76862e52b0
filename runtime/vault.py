"""Secrets at rest that must be read again: AES-256-GCM under keys derived from TONNAGE_SECRET_KEY.

What only has to be recognized is hashed instead (api.security). Every purpose has a key of its own,
and the associated data (the organization and the row that a secret belongs to) is authenticated:
a sealed value that was copied into another row does not open there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.derivation import derive_key
from core.errors import Misconfigured
from runtime.settings import Settings

VERSION = b"\x01"
NONCE_BYTES = 12  # GCM's own size; random ones are safe for 2^32 secrets of one purpose
TAG_BYTES = 16


class Vault:
    """Seals and opens secrets. The newest key seals; all of them open."""

    def __init__(self, secrets_newest_first: Sequence[bytes]) -> None:
        self._secrets = tuple(secrets_newest_first)

    def encrypt(self, purpose: str, plaintext: bytes, associated: bytes) -> bytes:
        """Return `plaintext` sealed for one purpose and place."""
        nonce = os.urandom(NONCE_BYTES)
        cipher = AESGCM(derive_key(self._secrets[0], f"vault/{purpose}"))
        return VERSION + nonce + cipher.encrypt(nonce, plaintext, VERSION + associated)

    def decrypt(self, purpose: str, sealed: bytes, associated: bytes) -> bytes:
        """Return what was sealed. Raises Misconfigured when no key of the deployment opens it."""
        version, nonce = sealed[:1], sealed[1 : 1 + NONCE_BYTES]
        if version == VERSION and len(sealed) >= 1 + NONCE_BYTES + TAG_BYTES:
            for secret in self._secrets:
                cipher = AESGCM(derive_key(secret, f"vault/{purpose}"))
                try:
                    return cipher.decrypt(nonce, sealed[1 + NONCE_BYTES :], VERSION + associated)
                except InvalidTag:
                    continue
        raise Misconfigured("a stored secret opens with none of the deployment's secret keys")


def make_vault(settings: Settings) -> Vault:
    """Return the vault of a deployment."""
    return Vault(settings.secrets_newest_first)
