"""Tokens: what they are made of and how they are checked. No SQL here."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, OctKey

from core.derivation import derive_key
from core.errors import Unauthenticated

ALGORITHM = "HS256"
ACCESS_TYPE = "at+jwt"  # RFC 9068: a refresh or other token is never taken for this one
ISSUER = "tonnage"
AUDIENCE = "tonnage-api"
ACCESS_LIFETIME = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """Who an access token speaks for. Never what they may do: that is read from the database."""

    user_id: UUID
    session_id: UUID


class AccessTokens:
    """Issues and checks access tokens. The first secret signs; all of them verify."""

    def __init__(self, secrets_newest_first: Sequence[bytes]) -> None:
        keys: list[Key] = [
            self._key(derive_key(secret, "access-token")) for secret in secrets_newest_first
        ]
        self._signing = keys[0]
        self._keys = KeySet(keys)
        self._claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
            iat={"essential": True},
            jti={"essential": True},
            sub={"essential": True},
            sid={"essential": True},
        )

    @staticmethod
    def _key(material: bytes) -> OctKey:
        kid = hashlib.sha256(b"kid" + material).hexdigest()[:16]
        return OctKey.import_key(material, {"kid": kid, "use": "sig", "alg": ALGORITHM})

    def issue(self, user_id: UUID, session_id: UUID, now: dt.datetime) -> str:
        """Return a signed access token that lives for an hour."""
        issued = int(now.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": uuid4().hex,
            "iat": issued,
            "exp": issued + int(ACCESS_LIFETIME.total_seconds()),
        }
        header = {"alg": ALGORITHM, "typ": ACCESS_TYPE, "kid": self._signing.kid}
        return jwt.encode(header, claims, self._signing, [ALGORITHM])

    def read(self, token: str) -> AccessClaims:
        """Return whom a token speaks for. Raises Unauthenticated."""
        try:
            decoded = jwt.decode(token, self._keys, [ALGORITHM])
            if decoded.header.get("typ") != ACCESS_TYPE or not decoded.header.get("kid"):
                raise Unauthenticated
            self._claims.validate(decoded.claims)
            return AccessClaims(UUID(decoded.claims["sub"]), UUID(decoded.claims["sid"]))
        except (JoseError, ValueError, TypeError, AttributeError) as error:
            raise Unauthenticated from error


class RefreshTokens:
    """Opaque refresh tokens; the database only holds their hashes."""

    def __init__(self, secrets_newest_first: Sequence[bytes]) -> None:
        self._chain_keys = [derive_key(secret, "refresh-chain") for secret in secrets_newest_first]

    @staticmethod
    def first() -> str:
        """Return a new random token of 256 bits."""
        return secrets.token_urlsafe(32)

    def children(self, parent: str) -> list[str]:
        """Return the successor of a token by each key, the newest first: the one to add.

        It is always the same one, and unknown without our key: a repetition within the grace gets
        the same child, not a second living branch. The others are for a parent that was used
        before the key changed: its child is the one of the key of that time.
        """
        return [_url_text(hmac.digest(key, parent.encode(), "sha256")) for key in self._chain_keys]

    def of_code(self, code: str, challenge: str) -> list[str]:
        """Return the first token of a session that a one-time code stands for, by each key.

        It takes our key to make it from the code, and we make it only for whoever knows the
        secret that the challenge is the digest of.
        """
        message = f"code\0{code}\0{challenge}".encode()
        return [_url_text(hmac.digest(key, message, "sha256")) for key in self._chain_keys]

    @staticmethod
    def fingerprint(token: str) -> bytes:
        """Return what is stored of a token."""
        return hashlib.sha256(token.encode()).digest()


def _url_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
