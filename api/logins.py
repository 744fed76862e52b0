"""Logging in and staying logged in: throttles, hashes, sessions, refresh chains."""

from __future__ import annotations

import datetime as dt
import logging

import anyio.to_thread
from sqlmodel import Session

from api import throttles
from api.errors import ApiError
from api.schemas.auth import OrganizationRole, Tokens, UserProfile
from api.security import ACCESS_LIFETIME
from api.services import Services
from api.throttles import Admission, Attempt
from core.permissions import Role
from db.queries import auth as queries
from db.queries.auth import Membership, Principal, RotationOutcome

log = logging.getLogger("tonnage.security")

MAX_WAITING_LOGINS = 64


async def log_in(services: Services, attempt: Attempt) -> Tokens:
    """Return tokens for the right password. Raises 401, 429 or 503.

    The way is the same for an unknown address: count, hash, refuse.
    """
    admission = await admit(services, attempt)
    account = admission.account
    stored = account.password_hash if account else None
    right = await anyio.to_thread.run_sync(
        services.passwords.verify, stored, attempt.password, limiter=services.hashing
    )
    if account is None or not right:
        raise ApiError("invalid_credentials")
    new_hash = None
    if services.passwords.needs_rehash(account.password_hash):
        new_hash = await anyio.to_thread.run_sync(
            services.passwords.hash, attempt.password, limiter=services.hashing
        )
    return await anyio.to_thread.run_sync(_begin, services, attempt, admission, new_hash)


async def admit(services: Services, attempt: Attempt) -> Admission:
    """Count an attempt at a password; return the account. Raises 429, or 503 in a burst."""
    require_capacity(services)
    return await anyio.to_thread.run_sync(throttles.admit, services, attempt)


def require_capacity(services: Services) -> None:
    """Raise 503 while too many wait for a hash."""
    if services.hashing.statistics().tasks_waiting >= MAX_WAITING_LOGINS:
        raise ApiError("busy")


def _begin(
    services: Services, attempt: Attempt, admission: Admission, new_hash: str | None
) -> Tokens:
    """Open a session; forget the failures at this place."""
    account = admission.account
    assert account is not None
    now = dt.datetime.now(dt.UTC)
    refresh = services.refresh_tokens.first()
    with Session(services.auth_engine) as session:
        throttles.prove(session, attempt, admission)
        # the password may have been changed since it was verified: then this login came too late
        if not queries.password_is_still(session, account):
            raise ApiError("invalid_credentials")
        if new_hash is not None:
            queries.set_password_hash(session, account.user_id, new_hash)
        fingerprint = services.refresh_tokens.fingerprint(refresh)
        session_id, expires_at = queries.open_session(session, account.user_id, fingerprint, now)
        session.commit()
        who = queries.find_principal(session, account.user_id, session_id)
    if who is None:  # deleted or disabled in this very moment
        raise ApiError("invalid_credentials")
    return tokens(services, who, refresh, expires_at, now)


def refresh(services: Services, presented: str) -> Tokens:
    """Exchange a refresh token for the next one. Raises 401."""
    now = dt.datetime.now(dt.UTC)
    chain = services.refresh_tokens
    children = {chain.fingerprint(child): child for child in chain.children(presented)}
    who = None
    with Session(services.auth_engine) as session:
        rotation = queries.rotate_refresh_token(
            session, chain.fingerprint(presented), list(children), now
        )
        session.commit()
        if rotation.user_id and rotation.session_id:
            who = queries.find_principal(session, rotation.user_id, rotation.session_id)
    if rotation.outcome is RotationOutcome.REUSED:
        log.warning(
            "refresh token reused: session %s of user %s ended",
            rotation.session_id,
            rotation.user_id,
        )
    if who is None or rotation.child_sha256 is None or rotation.expires_at is None:
        raise ApiError("invalid_refresh_token")
    return tokens(services, who, children[rotation.child_sha256], rotation.expires_at, now)


def log_out(services: Services, who: Principal) -> None:
    """End the session that the request came with."""
    with Session(services.auth_engine) as session:
        queries.end_session(session, who.session_id, "logout")
        session.commit()


def tokens(
    services: Services, who: Principal, refresh: str, expires_at: dt.datetime, now: dt.datetime
) -> Tokens:
    return Tokens(
        access_token=services.access_tokens.issue(who.user_id, who.session_id, now),
        expires_in=int(ACCESS_LIFETIME.total_seconds()),
        refresh_token=refresh,
        refresh_expires_in=round((expires_at - now).total_seconds()),
        user=UserProfile(
            id=who.user_id,
            email=who.email,
            first_name=who.first_name,
            last_name=who.last_name,
            organizations=[_organization(membership) for membership in who.memberships],
        ),
    )


def _organization(membership: Membership) -> OrganizationRole:
    return OrganizationRole(
        id=membership.organization_id,
        name=membership.organization_name,
        role=Role(membership.role),
    )
