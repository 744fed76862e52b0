"""Recalculations against other factor releases: the dry run, row by row, and its commit."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from db.models.columns import json_column, key_column, time_column


class Recalculation(SQLModel, table=True):
    """What was asked for, how far it is, and what would come or came of it."""

    __tablename__ = "recalculations"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    user_id: UUID
    releases: list[str] = Field(sa_type=ARRAY(Text))
    releases_before: list[str] = Field(sa_type=ARRAY(Text))
    filter: dict[str, Any] = json_column(nullable=False)
    projects: list[str] | None = json_column()
    reason: str | None = None
    status: str = "previewing"
    totals: dict[str, Any] | None = json_column()
    error_code: str | None = None
    error_message: str | None = None
    activities: int | None = None
    rows: int | None = None
    started_at: dt.datetime | None = time_column()
    planned_at: dt.datetime | None = time_column()
    previewed_at: dt.datetime | None = time_column()
    commit_requested_at: dt.datetime | None = time_column()
    commit_requested_by: UUID | None = None
    commit_started_at: dt.datetime | None = time_column()
    ended_at: dt.datetime | None = time_column()
    purged_at: dt.datetime | None = time_column()
    created_at: dt.datetime | None = time_column()
    updated_at: dt.datetime | None = time_column()
    deleted_at: dt.datetime | None = time_column()


class RecalculationFile(SQLModel, table=True):
    """A file of a recalculation; committed as a whole or left out."""

    __tablename__ = "recalculation_files"

    organization_id: UUID = key_column()
    recalculation_id: UUID = key_column()
    file_id: UUID = key_column()
    state: str = "pending"
    rows_changed: int | None = None
    settled_at: dt.datetime | None = time_column()


class RecalculationDecision(SQLModel, table=True):
    """What becomes of one distinct activity of a file."""

    __tablename__ = "recalculation_decisions"

    organization_id: UUID = key_column()
    recalculation_id: UUID = key_column()
    decision_id: UUID = key_column()
    file_id: UUID
    number: int
    old_updated_at: dt.datetime | None = time_column(nullable=False)
    held: bool
    row_count: int
    decided_at: dt.datetime | None = time_column()
    kept: str | None = None
    kg: float | None = None
    outcome: str | None = None
    method: str | None = None
    emission_factor_id: UUID | None = None
    confidence: float | None = None
    candidates: list[dict[str, Any]] | None = json_column()
    reasons: list[dict[str, Any]] | None = json_column()
    fallbacks: list[dict[str, Any]] | None = json_column()
    remembered_decision_id: UUID | None = None
    question_hash: str | None = None


class RecalculationSlice(SQLModel, table=True):
    """A run of one file's figures that is worked on with others as one batch."""

    __tablename__ = "recalculation_slices"

    organization_id: UUID = key_column()
    recalculation_id: UUID = key_column()
    batch: int = Field(primary_key=True)
    file_id: UUID = key_column()
    first_id: UUID
    last_id: UUID
    rows: int
    done_at: dt.datetime | None = time_column()


class RecalculationRow(SQLModel, table=True):
    """One figure: old, new, why."""

    __tablename__ = "recalculation_rows"

    organization_id: UUID = key_column()
    recalculation_id: UUID = key_column()
    file_id: UUID = key_column()
    emission_id: UUID = key_column()
    decision_id: UUID
    old_updated_at: dt.datetime | None = time_column(nullable=False)
    old_kg: float
    new_kg: float
    difference_kg: float
    magnitude_kg: float
    old_factor_id: UUID | None = None
    new_factor_id: UUID | None = None
    old_scope: int | None = Field(default=None, sa_type=SmallInteger)
    new_scope: int | None = Field(default=None, sa_type=SmallInteger)
    old_biogenic: bool
    new_biogenic: bool
    changed: bool
    reason_code: str
