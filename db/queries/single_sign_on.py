"""Single sign-on within one organization: its provider, and whom that calls what (app role)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlmodel import Session

from db.ids import uuid7
from db.models import Organization, SsoConnection, SsoIdentity, User, UserOrganizationRole

CONNECTION: Any = SsoConnection
IDENTITY: Any = SsoIdentity
MEMBER: Any = UserOrganizationRole
ORGANIZATION: Any = Organization
USER: Any = User


def find_connection(
    session: Session, organization_id: UUID, *, lock: bool = False
) -> SsoConnection | None:
    """Return the connection of a living organization; `lock` keeps others from changing it."""
    query = (
        select(CONNECTION)
        .join(ORGANIZATION, ORGANIZATION.id == CONNECTION.organization_id)
        .where(
            CONNECTION.organization_id == organization_id,
            CONNECTION.deleted_at.is_(None),
            ORGANIZATION.deleted_at.is_(None),
        )
        .execution_options(populate_existing=True)
    )
    found: SsoConnection | None = session.scalars(
        query.with_for_update(of=CONNECTION) if lock else query
    ).one_or_none()
    return found


def add_connection(
    session: Session, organization_id: UUID, connection_id: UUID, values: Mapping[str, Any]
) -> None:
    """Add a connection. Raises IntegrityError when there is one already."""
    session.execute(
        insert(CONNECTION).values(organization_id=organization_id, id=connection_id, **values)
    )


def change_connection(
    session: Session, organization_id: UUID, connection_id: UUID, values: Mapping[str, Any]
) -> None:
    """Set columns of a connection."""
    session.execute(
        update(CONNECTION)
        .where(CONNECTION.organization_id == organization_id, CONNECTION.id == connection_id)
        .values(**values)
    )


def delete_connection(session: Session, organization_id: UUID, connection_id: UUID) -> None:
    """Delete a connection, and its secret for good."""
    gone = {"client_secret": None, "enabled": False, "deleted_at": text("now()")}
    change_connection(session, organization_id, connection_id, gone)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom a provider vouches for, in lower case and of an allowed domain."""

    issuer: str
    subject: str
    email: str
    first_name: str | None = None
    last_name: str | None = None


class Standing(StrEnum):
    """What an account is to an organization."""

    CREATED = "created"  # a moment ago, without a membership yet
    MEMBER = "member"
    REMOVED = "removed"
    STRANGER = "stranger"
    CLOSED = "closed"  # disabled or deleted


def find_identity(
    session: Session, organization_id: UUID, connection_id: UUID, person: Person
) -> tuple[UUID, Standing] | None:
    """Return whom a provider's subject is, and how they stand; None if it was never here."""
    row = session.execute(
        select(
            IDENTITY.user_id,
            USER.id.label("seen"),
            USER.disabled_at,
            USER.deleted_at,
            MEMBER.user_id.label("member"),
            MEMBER.deleted_at.label("removed_at"),
        )
        .outerjoin(USER, USER.id == IDENTITY.user_id)
        .outerjoin(
            MEMBER,
            (MEMBER.user_id == IDENTITY.user_id)
            & (MEMBER.organization_id == IDENTITY.organization_id),
        )
        .where(
            IDENTITY.organization_id == organization_id,
            IDENTITY.connection_id == connection_id,
            IDENTITY.issuer == person.issuer,
            IDENTITY.subject == person.subject,
        )
    ).one_or_none()
    if row is None:
        return None
    if row.seen is None or row.disabled_at is not None or row.deleted_at is not None:
        return row.user_id, Standing.CLOSED
    if row.member is None:  # purged long after it ended: an identity alone admits nobody
        return row.user_id, Standing.STRANGER
    return row.user_id, Standing.REMOVED if row.removed_at is not None else Standing.MEMBER


def has_identity(
    session: Session, organization_id: UUID, connection_id: UUID, issuer: str, user_id: UUID
) -> bool:
    """Tell whether an account is already another subject of this issuer."""
    found = session.scalar(
        select(IDENTITY.id).where(
            IDENTITY.organization_id == organization_id,
            IDENTITY.connection_id == connection_id,
            IDENTITY.issuer == issuer,
            IDENTITY.user_id == user_id,
        )
    )
    return found is not None


ACCOUNT = text("SELECT user_id, outcome FROM sso_account(:id, :email, :first_name, :last_name)")


def account_of(session: Session, person: Person) -> tuple[UUID, Standing]:
    """Find or make the account of a mail address for the organization of this transaction.

    The database itself refuses a domain that the organization's connection does not name.
    """
    row = session.execute(
        ACCOUNT,
        {
            "id": uuid7(),
            "email": person.email,
            "first_name": person.first_name,
            "last_name": person.last_name,
        },
    ).one()
    return row.user_id, Standing(row.outcome)


def add_identity(
    session: Session, organization_id: UUID, connection_id: UUID, person: Person, user_id: UUID
) -> None:
    """Bind a provider's subject to an account."""
    session.execute(
        insert(IDENTITY).values(
            organization_id=organization_id,
            id=uuid7(),
            connection_id=connection_id,
            issuer=person.issuer,
            subject=person.subject,
            user_id=user_id,
        )
    )
