"""Memberships of an organization: who belongs to it, and how that changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, insert, or_, select, text, update
from sqlmodel import Session

from core.permissions import Role
from db.ids import uuid7
from db.models import Organization, Project, User, UserOrganizationRole
from db.queries import paging

MEMBER: Any = UserOrganizationRole
USER: Any = User
ORGANIZATION: Any = Organization
PROJECT: Any = Project

BY_EMAIL = paging.Sort("email", USER.email, paging.Kind.TEXT)

STATUS = case(
    (USER.disabled_at.is_not(None), "disabled"),
    (USER.has_password, "active"),
    else_="invited",
)
COLUMNS = (
    USER.id,
    USER.email,
    USER.first_name,
    USER.last_name,
    STATUS.label("status"),
    MEMBER.role,
    MEMBER.permissions,
    MEMBER.created_at.label("member_since"),
    MEMBER.updated_at,
    MEMBER.deleted_at,
)


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """Which members are wanted; `q` is part of the mail address or the name."""

    role: Role | None = None
    q: str | None = None


def _wanted(organization_id: UUID, wanted: MemberFilter) -> list[ColumnElement[bool]]:
    conditions = [
        MEMBER.organization_id == organization_id,
        MEMBER.deleted_at.is_(None),
        USER.deleted_at.is_(None),
    ]
    if wanted.role:
        conditions.append(MEMBER.role == wanted.role.value)
    if wanted.q:
        name = func.concat_ws(" ", USER.first_name, USER.last_name)
        conditions.append(
            or_(
                USER.email.icontains(wanted.q, autoescape=True),
                name.icontains(wanted.q, autoescape=True),
            )
        )
    return conditions


def list_members(
    session: Session, organization_id: UUID, wanted: MemberFilter, request: paging.PageRequest
) -> paging.Page[Any]:
    """Return a page of the living members by mail address; rows of COLUMNS."""
    rows = session.execute(
        select(*COLUMNS)
        .join(MEMBER, MEMBER.user_id == USER.id)
        .where(*_wanted(organization_id, wanted), *paging.after(request, USER.id))
        .order_by(*paging.order_by(request.sort, USER.id))
        .limit(request.limit + 1)
    ).all()
    return paging.cut(rows, request, "email")


def count_members(session: Session, organization_id: UUID, wanted: MemberFilter) -> int:
    """Count the living members."""
    query = select(func.count()).select_from(USER).join(MEMBER, MEMBER.user_id == USER.id)
    return session.scalar(query.where(*_wanted(organization_id, wanted))) or 0


def find_member(
    session: Session, organization_id: UUID, user_id: UUID, *, former: bool = False
) -> Any | None:
    """Return one member, as a row of COLUMNS; `former` also finds ended memberships."""
    conditions = [
        MEMBER.organization_id == organization_id,
        USER.id == user_id,
        USER.deleted_at.is_(None),
    ]
    if not former:
        conditions.append(MEMBER.deleted_at.is_(None))
    return session.execute(
        select(*COLUMNS).join(MEMBER, MEMBER.user_id == USER.id).where(*conditions)
    ).one_or_none()


def lock_members(session: Session, organization_id: UUID) -> None:
    """Let nobody else change memberships of the organization until this transaction ends.

    Two admins who demote each other at the same moment would otherwise both find another one
    left. NO KEY UPDATE: uploads, whose foreign keys look at the organization, go on.
    """
    session.execute(
        select(ORGANIZATION.id)
        .where(ORGANIZATION.id == organization_id)
        .with_for_update(key_share=True)
    )


def another_admin_is_left(session: Session, organization_id: UUID, user_id: UUID) -> bool:
    """Tell whether somebody else can log in, is admin, and sees the whole organization."""
    query = (
        select(USER.id)
        .join(MEMBER, MEMBER.user_id == USER.id)
        .where(
            *_wanted(organization_id, MemberFilter(role=Role.ADMIN)),
            USER.id != user_id,
            USER.disabled_at.is_(None),
            USER.has_password,
            ~func.coalesce(MEMBER.permissions, text("'{}'::jsonb")).has_key("projects"),
        )
        .limit(1)
    )
    return session.scalar(query) is not None


def set_membership(
    session: Session,
    organization_id: UUID,
    user_id: UUID,
    role: Role,
    permissions: Mapping[str, Any],
) -> None:
    """Make, change or revive the membership of a person."""
    values = {"role": role.value, "permissions": dict(permissions)}
    changed = session.execute(
        update(MEMBER)
        .where(MEMBER.organization_id == organization_id, MEMBER.user_id == user_id)
        .values(
            **values,
            created_at=case((MEMBER.deleted_at.is_(None), MEMBER.created_at), else_=func.now()),
            deleted_at=None,
        )
    )
    if not changed.rowcount:  # type: ignore[attr-defined]
        row = {"id": uuid7(), "organization_id": organization_id, "user_id": user_id}
        session.execute(insert(MEMBER).values(**row, **values))


def end_membership(session: Session, organization_id: UUID, user_id: UUID) -> None:
    """End the membership of a person; the row stays, as do the traces of what they did."""
    session.execute(
        update(MEMBER)
        .where(
            MEMBER.organization_id == organization_id,
            MEMBER.user_id == user_id,
            MEMBER.deleted_at.is_(None),
        )
        .values(deleted_at=func.now())
    )


def unknown_projects(
    session: Session, organization_id: UUID, project_ids: Sequence[UUID]
) -> frozenset[UUID]:
    """Return which of these are no living projects of the organization."""
    known = session.scalars(
        select(PROJECT.id).where(
            PROJECT.organization_id == organization_id,
            PROJECT.id.in_(project_ids),
            PROJECT.deleted_at.is_(None),
        )
    ).all()
    return frozenset(project_ids) - set(known)


class Invited(StrEnum):
    """What an invitation found; see invite_user in invitations_up.sql."""

    CREATED = "created"
    PENDING = "pending"
    EXISTING = "existing"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody who is invited, as the inviting admin names them."""

    email: str  # in lower case
    first_name: str | None
    last_name: str | None


INVITE = text(
    "SELECT user_id, outcome FROM invite_user(:id, :email, :first_name, :last_name,"
    " :token_sha256, :expires_at)"
)


def invite(
    session: Session, person: NewPerson, token_sha256: bytes, expires_at: dt.datetime
) -> tuple[UUID, Invited]:
    """Find or make the account of a mail address, for the organization of this session.

    The token counts only with CREATED and PENDING.
    """
    row = session.execute(
        INVITE,
        {
            "id": uuid7(),
            "email": person.email,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "token_sha256": token_sha256,
            "expires_at": expires_at,
        },
    ).one()
    return row.user_id, Invited(row.outcome)
