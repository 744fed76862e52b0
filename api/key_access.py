"""Requests of machines: an API key in the place of an access token."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from uuid import UUID

from sqlmodel import Session

from api.services import Services
from core.permissions import Role, lesser, reach_of
from db.engine import tenant_session
from db.queries import api_keys as queries
from db.queries.auth import Membership, Principal

PREFIX = "tng_"  # secret scanners find leaked keys by it
FORM = re.compile(PREFIX + r"([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
NO_DIGEST = bytes(32)


def new_secret(key_id: UUID) -> tuple[str, bytes]:
    """Return a key as it is handed out, with 256 random bits, and what is stored of it."""
    secret = secrets.token_urlsafe(32)
    return f"{PREFIX}{key_id.hex}_{secret}", fingerprint(secret)


def fingerprint(secret: str) -> bytes:
    """Return what is stored of a secret. It is random, so that a fast hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


def looks_like_key(token: str) -> bool:
    """Tell whether a bearer token means to be an API key."""
    return token.startswith(PREFIX)


def principal_of(services: Services, token: str) -> Principal | None:
    """Return for whom a key speaks, as of now; None if it does not work.

    Its one membership is the lesser of what the key may and what its creator may at this moment.
    """
    form = FORM.fullmatch(token)
    if form is None:
        return None
    key_id = UUID(hex=form[1])
    with Session(services.auth_engine) as session:
        found = queries.find_for_login(session, key_id)
    stored = NO_DIGEST if found is None else bytes(found.secret_sha256)
    if not hmac.compare_digest(stored, fingerprint(form[2])) or found is None:
        return None
    if found.is_stale:
        with tenant_session(services.app_engine, found.organization_id) as tenant:
            queries.touch(tenant, found.organization_id, key_id)
            tenant.commit()
    reach = reach_of(found.permissions).within(reach_of(found.member_permissions))
    membership = Membership(
        found.organization_id,
        found.organization_name,
        lesser(Role(found.role), Role(found.member_role)).value,
        reach.permissions(),
    )
    return Principal(
        user_id=found.created_by,
        session_id=key_id,
        email=found.email,
        first_name=found.first_name,
        last_name=found.last_name,
        memberships=(membership,),
        key_id=key_id,
    )
