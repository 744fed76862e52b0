"""Column shapes that the table classes share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import DateTime, FetchedValue
from sqlalchemy.dialects.postgresql import JSONB, REGCONFIG, TSVECTOR
from sqlmodel import Field

# Defaults live in the database, so rows written by SQL and by sessions get the same ones.
BY_DATABASE = FetchedValue()


def key_column() -> Any:
    """Return half of a tenant table's composite key."""
    return Field(primary_key=True)


def time_column(*, nullable: bool = True) -> Any:
    """Return an aware timestamp that the database fills."""
    return Field(
        default=None,
        sa_type=DateTime(timezone=True),
        nullable=nullable,
        sa_column_kwargs={"server_default": BY_DATABASE},
    )


def json_column(*, nullable: bool = True) -> Any:
    """Return a JSONB column."""
    return Field(
        default=None,
        sa_type=JSONB(none_as_null=True),
        nullable=nullable,
        sa_column_kwargs={"server_default": BY_DATABASE},
    )


def language_column() -> Any:
    """Return a text-search configuration, 'english' unless set."""
    return Field(default=None, sa_type=REGCONFIG, sa_column_kwargs={"server_default": BY_DATABASE})


def generated_tsvector() -> Any:
    """Return a tsvector that PostgreSQL generates; never written by us."""
    return Field(default=None, sa_type=TSVECTOR, sa_column_kwargs={"server_default": BY_DATABASE})
