"""Password hashes: argon2id, slow on purpose."""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from runtime.settings import Settings


class Passwords:
    """Hashes and verifies. CPU-bound, releases the GIL: call it from a bounded pool of threads."""

    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_time_cost,
            memory_cost=settings.argon2_memory_kib,
            parallelism=1,
        )
        # An unknown mail address costs as much time as a known one.
        self._dummy = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """Hash a new password."""
        return self._hasher.hash(_normal(password))

    def verify(self, stored_hash: str | None, password: str) -> bool:
        """Tell whether a password is right. Without a hash: as slow, and False."""
        try:
            self._hasher.verify(stored_hash or self._dummy, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return stored_hash is not None

    def needs_rehash(self, stored_hash: str) -> bool:
        """Tell whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored_hash)


def _normal(password: str) -> bytes:
    """Return the bytes that are hashed, all of them: keyboards differ in how they compose letters.

    Whoever takes passwords bounds their length; nothing is cut off here.
    """
    return unicodedata.normalize("NFKC", password).encode()
