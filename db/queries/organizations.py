"""Organizations, people, memberships and projects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text, update
from sqlmodel import Session

from core.permissions import Reach, Role
from core.regions import asked_region
from db.ids import uuid7
from db.models import Organization, Project, User, UserOrganizationRole
from db.queries import paging

ORGANIZATION: Any = Organization
MEMBER: Any = UserOrganizationRole
USER: Any = User
PROJECT: Any = Project


def create_organization(
    session: Session,
    *,
    name: str,
    country: str | None = None,
    industry: str | None = None,
    organization_id: UUID | None = None,
) -> UUID:
    """Add an organization (platform role); return its id."""
    made = organization_id or uuid7()
    session.execute(
        insert(ORGANIZATION).values(id=made, name=name, country=country, industry=industry)
    )
    return made


def get_organization(
    session: Session, organization_id: UUID, *, lock: bool = False
) -> Organization | None:
    """Return a living organization; `lock` keeps others from changing it meanwhile."""
    query = select(ORGANIZATION).where(
        ORGANIZATION.id == organization_id, ORGANIZATION.deleted_at.is_(None)
    )
    found: Organization | None = session.scalars(
        query.with_for_update() if lock else query
    ).one_or_none()
    return found


def change_organization(
    session: Session, organization_id: UUID, values: Mapping[str, Any]
) -> Organization:
    """Set columns of an organization; return it as it is then."""
    session.execute(update(ORGANIZATION).where(ORGANIZATION.id == organization_id).values(**values))
    found: Organization = session.scalars(
        select(ORGANIZATION)
        .where(ORGANIZATION.id == organization_id)
        .execution_options(populate_existing=True)
    ).one()
    return found


def search_language_exists(session: Session, name: str) -> bool:
    """Tell whether PostgreSQL ships a text-search configuration of this name."""
    found = text(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_ts_config WHERE cfgname = :name"
        " AND cfgnamespace = 'pg_catalog'::regnamespace)"
    )
    return bool(session.execute(found, {"name": name}).scalar_one())


def create_user(
    session: Session,
    *,
    email: str,
    password_hash: str,
    first_name: str | None = None,
    last_name: str | None = None,
) -> UUID:
    """Add a person (platform role); the mail address is kept in lower case."""
    user_id = uuid7()
    session.execute(
        insert(USER).values(
            id=user_id,
            email=email.strip().lower(),
            password_hash=password_hash,
            first_name=first_name,
            last_name=last_name,
        )
    )
    return user_id


def find_user(session: Session, email: str) -> UUID | None:
    """Return the id of the person with this mail address, deleted or not."""
    found: UUID | None = session.scalar(select(USER.id).where(USER.email == email.strip().lower()))
    return found


def add_member(
    session: Session,
    organization_id: UUID,
    user_id: UUID,
    role: Role,
    permissions: Mapping[str, Any] | None = None,
) -> None:
    """Make a person a member."""
    session.execute(
        insert(MEMBER).values(
            id=uuid7(),
            organization_id=organization_id,
            user_id=user_id,
            role=role.value,
            permissions=dict(permissions or {}),
        )
    )


def add_project(session: Session, organization_id: UUID, name: str) -> UUID:
    """Add a project; return its id."""
    project_id = uuid7()
    session.execute(
        insert(PROJECT).values(id=project_id, organization_id=organization_id, name=name)
    )
    return project_id


def list_projects(session: Session, organization_id: UUID, reach: Reach) -> Sequence[Project]:
    """Return the living projects that a membership sees, by name."""
    query = (
        select(PROJECT)
        .where(PROJECT.organization_id == organization_id, PROJECT.deleted_at.is_(None))
        .order_by(PROJECT.name)
    )
    if reach.projects is not None:
        query = query.where(PROJECT.id.in_(reach.projects))
    return session.scalars(query).all()


def project_exists(
    session: Session, organization_id: UUID, project_id: UUID, *, lock: bool = False
) -> bool:
    """Tell whether an organization has this living project; `lock` keeps it for the while."""
    query = select(PROJECT.id).where(
        PROJECT.organization_id == organization_id,
        PROJECT.id == project_id,
        PROJECT.deleted_at.is_(None),
    )
    if lock:  # as weak as a foreign key's: uploads do not wait for each other
        query = query.with_for_update(read=True, key_share=True)
    return session.scalar(query) is not None


@dataclass(frozen=True, slots=True)
class OrganizationFilter:
    """Which of a user's organizations are wanted."""

    name: str | None = None
    role: Role | None = None
    country: str | None = None
    industry: str | None = None
    only: UUID | None = None  # of a session that counts in one organization


BY_NAME = paging.Sort("name", ORGANIZATION.name, paging.Kind.TEXT)


def _of_user(user_id: UUID, wanted: OrganizationFilter) -> list[Any]:
    conditions = [
        MEMBER.user_id == user_id,
        MEMBER.deleted_at.is_(None),
        ORGANIZATION.deleted_at.is_(None),
    ]
    if wanted.only:
        conditions.append(ORGANIZATION.id == wanted.only)
    if wanted.name:
        conditions.append(ORGANIZATION.name.istartswith(wanted.name, autoescape=True))
    if wanted.role:
        conditions.append(MEMBER.role == wanted.role.value)
    if wanted.country:
        conditions.append(ORGANIZATION.country == asked_region(wanted.country))
    if wanted.industry:
        conditions.append(ORGANIZATION.industry == wanted.industry)
    return conditions


def list_for_user(
    session: Session, user_id: UUID, wanted: OrganizationFilter, request: paging.PageRequest
) -> paging.Page[Any]:
    """Return a page of the organizations of a user (auth role).

    Rows: id, name, industry, country, role, permissions, created_at, member_since.
    """
    rows = session.execute(
        select(
            ORGANIZATION.id,
            ORGANIZATION.name,
            ORGANIZATION.industry,
            ORGANIZATION.country,
            ORGANIZATION.created_at,
            MEMBER.role,
            MEMBER.permissions,
            MEMBER.created_at.label("member_since"),
        )
        .join(MEMBER, MEMBER.organization_id == ORGANIZATION.id)
        .where(*_of_user(user_id, wanted), *paging.after(request, ORGANIZATION.id))
        .order_by(*paging.order_by(request.sort, ORGANIZATION.id))
        .limit(request.limit + 1)
    ).all()
    return paging.cut(rows, request, "name")


def count_for_user(session: Session, user_id: UUID, wanted: OrganizationFilter) -> int:
    """Count the organizations of a user."""
    return (
        session.scalar(
            select(func.count())
            .select_from(ORGANIZATION)
            .join(MEMBER, MEMBER.organization_id == ORGANIZATION.id)
            .where(*_of_user(user_id, wanted))
        )
        or 0
    )
