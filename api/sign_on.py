"""Signing on through an organization's provider: there, back, and the session that comes of it.

Whoever administers an organization decides what its provider says. So the provider's word counts in
that organization alone: a subject is bound to an account there, an account that never was a member
there is nobody's to take, and the session sees no other organization.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import anyio.to_thread
from fastapi import Request
from sqlmodel import Session

from api import logins, throttles
from api.errors import ApiError, Fault
from api.schemas.auth import Tokens
from api.schemas.common import storable
from api.schemas.single_sign_on import SignOnCode
from api.services import Services
from api.single_sign_on import client_of, redirect_uri, sign_on_url
from core.errors import Misconfigured
from core.permissions import Role
from db.engine import TenantSession, tenant_session
from db.models import SsoConnection
from db.queries import audit
from db.queries import auth as auth_queries
from db.queries import single_sign_on as queries
from db.queries.audit import Actor
from db.queries.organizations import add_member
from db.queries.single_sign_on import Person, Standing
from runtime.vault import Vault

log = logging.getLogger("tonnage.security")

COOKIE = "tonnage_sign_on"
COOKIE_PURPOSE = "sign-on-cookie"
LASTS_S = 600
CODE_LASTS = dt.timedelta(seconds=60)
MAIL = re.compile(r"[^@\s\x00-\x20\x7f]{1,64}@([a-z0-9.-]{1,253})")


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-on on its way: what the browser carries in a sealed cookie, so that only the browser
    that began can end it and nothing is stored for whoever just knocks."""

    organization_id: str
    connection_id: str
    issuer: str
    redirect_uri: str
    challenge: str | None
    at: float
    session: dict[str, Any]  # Authlib's: state, nonce and the verifier of PKCE

    def seal(self, vault: Vault) -> str:
        """Return the cookie."""
        sealed = vault.encrypt(COOKIE_PURPOSE, json.dumps(asdict(self)).encode(), b"")
        return base64.urlsafe_b64encode(sealed).decode()

    @classmethod
    def open(cls, vault: Vault, cookie: str) -> Begun:
        """Read a cookie. Raises sso_state_invalid."""
        try:
            sealed = base64.urlsafe_b64decode(cookie)
            begun = cls(**json.loads(vault.decrypt(COOKIE_PURPOSE, sealed, b"")))
        except (ValueError, TypeError, Misconfigured):
            raise ApiError("sso_state_invalid") from None
        if not 0 <= time.time() - begun.at <= LASTS_S:
            raise ApiError("sso_state_invalid")
        return begun


def cookie_of(services: Services, organization_id: UUID) -> tuple[str, str]:
    """Return name and path of an organization's cookie: it is sent to no other's callback."""
    base = urlsplit(sign_on_url(services, organization_id))
    return f"__Secure-{COOKIE}" if base.scheme == "https" else COOKIE, base.path


def find_connection(services: Services, organization_id: UUID) -> SsoConnection | None:
    """Return the connection that people of an organization may sign on through."""
    with tenant_session(services.app_engine, organization_id) as session:
        found = queries.find_connection(session, organization_id)
    return found if found is not None and found.enabled else None


async def begin(
    services: Services, request: Request, organization_id: UUID, challenge: str | None
) -> tuple[str, str]:
    """Return the provider's address for this browser, and the cookie to come back with."""
    if (challenge is None) != (services.settings.sso_return_to is None):
        told = "is needed exactly where the deployment sends browsers back to a page"
        raise ApiError(
            "validation_failed", faults=[Fault("query/challenge", "challenge_unfit", told)]
        )
    found = await anyio.to_thread.run_sync(find_connection, services, organization_id)
    if found is None:
        raise ApiError("not_found")
    request.scope["session"] = {}
    client = client_of(services.vault, found)
    return_to = redirect_uri(services, organization_id)
    url = await services.providers.send_there(request, client, return_to)
    begun = Begun(
        str(organization_id), str(found.id), found.issuer, return_to, challenge, time.time(),
        request.session,
    )  # fmt: skip
    return url, begun.seal(services.vault)


async def finish(services: Services, request: Request, organization_id: UUID) -> Tokens | str:
    """End a sign-on: return tokens, or the address of the page that exchanges a code for them.

    Address, cookie and what the provider was told must name the same organization. Else a provider
    that sends browsers on to another organization's would be brought that one's codes.
    """
    name, _ = cookie_of(services, organization_id)
    begun = Begun.open(services.vault, request.cookies.get(name, ""))
    here = (str(organization_id), redirect_uri(services, organization_id))
    if (begun.organization_id, begun.redirect_uri) != here:
        raise ApiError("sso_state_invalid")
    found = await anyio.to_thread.run_sync(find_connection, services, organization_id)
    if found is None or (str(found.id), found.issuer) != (begun.connection_id, begun.issuer):
        raise ApiError("sso_state_invalid")
    request.scope["session"] = begun.session
    if "error" not in request.query_params:
        await anyio.to_thread.run_sync(spend_state, services, begun, request.query_params)
    claims = await services.providers.receive(request, client_of(services.vault, found))
    person = vouched_for(found, claims)
    actor_id = request.state.request_id
    user_id = await anyio.to_thread.run_sync(admit, services, found, person, actor_id)
    return await anyio.to_thread.run_sync(open_session, services, found, user_id, begun.challenge)


def spend_state(services: Services, begun: Begun, query: Mapping[str, str]) -> None:
    """Use the state of a sign-on up, before its provider is asked anything: the answer of one
    sign-on must not make more than one request in our name. Raises sso_state_invalid."""
    state = f"_state_{begun.connection_id}_{query.get('state', '')}"  # as Authlib names it
    lasts = dt.timedelta(seconds=2 * LASTS_S)
    if state not in begun.session or not throttles.spend_once(services, state, lasts):
        raise ApiError("sso_state_invalid")


def vouched_for(connection: SsoConnection, claims: dict[str, Any]) -> Person:
    """Return whom checked claims speak of. Raises 401 or 403."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255 or not is_plain(subject):
        raise ApiError("sso_token_invalid")
    if claims.get("email_verified") is not True:  # "true" as text is not what the standard says
        raise ApiError("sso_email_unverified")
    email = claims.get("email")
    mail = MAIL.fullmatch(email.strip().lower()) if isinstance(email, str) else None
    if mail is None or not is_plain(mail[0]) or mail[1] not in connection.allowed_domains:
        raise ApiError("sso_domain_not_allowed")
    first, last = (name_of(claims.get(claim)) for claim in ("given_name", "family_name"))
    return Person(connection.issuer, subject, mail[0], first, last)


def is_plain(text: str) -> bool:
    """Tell whether a text can be stored and shows what it is."""
    try:
        return bool(storable(text)) and text.isprintable()
    except ValueError:
        return False


def name_of(claim: object) -> str | None:
    """Return a name that may be stored."""
    return claim.strip()[:100] or None if isinstance(claim, str) and is_plain(claim) else None


def admit(services: Services, connection: SsoConnection, person: Person, request_id: str) -> UUID:
    """Return the account of a vouched-for person, bound at the first time. Raises 403."""
    here, connection_id = connection.organization_id, connection.id
    with tenant_session(services.app_engine, here) as session:
        known = queries.find_identity(session, here, connection_id, person)
        if known is None:
            known = _first_time(session, connection, person, request_id)
        user_id, standing = known
        if standing is not Standing.MEMBER:
            log.warning("single sign-on of user %s refused: %s", user_id, standing.value)
            raise ApiError("sso_not_a_member")
        session.commit()
    return user_id


def _first_time(
    session: TenantSession, connection: SsoConnection, person: Person, request_id: str
) -> tuple[UUID, Standing]:
    """Bind a subject to the account of its mail address, made here if there is none."""
    here, connection_id = connection.organization_id, connection.id
    user_id, standing = queries.account_of(session, person)
    actor = Actor(user_id, "user", request_id)
    if standing is Standing.CREATED:
        role = Role(connection.default_role)
        add_member(session, here, user_id, role)
        audit.record(
            session, here, actor, action="member.added", object_type="member", object_id=user_id,
            after={"role": role.value, "permissions": {}, "by": "single_sign_on"},
        )  # fmt: skip
        standing = Standing.MEMBER
    if standing is not Standing.MEMBER:
        return user_id, standing
    if queries.has_identity(session, here, connection_id, person.issuer, user_id):
        # the same person a moment ago; or another one, who was given the address of the first
        again = queries.find_identity(session, here, connection_id, person)
        return again or (user_id, Standing.STRANGER)
    queries.add_identity(session, here, connection_id, person, user_id)
    audit.record(
        session, here, actor, action="member.sign_on_bound", object_type="member",
        object_id=user_id, after={"connection_id": str(connection_id)},
    )  # fmt: skip
    return user_id, standing


def open_session(
    services: Services, connection: SsoConnection, user_id: UUID, challenge: str | None
) -> Tokens | str:
    """Begin a session that counts in this organization alone."""
    now = dt.datetime.now(dt.UTC)
    chain = services.refresh_tokens
    code = chain.first()
    first = code if challenge is None else chain.of_code(code, challenge)[0]
    lifetime = auth_queries.REFRESH_LIFETIME if challenge is None else CODE_LASTS
    with Session(services.auth_engine) as session:
        session_id, expires_at = auth_queries.open_session(
            session, user_id, chain.fingerprint(first), now,
            only_organization_id=connection.organization_id, lifetime=lifetime,
        )  # fmt: skip
        session.commit()
        who = auth_queries.find_principal(session, user_id, session_id)
    if who is None:  # disabled in this very moment
        raise ApiError("sso_not_a_member")
    if challenge is None:
        return logins.tokens(services, who, first, expires_at, now)
    page = services.settings.sso_return_to or ""
    return f"{page}{'&' if '?' in page else '?'}{urlencode({'code': code})}"


def exchange(services: Services, body: SignOnCode) -> Tokens:
    """Exchange a code for tokens, by whoever knows the verifier. Raises 401."""
    digest = hashlib.sha256(body.verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    for token in services.refresh_tokens.of_code(body.code, challenge):
        try:
            return logins.refresh(services, token)
        except ApiError:
            continue
    raise ApiError("sso_code_invalid")
