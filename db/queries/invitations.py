"""Invitations: memberships that wait for the person's consent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, delete, func, literal, null, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from core.permissions import Role
from db.ids import uuid7
from db.models import Invitation, Organization, User, UserOrganizationRole

INVITATION: Any = Invitation
ORGANIZATION: Any = Organization
USER: Any = User
MEMBER: Any = UserOrganizationRole

# As members.COLUMNS: the invitation's id stands for a person of whom no more is known than this.
COLUMNS = (
    INVITATION.id,
    INVITATION.email,
    INVITATION.first_name,
    INVITATION.last_name,
    literal("invited").label("status"),
    INVITATION.role,
    INVITATION.permissions,
    INVITATION.created_at.label("member_since"),
    INVITATION.updated_at,
    null().cast(DateTime(timezone=True)).label("deleted_at"),
)


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """Somebody to invite, as the inviting admin names them."""

    email: str  # in lower case
    first_name: str | None
    last_name: str | None
    role: Role
    permissions: Mapping[str, Any]
    token_sha256: bytes
    invited_by: UUID
    expires_at: dt.datetime


def invite(session: Session, organization_id: UUID, new: NewInvitation) -> None:
    """Invite a mail address, or anew: then the older token is dead."""
    values = {
        "first_name": new.first_name,
        "last_name": new.last_name,
        "role": new.role.value,
        "permissions": dict(new.permissions),
        "token_sha256": new.token_sha256,
        "invited_by": new.invited_by,
        "expires_at": new.expires_at,
    }
    row = {"organization_id": organization_id, "id": uuid7(), "email": new.email}
    session.execute(
        insert(INVITATION)
        .values(**row, **values)
        .on_conflict_do_update(index_elements=["organization_id", "email"], set_=values)
    )


def find(
    session: Session,
    organization_id: UUID,
    invitation_id: UUID | None = None,
    *,
    email: str | None = None,
) -> Any | None:
    """Return an invitation by id or mail address, living or expired, as a row of COLUMNS."""
    which = INVITATION.id == invitation_id if email is None else INVITATION.email == email
    return session.execute(
        select(*COLUMNS).where(INVITATION.organization_id == organization_id, which)
    ).one_or_none()


def change(
    session: Session,
    organization_id: UUID,
    invitation_id: UUID,
    role: Role,
    permissions: Mapping[str, Any],
) -> None:
    """Set what the person will be."""
    session.execute(
        update(INVITATION)
        .where(INVITATION.organization_id == organization_id, INVITATION.id == invitation_id)
        .values(role=role.value, permissions=dict(permissions))
    )


def withdraw(session: Session, organization_id: UUID, invitation_id: UUID) -> None:
    """Take an invitation back."""
    session.execute(
        delete(INVITATION).where(
            INVITATION.organization_id == organization_id, INVITATION.id == invitation_id
        )
    )


@dataclass(frozen=True, slots=True)
class Offer:
    """A living invitation as its token shows it."""

    organization_id: UUID
    organization_name: str
    invitation_id: UUID
    email: str
    first_name: str | None
    last_name: str | None
    expires_at: dt.datetime

    @property
    def known(self) -> tuple[str, ...]:
        """The names that no password may consist of."""
        names = (self.email, self.first_name, self.last_name, self.organization_name)
        return tuple(name for name in names if name)


def offer_of_token(session: Session, token_sha256: bytes) -> Offer | None:
    """Return what a token invites to, while it can be used (auth role)."""
    row = session.execute(
        select(
            INVITATION.organization_id,
            ORGANIZATION.name,
            INVITATION.id,
            INVITATION.email,
            INVITATION.first_name,
            INVITATION.last_name,
            INVITATION.expires_at,
        )
        .join(ORGANIZATION, ORGANIZATION.id == INVITATION.organization_id)
        .where(
            INVITATION.token_sha256 == token_sha256,
            INVITATION.expires_at > text("now()"),
            ORGANIZATION.deleted_at.is_(None),
        )
    ).one_or_none()
    return None if row is None else Offer(*row)


def account_of_token(session: Session, token_sha256: bytes) -> UUID | None:
    """Find or make the account whose first password a token may set (auth role).

    None when it has one already, is out of use, or belongs to another organization; see
    consent_up.sql.
    """
    found: UUID | None = session.scalar(select(func.invited_account(token_sha256)))
    return found


def accept(session: Session, offer: Offer) -> Any | None:
    """Use an invitation up; return role, permissions and invited_by.

    None if it is gone, or was made anew since the offer was read: then this token is dead.
    """
    return session.execute(
        delete(INVITATION)
        .where(
            INVITATION.organization_id == offer.organization_id,
            INVITATION.id == offer.invitation_id,
            INVITATION.expires_at == offer.expires_at,
        )
        .returning(INVITATION.role, INVITATION.permissions, INVITATION.invited_by)
    ).one_or_none()
