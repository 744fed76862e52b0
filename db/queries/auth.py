"""Login state: who is asking, refresh chains. For the tonnage_auth role.

No tenant is known yet, so nothing here takes an organization_id; the role sees no tenant data.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlmodel import Session

from db.ids import uuid7
from db.models import (
    Organization,
    RefreshToken,
    User,
    UserOrganizationRole,
    UserSession,
)

REFRESH_LIFETIME = dt.timedelta(days=7)
SESSION_LIFETIME = dt.timedelta(days=30)  # however often it is refreshed
# Two tabs that refresh at the same moment are no theft (RFC 9700 §4.14 leaves the window open).
REUSE_GRACE = dt.timedelta(seconds=10)

USER: Any = User
SESSION: Any = UserSession
TOKEN: Any = RefreshToken
MEMBER: Any = UserOrganizationRole
ORGANIZATION: Any = Organization


@dataclass(frozen=True, slots=True)
class Membership:
    """A user's role in one organization."""

    organization_id: UUID
    organization_name: str
    role: str
    permissions: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Principal:
    """A person whose session is alive, with every membership as of now that it
    counts for.

    For a request with an API key: the key's creator, with the one membership that the key gives.
    """

    user_id: UUID
    session_id: UUID  # the key's id for an API key
    email: str
    first_name: str | None
    last_name: str | None
    memberships: tuple[Membership, ...]
    only_organization_id: UUID | None = None  # whose provider vouched; None: no such limit
    key_id: UUID | None = None

    @property
    def caller_id(self) -> UUID:
        """Whose limits and Idempotency-Keys count: a machine has its own, not its creator's."""
        return self.key_id or self.user_id


@dataclass(frozen=True, slots=True)
class Account:
    """What a login needs to know of a user."""

    user_id: UUID
    password_hash: str


def find_account(session: Session, email: str) -> Account | None:
    """Return the account of a mail address; None if unknown, disabled, deleted or only invited.

    Without a password there is no hash to verify, and the answer would come sooner than others.
    """
    row = session.execute(
        select(USER.id, USER.password_hash).where(
            USER.email == email,
            USER.has_password,
            USER.deleted_at.is_(None),
            USER.disabled_at.is_(None),
        )
    ).one_or_none()
    return None if row is None else Account(row.id, row.password_hash)


def password_is_still(session: Session, account: Account) -> bool:
    """Tell whether the hash is the one that was verified; it stays so in this transaction.

    Whoever changes it waits, and then ends the session that is begun here with the others.
    """
    query = select(USER.id).where(
        USER.id == account.user_id, USER.password_hash == account.password_hash
    )
    return session.scalar(query.with_for_update(read=True)) is not None


def set_password_hash(session: Session, user_id: UUID, password_hash: str) -> None:
    """Store a new hash of the same password."""
    session.execute(update(USER).where(USER.id == user_id).values(password_hash=password_hash))


def memberships_of(
    session: Session, user_id: UUID, only_organization_id: UUID | None = None
) -> tuple[Membership, ...]:
    """Return the living memberships of a user in living organizations, by name; all or one."""
    only = [] if only_organization_id is None else [ORGANIZATION.id == only_organization_id]
    rows = session.execute(
        select(ORGANIZATION.id, ORGANIZATION.name, MEMBER.role, MEMBER.permissions)
        .join(ORGANIZATION, ORGANIZATION.id == MEMBER.organization_id)
        .where(
            MEMBER.user_id == user_id,
            MEMBER.deleted_at.is_(None),
            ORGANIZATION.deleted_at.is_(None),
            *only,
        )
        .order_by(ORGANIZATION.name, ORGANIZATION.id)
    ).all()
    return tuple(Membership(r.id, r.name, r.role, r.permissions or {}) for r in rows)


def find_principal(session: Session, user_id: UUID, session_id: UUID) -> Principal | None:
    """Return who a session belongs to; None once it ended, or its user may no longer log in."""
    row = session.execute(
        select(USER.email, USER.first_name, USER.last_name, SESSION.only_organization_id)
        .join(SESSION, SESSION.user_id == USER.id)
        .where(
            SESSION.id == session_id,
            USER.id == user_id,
            SESSION.revoked_at.is_(None),
            SESSION.expires_at > text("now()"),
            SESSION.created_at >= USER.tokens_valid_after,
            USER.deleted_at.is_(None),
            USER.disabled_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        return None
    only = row.only_organization_id
    memberships = memberships_of(session, user_id, only)
    return Principal(
        user_id, session_id, row.email, row.first_name, row.last_name, memberships, only
    )


def open_session(
    session: Session,
    user_id: UUID,
    token_sha256: bytes,
    now: dt.datetime,
    *,
    only_organization_id: UUID | None = None,
    lifetime: dt.timedelta = REFRESH_LIFETIME,
) -> tuple[UUID, dt.datetime]:
    """Begin a session with its first refresh token; return its id and the token's expiry.

    With `only_organization_id` it counts in that organization alone, whatever else the user is
    a member of.
    """
    session_id = uuid7()
    session.execute(
        insert(SESSION).values(
            id=session_id,
            user_id=user_id,
            created_at=now,
            expires_at=now + SESSION_LIFETIME,
            only_organization_id=only_organization_id,
        )
    )
    expires_at = now + lifetime
    session.execute(
        insert(TOKEN).values(
            id=uuid7(),
            session_id=session_id,
            token_sha256=token_sha256,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return session_id, expires_at


def end_session(session: Session, session_id: UUID, reason: str) -> None:
    """End a session: its access and refresh tokens are dead at once."""
    session.execute(
        update(SESSION)
        .where(SESSION.id == session_id, SESSION.revoked_at.is_(None))
        .values(revoked_at=text("now()"), revoked_reason=reason)
    )


def end_sessions_of(session: Session, only_organization_id: UUID, reason: str) -> None:
    """End every session that an organization's provider vouched for."""
    session.execute(
        update(SESSION)
        .where(SESSION.only_organization_id == only_organization_id, SESSION.revoked_at.is_(None))
        .values(revoked_at=text("now()"), revoked_reason=reason)
    )


class RotationOutcome(StrEnum):
    """What became of a refresh token."""

    ROTATED = "rotated"
    REPEATED = "repeated"  # again within the grace: the same child
    REUSED = "reused"  # the family is revoked now
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Rotation:
    """The result of presenting a refresh token."""

    outcome: RotationOutcome
    user_id: UUID | None = None
    session_id: UUID | None = None
    child_sha256: bytes | None = None
    expires_at: dt.datetime | None = None


def rotate_refresh_token(
    session: Session, token_sha256: bytes, children_sha256: Sequence[bytes], now: dt.datetime
) -> Rotation:
    """Use up a refresh token and add its child, the first of `children_sha256`.

    Children are derived from the parent by the caller, one by each key, so that a repetition
    within the grace gets the same child and not a second living branch, also when the key changed
    in between. The caller commits whatever the outcome is.
    """
    row = session.execute(
        select(TOKEN, SESSION)
        .join(SESSION, SESSION.id == TOKEN.session_id)
        .join(USER, USER.id == SESSION.user_id)
        .where(
            TOKEN.token_sha256 == token_sha256,
            SESSION.revoked_at.is_(None),
            SESSION.created_at >= USER.tokens_valid_after,
            USER.deleted_at.is_(None),
            USER.disabled_at.is_(None),
        )
        .with_for_update(of=TOKEN)
    ).one_or_none()
    if row is None:
        return Rotation(RotationOutcome.REFUSED)
    token, login = row
    if min(token.expires_at, login.expires_at) <= now:
        return Rotation(RotationOutcome.REFUSED)
    if token.used_at is not None:
        return _reused(session, token, login, children_sha256, now)
    expires_at = min(now + REFRESH_LIFETIME, login.expires_at)
    session.execute(update(TOKEN).where(TOKEN.id == token.id).values(used_at=now))
    session.execute(
        insert(TOKEN).values(
            id=uuid7(),
            session_id=login.id,
            token_sha256=children_sha256[0],
            parent_id=token.id,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return Rotation(
        RotationOutcome.ROTATED, login.user_id, login.id, children_sha256[0], expires_at
    )


def _reused(
    session: Session,
    token: RefreshToken,
    login: UserSession,
    children_sha256: Sequence[bytes],
    now: dt.datetime,
) -> Rotation:
    """Forgive the immediate parent within the grace; else end the whole family."""
    child = session.execute(
        select(TOKEN.token_sha256, TOKEN.expires_at, TOKEN.used_at).where(
            TOKEN.parent_id == token.id
        )
    ).one_or_none()
    used_at = token.used_at or now
    if child is not None and child.used_at is None and now - used_at <= REUSE_GRACE:
        if child.token_sha256 not in children_sha256:  # by a key that is no longer known
            return Rotation(RotationOutcome.REFUSED)
        return Rotation(
            RotationOutcome.REPEATED, login.user_id, login.id, child.token_sha256, child.expires_at
        )
    end_session(session, login.id, "refresh_token_reused")
    return Rotation(RotationOutcome.REUSED, login.user_id, login.id)
