"""What is left to do of a purge."""

import datetime as dt
from uuid import UUID

from sqlmodel import SQLModel

from db.models.columns import key_column, time_column


class DoomedObject(SQLModel, table=True):
    """An object, or all below a prefix, that must go from the store: its rows are gone."""

    __tablename__ = "doomed_objects"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    key: str
    created_at: dt.datetime | None = time_column(nullable=False)
