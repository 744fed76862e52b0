"""Single sign-on: an organization's provider, and whom it calls what."""

import datetime as dt
from uuid import UUID

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from db.models.columns import key_column, time_column


class SsoConnection(SQLModel, table=True):
    """An organization's OpenID Connect provider; at most one that is not deleted."""

    __tablename__ = "sso_connections"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    issuer: str
    client_id: str
    client_secret: bytes | None = None  # sealed; see api.single_sign_on
    allowed_domains: list[str] = Field(sa_type=ARRAY(Text))
    default_role: str = "user"
    enabled: bool = True
    created_at: dt.datetime | None = time_column()
    updated_at: dt.datetime | None = time_column()
    deleted_at: dt.datetime | None = time_column()


class SsoIdentity(SQLModel, table=True):
    """A person as a provider knows them."""

    __tablename__ = "sso_identities"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    connection_id: UUID
    issuer: str
    subject: str
    user_id: UUID
    created_at: dt.datetime | None = time_column()
