"""Factors, decisions and the figures they lead to."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import Vector
from sqlalchemy import SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from db.models.columns import (
    BY_DATABASE,
    generated_tsvector,
    json_column,
    key_column,
    language_column,
    time_column,
)


class FactorRelease(SQLModel, table=True):
    """An immutable edition of a factor library."""

    __tablename__ = "factor_releases"

    name: str = Field(primary_key=True)
    publisher: str
    title: str
    version: str
    source_year: int
    licence: str
    url: str | None = None
    retrieved_on: dt.date | None = None
    sha256: str
    gwp_set: str | None = None
    supersedes: str | None = None
    factor_count: int
    data_year: int | None = None
    file_name: str = ""
    file_sha256: str = ""
    note: str = ""
    share_alike: bool = False
    created_at: dt.datetime | None = time_column()


class EmissionFactor(SQLModel, table=True):
    """One factor of a release (organization_id is null) or of an organization (release is null)."""

    __tablename__ = "emission_factors"

    id: UUID = key_column()
    organization_id: UUID | None = None
    release: str | None = None
    source_id: str
    name: str
    category: str
    unit: str
    dimension: str
    basis: str | None = None
    currency: str | None = None
    price_year: int | None = None
    value_per_unit: float
    region: str | None = None
    scope: int | None = Field(default=None, sa_type=SmallInteger)
    scope3_category: int | None = Field(default=None, sa_type=SmallInteger)
    biogenic: bool = False
    activity_kind: str
    gases: list[dict[str, Any]] = json_column(nullable=False)
    gwp_set: str | None = None
    source: str | None = None
    source_year: int | None = None
    data_year: int | None = None
    licence: str = ""
    levels: list[str] = Field(
        default=None, sa_type=ARRAY(Text), sa_column_kwargs={"server_default": BY_DATABASE}
    )
    search_texts: list[str] = Field(
        default=None, sa_type=ARRAY(Text), sa_column_kwargs={"server_default": BY_DATABASE}
    )
    source_row: str = ""
    note: str = ""
    valid_from_year: int | None = None
    valid_to_year: int | None = None
    created_by: UUID | None = None
    is_active: bool = True
    embedding: Any = Field(default=None, sa_type=Vector(384))
    search_language: str | None = language_column()
    search_vector: str | None = generated_tsvector()
    search_words: str | None = generated_tsvector()
    created_at: dt.datetime | None = time_column()
    updated_at: dt.datetime | None = time_column()
    deleted_at: dt.datetime | None = time_column()


class Decision(SQLModel, table=True):
    """The factor chosen for one distinct activity of a file, or why none was."""

    __tablename__ = "decisions"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    file_id: UUID
    activity_key: str
    activity: dict[str, Any] = json_column(nullable=False)
    row_count: int
    volume_total: float
    outcome: str
    method: str
    emission_factor_id: UUID | None = None
    confidence: float
    candidates: list[dict[str, Any]] = json_column(nullable=False)
    reasons: list[dict[str, Any]] = json_column(nullable=False)
    fallbacks: list[dict[str, Any]] = json_column(nullable=False)
    remembered_decision_id: UUID | None = None
    question_hash: str | None = None
    created_at: dt.datetime | None = time_column()
    updated_at: dt.datetime | None = time_column()
    deleted_at: dt.datetime | None = time_column()


class RememberedDecision(SQLModel, table=True):
    """What an organization decided once and means for every later upload."""

    __tablename__ = "remembered_decisions"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    memory_key: str
    activity: dict[str, Any] = json_column(nullable=False)
    emission_factor_id: UUID | None = None
    reason: str | None = None
    review_id: UUID | None = None
    decided_by: UUID
    decided_at: dt.datetime | None = time_column(nullable=False)
    replaced_at: dt.datetime | None = time_column()
    revoked_at: dt.datetime | None = time_column()
    revoked_by: UUID | None = None


class EmissionRevision(SQLModel, table=True):
    """The figure that a row had before a review or a recalculation replaced it."""

    __tablename__ = "emission_revisions"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    emission_id: UUID
    cause: str
    cause_id: UUID
    replaced_by: UUID | None = None
    replaced_at: dt.datetime | None = time_column(nullable=False)
    reason: str = ""
    emission_factor_id: UUID | None = None
    calculated_emission: float
    confidence_score: float | None = None
    scope: int | None = Field(default=None, sa_type=SmallInteger)
    scope3_category: int | None = Field(default=None, sa_type=SmallInteger)
    category: str | None = None
    biogenic: bool = False
    calculation_method: str | None = None
    calculation: dict[str, Any] | None = json_column()


class Emission(SQLModel, table=True):
    """One calculated row of an upload, with everything that explains its figure."""

    __tablename__ = "emissions"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    file_id: UUID
    project_id: UUID | None = None
    decision_id: UUID | None = None
    sheet: str = ""
    row_number: int
    column_number: int = 0
    activity_name: str
    activity_type: str | None = None
    activity_description: str | None = None
    unit: str
    volume: float
    region: str | None = None
    activity_on: dt.date | None = None
    activity_year: int | None = None
    emission_factor_id: UUID | None = None
    calculated_emission: float
    upstream_emission: float | None = None
    outside_of_scopes_emission: float | None = None
    confidence_score: float | None = None
    scope: int | None = Field(default=None, sa_type=SmallInteger)
    scope3_category: int | None = Field(default=None, sa_type=SmallInteger)
    category: str | None = None
    biogenic: bool = False
    calculation_method: str | None = None
    calculation: dict[str, Any] | None = json_column()
    search_language: str | None = language_column()
    search_vector: str | None = generated_tsvector()
    created_at: dt.datetime | None = time_column()
    updated_at: dt.datetime | None = time_column()
    deleted_at: dt.datetime | None = time_column()


class Review(SQLModel, table=True):
    """An activity that waits for a person, or how one decided."""

    __tablename__ = "reviews"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    file_id: UUID
    decision_id: UUID
    reason_code: str
    reason: str
    row_count: int
    kg_at_risk: float | None = None
    status: str = "open"
    resolved_by: UUID | None = None
    resolved_at: dt.datetime | None = time_column()
    resolution_reason: str | None = None
    emission_factor_id: UUID | None = None
    applied_at: dt.datetime | None = time_column()
    created_at: dt.datetime | None = time_column()
    updated_at: dt.datetime | None = time_column()
    deleted_at: dt.datetime | None = time_column()


class EmissionTotal(SQLModel, table=True):
    """Sums of figures by all that a filter names besides texts; kept by triggers, never by us."""

    __tablename__ = "emission_totals"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    file_id: UUID
    project_id: UUID | None = None
    activity_type: str | None = None
    region: str | None = None
    scope: int | None = Field(default=None, sa_type=SmallInteger)
    category: str | None = None
    biogenic: bool
    confidence_score: float | None = None
    month: dt.date | None = None
    activity_year: int | None = None
    figures: int
    kg: Decimal
    upstream_kg: Decimal
    outside_kg: Decimal


class EmissionText(SQLModel, table=True):
    """The same sums by name and description as well, for full text and beginnings of names."""

    __tablename__ = "emission_texts"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    file_id: UUID
    project_id: UUID | None = None
    activity_type: str | None = None
    region: str | None = None
    scope: int | None = Field(default=None, sa_type=SmallInteger)
    category: str | None = None
    biogenic: bool
    confidence_score: float | None = None
    activity_name: str
    activity_description: str | None = None
    search_language: str | None = language_column()
    search_vector: str | None = generated_tsvector()
    figures: int
    kg: Decimal
    upstream_kg: Decimal
    outside_kg: Decimal
