"""Passwords, one-time tokens and the list of logins. For the tonnage_auth role, but issue_token.

Nothing here takes an organization_id: an account belongs to its owner.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update
from sqlmodel import Session

from db.ids import uuid7
from db.models import (
    OneTimeToken,
    Organization,
    RefreshToken,
    User,
    UserOrganizationRole,
    UserSession,
)
from db.queries import paging

USER: Any = User
SESSION: Any = UserSession
REFRESH: Any = RefreshToken
TOKEN: Any = OneTimeToken
MEMBER: Any = UserOrganizationRole
ORGANIZATION: Any = Organization

BY_LOGIN = paging.Sort("created_at", SESSION.created_at, paging.Kind.TIME, descending=True)

NO_PASSWORD = "!"  # noqa: S105 - no argon2 hash: nothing verifies against it


class Purpose(StrEnum):
    """What a one-time token was made for."""

    INVITATION = "invitation"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose password is to be set, and what others know of them."""

    user_id: UUID
    known: tuple[str, ...]


def issue_token(
    session: Session, user_id: UUID, purpose: Purpose, token_sha256: bytes, expires_at: dt.datetime
) -> None:
    """Make the one living token of a person (platform role); older ones are gone."""
    session.execute(delete(TOKEN).where(TOKEN.user_id == user_id))
    session.execute(
        insert(TOKEN).values(
            id=uuid7(),
            user_id=user_id,
            purpose=purpose.value,
            token_sha256=token_sha256,
            expires_at=expires_at,
        )
    )


def _living_token(token_sha256: bytes) -> list[Any]:
    return [
        TOKEN.token_sha256 == token_sha256,
        TOKEN.used_at.is_(None),
        TOKEN.expires_at > text("now()"),
    ]


def owner_of_token(session: Session, token_sha256: bytes) -> Owner | None:
    """Return whose token this is, while it can be used."""
    user_id = session.scalar(select(TOKEN.user_id).where(*_living_token(token_sha256)))
    return None if user_id is None else owner(session, user_id)


def owner(session: Session, user_id: UUID) -> Owner | None:
    """Return a person with the names that no password may consist of; None if out of use."""
    person = session.execute(
        select(USER.email, USER.first_name, USER.last_name).where(
            USER.id == user_id, USER.deleted_at.is_(None), USER.disabled_at.is_(None)
        )
    ).one_or_none()
    if person is None:
        return None
    organizations = session.scalars(
        select(ORGANIZATION.name)
        .join(MEMBER, MEMBER.organization_id == ORGANIZATION.id)
        .where(MEMBER.user_id == user_id)
    ).all()
    names = (person.email, person.first_name, person.last_name, *organizations)
    return Owner(user_id, tuple(name for name in names if name))


def use_token(session: Session, token_sha256: bytes) -> UUID | None:
    """Use a token up; return whose it was. Of two at once one gets None."""
    used: UUID | None = session.execute(
        update(TOKEN)
        .where(*_living_token(token_sha256))
        .values(used_at=text("now()"))
        .returning(TOKEN.user_id)
    ).scalar_one_or_none()
    return used


def set_password(
    session: Session, user_id: UUID, password_hash: str, *, instead_of: str | None = None
) -> bool:
    """Store a password's hash; outstanding tokens die.

    With `instead_of` only while that is the present hash: tells whether it was.
    """
    query = update(USER).where(
        USER.id == user_id, USER.deleted_at.is_(None), USER.disabled_at.is_(None)
    )
    if instead_of is not None:
        query = query.where(USER.password_hash == instead_of)
    stored = session.execute(
        query.values(password_hash=password_hash).returning(USER.id)
    ).scalar_one_or_none()
    if stored is None:
        return False
    session.execute(delete(TOKEN).where(TOKEN.user_id == user_id, TOKEN.used_at.is_(None)))
    return True


def end_sessions(session: Session, user_id: UUID, reason: str, *, keep: UUID | None = None) -> None:
    """End the sessions of a person, but for `keep`; their tokens are dead at once."""
    query = update(SESSION).where(SESSION.user_id == user_id, SESSION.revoked_at.is_(None))
    if keep is not None:
        query = query.where(SESSION.id != keep)
    session.execute(query.values(revoked_at=text("now()"), revoked_reason=reason))


def _living_sessions(user_id: UUID) -> Any:
    """Select living sessions with their newest refresh token, which is the unused one."""
    return (
        select(
            SESSION.id,
            SESSION.created_at,
            REFRESH.created_at.label("last_used_at"),
            func.least(SESSION.expires_at, REFRESH.expires_at).label("expires_at"),
        )
        .join(USER, USER.id == SESSION.user_id)
        .join(REFRESH, REFRESH.session_id == SESSION.id)
        .where(
            SESSION.user_id == user_id,
            SESSION.revoked_at.is_(None),
            SESSION.created_at >= USER.tokens_valid_after,
            SESSION.expires_at > text("now()"),
            REFRESH.used_at.is_(None),
            REFRESH.expires_at > text("now()"),
        )
    )


def list_sessions(session: Session, user_id: UUID, request: paging.PageRequest) -> paging.Page[Any]:
    """Return a page of living sessions, newest login first.

    Rows: id, created_at, last_used_at (of the last refresh), expires_at.
    """
    rows = session.execute(
        _living_sessions(user_id)
        .where(*paging.after(request, SESSION.id))
        .order_by(*paging.order_by(request.sort, SESSION.id))
        .limit(request.limit + 1)
    ).all()
    return paging.cut(rows, request, "created_at")


def count_sessions(session: Session, user_id: UUID) -> int:
    """Count the living sessions."""
    query = select(func.count()).select_from(_living_sessions(user_id).subquery())
    return session.scalar(query) or 0


def end_own_session(session: Session, user_id: UUID, session_id: UUID) -> bool:
    """End one session of a person; tell whether there was one."""
    ended = session.execute(
        update(SESSION)
        .where(
            SESSION.id == session_id,
            SESSION.user_id == user_id,
            SESSION.revoked_at.is_(None),
            SESSION.expires_at > text("now()"),
        )
        .values(revoked_at=text("now()"), revoked_reason="ended by the user")
        .returning(SESSION.id)
    ).scalar_one_or_none()
    return ended is not None
