"""Keys of machines: made, listed, used, revoked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, or_, select, text, update
from sqlmodel import Session

from db.ids import uuid7
from db.models import ApiKey, Organization, User, UserOrganizationRole
from db.queries import paging

KEY: Any = ApiKey
USER: Any = User
MEMBER: Any = UserOrganizationRole
ORGANIZATION: Any = Organization

BY_AGE = paging.Sort("created_at", KEY.created_at, paging.Kind.TIME, descending=True)
USED_EVERY = dt.timedelta(minutes=1)  # a busy key does not write with each request
# Never the hash: the role that serves tenants may not read it.
COLUMNS = (
    KEY.id,
    KEY.name,
    KEY.role,
    KEY.permissions,
    KEY.created_by,
    KEY.created_at,
    KEY.expires_at,
    KEY.last_used_at,
)
STALE = or_(KEY.last_used_at.is_(None), KEY.last_used_at <= func.now() - USED_EVERY)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to store."""

    name: str
    role: str
    permissions: Mapping[str, Any]
    secret_sha256: bytes
    created_by: UUID
    expires_at: dt.datetime


def add(session: Session, organization_id: UUID, key_id: UUID, new: NewKey) -> None:
    """Store a key."""
    session.execute(
        insert(KEY).values(
            organization_id=organization_id,
            id=key_id,
            name=new.name,
            role=new.role,
            permissions=dict(new.permissions),
            secret_sha256=new.secret_sha256,
            created_by=new.created_by,
            expires_at=new.expires_at,
        )
    )


def new_id() -> UUID:
    """Return an id for a key; it is part of what is handed out."""
    return uuid7()


def _living(organization_id: UUID) -> list[Any]:
    return [KEY.organization_id == organization_id, KEY.revoked_at.is_(None)]


def list_page(
    session: Session, organization_id: UUID, request: paging.PageRequest
) -> paging.Page[Any]:
    """Return a page of the keys that are not revoked, newest first; rows of COLUMNS."""
    rows = session.execute(
        select(*COLUMNS)
        .where(*_living(organization_id), *paging.after(request, KEY.id))
        .order_by(*paging.order_by(request.sort, KEY.id))
        .limit(request.limit + 1)
    ).all()
    return paging.cut(rows, request, "created_at")


def count(session: Session, organization_id: UUID) -> int:
    """Count the keys that are not revoked."""
    query = select(func.count()).select_from(KEY)
    return session.scalar(query.where(*_living(organization_id))) or 0


def find(session: Session, organization_id: UUID, key_id: UUID) -> Any | None:
    """Return a key that is not revoked, as a row of COLUMNS."""
    return session.execute(
        select(*COLUMNS).where(*_living(organization_id), KEY.id == key_id)
    ).one_or_none()


def revoke(
    session: Session,
    organization_id: UUID,
    by: UUID,
    *,
    key_id: UUID | None = None,
    creator: UUID | None = None,
) -> Sequence[UUID]:
    """Revoke one key, or all of a creator; return which."""
    which = KEY.id == key_id if creator is None else KEY.created_by == creator
    return list(
        session.scalars(
            update(KEY)
            .where(*_living(organization_id), which)
            .values(revoked_at=text("now()"), revoked_by=by)
            .returning(KEY.id)
        )
    )


def touch(session: Session, organization_id: UUID, key_id: UUID) -> None:
    """Remember that a key was used, to the minute."""
    session.execute(
        update(KEY)
        .where(
            *_living(organization_id),
            KEY.id == key_id,
            STALE,
        )
        .values(last_used_at=text("now()"))
    )


def find_for_login(session: Session, key_id: UUID) -> Any | None:
    """Return a living key with its creator as they are now (auth role).

    None once it is revoked or expired, its creator is no member any more or out of use, or the
    organization is gone. Rows: organization_id, organization_name, role, permissions,
    secret_sha256, is_stale, created_by, email, first_name, last_name, member_role,
    member_permissions.
    """
    return session.execute(
        select(
            KEY.organization_id,
            ORGANIZATION.name.label("organization_name"),
            KEY.role,
            KEY.permissions,
            KEY.secret_sha256,
            STALE.label("is_stale"),
            KEY.created_by,
            USER.email,
            USER.first_name,
            USER.last_name,
            MEMBER.role.label("member_role"),
            MEMBER.permissions.label("member_permissions"),
        )
        .join(ORGANIZATION, ORGANIZATION.id == KEY.organization_id)
        .join(
            MEMBER,
            (MEMBER.organization_id == KEY.organization_id) & (MEMBER.user_id == KEY.created_by),
        )
        .join(USER, USER.id == KEY.created_by)
        .where(
            KEY.id == key_id,
            KEY.revoked_at.is_(None),
            KEY.expires_at > text("now()"),
            ORGANIZATION.deleted_at.is_(None),
            MEMBER.deleted_at.is_(None),
            USER.deleted_at.is_(None),
            USER.disabled_at.is_(None),
        )
    ).one_or_none()
