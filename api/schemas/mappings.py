"""Remembered mappings: how an organization's tables are read."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from pydantic import Field

from api.schemas.common import Answer, Pagination


class MappingItem(Answer):
    """How tables with certain headings are read, as an upload's mapping once said."""

    id: UUID
    headings: list[str] = Field(description="Of the table, in their order")
    mapping: dict[str, str] = Field(description="Heading or letter → field, and settings")
    file_id: UUID | None = Field(description="The upload that it was given with; null once purged")
    filename: str
    confirmed_at: dt.datetime
    confirmed_by: UUID
    confirmed_by_name: str | None
    used: int = Field(description="Uploads that were read by it")
    last_used_at: dt.datetime | None
    replaced_at: dt.datetime | None = Field(description="A newer mapping counts instead")
    revoked_at: dt.datetime | None
    revoked_by: UUID | None


class MappingList(Answer):
    """A page of remembered mappings, newest first."""

    mappings: list[MappingItem]
    pagination: Pagination


class MappingRevoked(Answer):
    """A remembered mapping that counts no more."""

    revoked: bool
    mapping_id: UUID
