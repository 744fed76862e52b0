"""Memberships of an organization: who belongs to it, and how that changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    Uuid,
    case,
    column,
    func,
    insert,
    or_,
    select,
    text,
    union_all,
    update,
)  # fmt: skip
from sqlmodel import Session

from core.permissions import Role
from db.ids import uuid7
from db.models import Organization, Project, User, UserOrganizationRole
from db.queries import invitations, paging

MEMBER: Any = UserOrganizationRole
USER: Any = User
ORGANIZATION: Any = Organization
PROJECT: Any = Project

# Columns of the union of members and invitations.
PERSON_ID: Any = column("id", Uuid)
BY_EMAIL = paging.Sort("email", column("email", Text), paging.Kind.TEXT)

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


def _living(organization_id: UUID, role: Role | None = None) -> list[ColumnElement[bool]]:
    conditions = [
        MEMBER.organization_id == organization_id,
        MEMBER.deleted_at.is_(None),
        USER.deleted_at.is_(None),
    ]
    return conditions if role is None else [*conditions, MEMBER.role == role.value]


def _people(organization_id: UUID, wanted: MemberFilter) -> Any:
    """Select members, and whoever is invited and no member yet."""
    invited: Any = invitations.INVITATION
    member_here = (
        select(USER.id)
        .join(MEMBER, MEMBER.user_id == USER.id)
        .where(*_living(organization_id), USER.email == invited.email)
        .correlate(invited)
        .exists()
    )
    found = union_all(
        select(*COLUMNS)
        .join(MEMBER, MEMBER.user_id == USER.id)
        .where(*_living(organization_id, wanted.role), *_named(USER, wanted)),
        select(*invitations.COLUMNS).where(
            invited.organization_id == organization_id,
            ~member_here,
            *([] if wanted.role is None else [invited.role == wanted.role.value]),
            *_named(invited, wanted),
        ),
    ).subquery("people")
    return select(found)


def _named(person: Any, wanted: MemberFilter) -> list[ColumnElement[bool]]:
    if not wanted.q:
        return []
    name = func.concat_ws(" ", person.first_name, person.last_name)
    return [
        or_(
            person.email.icontains(wanted.q, autoescape=True),
            name.icontains(wanted.q, autoescape=True),
        )
    ]


def list_members(
    session: Session, organization_id: UUID, wanted: MemberFilter, request: paging.PageRequest
) -> paging.Page[Any]:
    """Return a page of members and invited people by mail address; rows of COLUMNS."""
    rows = session.execute(
        _people(organization_id, wanted)
        .where(*paging.after(request, PERSON_ID))
        .order_by(*paging.order_by(request.sort, PERSON_ID))
        .limit(request.limit + 1)
    ).all()
    return paging.cut(rows, request, "email")


def count_members(session: Session, organization_id: UUID, wanted: MemberFilter) -> int:
    """Count members and invited people."""
    people = _people(organization_id, wanted).subquery()
    return session.scalar(select(func.count()).select_from(people)) or 0


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


def find_by_email(session: Session, organization_id: UUID, email: str) -> Any | None:
    """Return a present member by mail address, as a row of COLUMNS."""
    return session.execute(
        select(*COLUMNS)
        .join(MEMBER, MEMBER.user_id == USER.id)
        .where(*_living(organization_id), USER.email == email)
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
            *_living(organization_id, Role.ADMIN),
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
