"""OpenID Connect providers: what they publish, sending a browser there, reading what it brings.

A provider is whatever an organization's administrator wrote down, so nothing it says is believed
beyond that organization, and none of its words configure our HTTP client.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
from authlib.integrations.base_client.errors import MismatchingStateError, OAuthError
from authlib.integrations.starlette_client import StarletteIntegration, StarletteOAuth2App
from fastapi import Request
from joserfc.errors import JoseError
from pydantic import BaseModel, ConfigDict, ValidationError

from api.errors import ApiError
from api.shares import Turns
from core.egress import EgressPolicy
from core.errors import InvalidInput
from runtime.adapters.egress import on_behalf_of
from runtime.adapters.provider_http import ProviderTransport

log = logging.getLogger("tonnage.security")

# Public keys only: with HS256 whoever knows the client secret, we too, could write a token.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
SCOPE = "openid email profile"
CLOCK_SKEW_S = 60
METADATA_LASTS_S = 300
MAX_REMEMBERED = 200
# A provider that hangs holds some memory, and no thread. Whoever names it must not shut out the
# others, nor those who sign on meanwhile: hence parts for each, and two wholes.
SIGN_ONS_AT_ONCE = 50
SIGN_ONS_OF_CONNECTION = 5
SETTINGS_AT_ONCE = 20
SETTINGS_OF_ORGANIZATION = 3
# What is wrong with the connection and not with the person.
OURS = ("invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope")


class Metadata(BaseModel):
    """The part of a discovery document that is used. The rest is never handed on: Authlib takes
    what it is given as options of its HTTP client, `verify` and `proxy` among them."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    id_token_signing_alg_values_supported: list[str] = ["RS256"]
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    code_challenge_methods_supported: list[str] | None = None
    authorization_response_iss_parameter_supported: bool = False


@dataclass(frozen=True, slots=True)
class Client:
    """We, as one organization's provider knows us."""

    name: str  # of the connection
    issuer: str
    client_id: str
    client_secret: str


class Talks:
    """How many talks there are at once, of one holder and of all; what is more waits its turn."""

    def __init__(self, of_all: int, of_each: int, patience_s: float):
        self._of_all = Turns(of_all, patience_s)
        self._of_each = Turns(of_each, patience_s)

    @asynccontextmanager
    async def take(self, holder: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises 503 `busy`."""
        async with self._of_each.take(holder), self._of_all.take(None):
            yield


class Providers:
    """Talks to providers; remembers for minutes what they publish."""

    def __init__(self, policy: EgressPolicy, transport: ProviderTransport, timeout_s: float):
        self.policy = policy
        self._transport = transport
        self._timeout_s = timeout_s
        self._remembered: OrderedDict[str, tuple[float, Metadata]] = OrderedDict()
        self._sign_ons = Talks(SIGN_ONS_AT_ONCE, SIGN_ONS_OF_CONNECTION, timeout_s)
        self._settings = Talks(SETTINGS_AT_ONCE, SETTINGS_OF_ORGANIZATION, timeout_s)

    async def try_out(self, issuer: str, organization_id: UUID) -> Metadata:
        """Read what a provider publishes that an organization wants to name.

        Raises sso_provider_unusable or 503.
        """
        return await self._discover(issuer, self._settings, str(organization_id))

    async def _metadata(self, client: Client) -> Metadata:
        """Return what a client's provider publishes. Raises sso_provider_unusable or 503."""
        known = self._remembered.get(client.issuer)
        if known and time.monotonic() - known[0] < METADATA_LASTS_S:
            return known[1]
        return await self._discover(client.issuer, self._sign_ons, client.name)

    async def _discover(self, issuer: str, talks: Talks, holder: str) -> Metadata:
        async with self._talk(talks, holder):
            async with httpx2.AsyncClient(**self._options()) as client:
                url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
                answer = await client.get(url)
            answer.raise_for_status()
            metadata = self._checked(issuer, answer.json())
        self._remembered[issuer] = (time.monotonic(), metadata)
        self._remembered.move_to_end(issuer)
        while len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return metadata

    def _checked(self, issuer: str, document: Any) -> Metadata:
        """Return a discovery document that can be used, or raise sso_provider_unusable."""
        try:
            found = Metadata.model_validate(document)
            for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
                self.policy.require_url(url)
        except (ValidationError, InvalidInput):
            raise ApiError("sso_provider_unusable") from None
        methods = found.code_challenge_methods_supported
        if (
            found.issuer != issuer  # OpenID Connect Discovery §4.3
            or not set(found.id_token_signing_alg_values_supported) & set(ALGORITHMS)
            or (methods is not None and "S256" not in methods)
        ):
            raise ApiError("sso_provider_unusable")
        return found

    async def send_there(self, request: Request, client: Client, redirect_uri: str) -> str:
        """Return the provider's address for this browser; what must come back goes into the
        request's session. Of a provider that is known nothing is asked, so nobody waits."""
        metadata = await self._metadata(client)
        with judged():
            answer = await self._app(client, metadata).authorize_redirect(request, redirect_uri)
        url: str = answer.headers["location"]
        for state in request.session.values():
            state["data"].pop("url", None)  # long, and of no use any more
        return url

    async def receive(self, request: Request, client: Client) -> dict[str, Any]:
        """Exchange the code that a browser brought; return the checked claims of the ID token.

        Raises sso_state_invalid, sso_denied, sso_token_invalid, sso_provider_unusable or 503.
        """
        metadata = await self._metadata(client)
        given = request.query_params.get("iss")  # RFC 9207: which provider sent the browser here
        if given not in (None, metadata.issuer) or (
            given is None and metadata.authorization_response_iss_parameter_supported
        ):
            raise ApiError("sso_state_invalid")
        if "error" in request.query_params:
            raise ApiError("sso_denied")
        exact = {"essential": True}
        options: Any = {
            "iss": exact | {"value": metadata.issuer},
            "aud": exact | {"value": client.client_id},
            "sub": exact, "exp": exact, "iat": exact, "nonce": exact,
        }  # fmt: skip
        async with self._talk(self._sign_ons, client.name):
            token = await self._app(client, metadata).authorize_access_token(
                request, claims_options=options, leeway=CLOCK_SKEW_S
            )
        claims = token.get("userinfo")
        if not claims:
            raise ApiError("sso_token_invalid")
        return dict(claims)

    def _app(self, client: Client, metadata: Metadata) -> StarletteOAuth2App:
        """Return Authlib's client of one provider."""
        published = metadata.model_dump(exclude_none=True)
        offered = metadata.id_token_signing_alg_values_supported
        published["id_token_signing_alg_values_supported"] = [
            name for name in ALGORITHMS if name in offered
        ]
        methods = metadata.token_endpoint_auth_methods_supported
        basic = "client_secret_basic" in methods or "client_secret_post" not in methods
        return StarletteOAuth2App(
            StarletteIntegration(client.name),
            client_id=client.client_id,
            client_secret=client.client_secret,
            client_kwargs=self._options()
            | {
                "scope": SCOPE,
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": (
                    "client_secret_basic" if basic else "client_secret_post"
                ),
            },
            **published,
        )

    def _options(self) -> dict[str, Any]:
        return {
            "transport": self._transport,
            "timeout": self._timeout_s,
            "follow_redirects": False,
            "trust_env": False,
        }

    @asynccontextmanager
    async def _talk(self, talks: Talks, holder: str) -> AsyncIterator[None]:
        """Bound what is done with a provider, and say in our words what went wrong."""
        async with talks.take(holder):
            with judged(), on_behalf_of(holder):
                async with asyncio.timeout(self._timeout_s):
                    yield


@contextmanager
def judged() -> Iterator[None]:
    """Say in our words what went wrong with a provider."""
    try:
        yield
    except MismatchingStateError as error:
        raise ApiError("sso_state_invalid") from error
    except OAuthError as error:
        ours = error.error in OURS
        raise ApiError("sso_provider_unusable" if ours else "sso_token_invalid") from error
    except JoseError as error:
        log.warning("an ID token was refused: %s", type(error).__name__)
        raise ApiError("sso_token_invalid") from error
    except httpx2.HTTPStatusError as error:
        away = error.response.status_code >= 500 or error.response.status_code == 429
        raise ApiError("unavailable" if away else "sso_provider_unusable") from error
    except (TimeoutError, httpx2.TransportError) as error:
        log.warning("a sign-on provider is away: %s", type(error).__name__)
        raise ApiError("unavailable") from error
    except (
        httpx2.InvalidURL, ValueError, TypeError, KeyError, AttributeError, RecursionError,
    ) as error:  # fmt: skip
        # whatever else a provider may send that is not what the standard says
        log.warning("a sign-on provider cannot be used: %s", type(error).__name__)
        raise ApiError("sso_provider_unusable") from error
