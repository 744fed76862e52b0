"""Organizations, people and what they may do."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from db.models.columns import BY_DATABASE, json_column, key_column, language_column, time_column


class Organization(SQLModel, table=True):
    """A tenant."""

    __tablename__ = "organizations"

    id: UUID = key_column()
    name: str
    industry: str | None = None
    country: str | None = None
    subscription_tier: str | None = "basic"
    data_retention_days: int | None = 365
    ai_matching: bool = True
    search_language: str | None = language_column()
    review_below: float = 0.6
    hold_below: float = 0.3
    base_year: int | None = Field(default=None, sa_type=SmallInteger)
    factor_releases: list[str] = Field(
        default=None, sa_type=ARRAY(Text), sa_column_kwargs={"server_default": BY_DATABASE}
    )
    created_at: dt.datetime | None = time_column()
    updated_at: dt.datetime | None = time_column()
    deleted_at: dt.datetime | None = time_column()


class User(SQLModel, table=True):
    """A person; belongs to organizations through UserOrganizationRole."""

    __tablename__ = "users"

    id: UUID = key_column()
    email: str
    password_hash: str
    first_name: str | None = None
    last_name: str | None = None
    has_password: bool | None = Field(
        default=None, sa_column_kwargs={"server_default": BY_DATABASE}
    )  # generated; the hash itself is for logins only
    tokens_valid_after: dt.datetime | None = time_column(nullable=False)
    disabled_at: dt.datetime | None = time_column()
    created_at: dt.datetime | None = time_column()
    updated_at: dt.datetime | None = time_column()
    deleted_at: dt.datetime | None = time_column()


class UserOrganizationRole(SQLModel, table=True):
    """A membership: role and the permissions that narrow it."""

    __tablename__ = "user_organization_roles"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    user_id: UUID
    role: str = "user"
    permissions: dict[str, Any] | None = json_column()
    created_at: dt.datetime | None = time_column()
    updated_at: dt.datetime | None = time_column()
    deleted_at: dt.datetime | None = time_column()


class Project(SQLModel, table=True):
    """A folder of files within an organization."""

    __tablename__ = "projects"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    name: str
    description: str | None = None
    created_at: dt.datetime | None = time_column()
    updated_at: dt.datetime | None = time_column()
    deleted_at: dt.datetime | None = time_column()


class UserSession(SQLModel, table=True):
    """A login; ending it ends its access tokens at once."""

    __tablename__ = "sessions"

    id: UUID = key_column()
    user_id: UUID
    created_at: dt.datetime | None = time_column(nullable=False)
    expires_at: dt.datetime = time_column(nullable=False)
    revoked_at: dt.datetime | None = time_column()
    revoked_reason: str | None = None
    only_organization_id: UUID | None = None  # whose provider vouched for it; None: a password


class RefreshToken(SQLModel, table=True):
    """One link of a session's chain of refresh tokens; only its hash is kept."""

    __tablename__ = "refresh_tokens"

    id: UUID = key_column()
    session_id: UUID
    token_sha256: bytes
    parent_id: UUID | None = None
    created_at: dt.datetime | None = time_column(nullable=False)
    expires_at: dt.datetime = time_column(nullable=False)
    used_at: dt.datetime | None = time_column()


class OneTimeToken(SQLModel, table=True):
    """Sets a password once, whoever presents it; only its hash is kept."""

    __tablename__ = "one_time_tokens"

    id: UUID = key_column()
    user_id: UUID
    purpose: str
    token_sha256: bytes
    created_at: dt.datetime | None = time_column(nullable=False)
    expires_at: dt.datetime = time_column(nullable=False)
    used_at: dt.datetime | None = time_column()


class LoginThrottle(SQLModel, table=True):
    """Failed logins of one place (an account at an address), address or account."""

    __tablename__ = "login_throttles"

    subject: str = Field(primary_key=True)
    failures: int = 0
    last_failed_at: dt.datetime | None = time_column(nullable=False)
    blocked_until: dt.datetime | None = time_column()
    proved_at: dt.datetime | None = time_column()
    full_at: dt.datetime | None = time_column()


class AuditEvent(SQLModel, table=True):
    """Who changed what; append-only, chained by the database."""

    __tablename__ = "audit_events"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    sequence: int | None = Field(default=None, sa_column_kwargs={"server_default": BY_DATABASE})
    actor_user_id: UUID | None = None
    actor: str = "user"
    action: str
    object_type: str
    object_id: UUID
    before: dict[str, Any] | None = json_column()
    after: dict[str, Any] | None = json_column()
    request_id: str | None = None
    occurred_at: dt.datetime | None = time_column(nullable=False)
    previous_hash: bytes | None = Field(
        default=None, sa_type=LargeBinary, sa_column_kwargs={"server_default": BY_DATABASE}
    )
    hash: bytes | None = Field(
        default=None, sa_type=LargeBinary, sa_column_kwargs={"server_default": BY_DATABASE}
    )


class AuditHead(SQLModel, table=True):
    """The last link of an organization's chain; written by the database alone."""

    __tablename__ = "audit_heads"

    organization_id: UUID = key_column()
    sequence: int
    hash: bytes
