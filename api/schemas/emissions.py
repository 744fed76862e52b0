"""Figures, and everything that explains one."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from pydantic import Field

from api.schemas.common import Answer, AuditTrail, HistoryEntry, Pagination, ScopeTotal


class EmissionItem(Answer):
    """One calculated row of an upload."""

    id: UUID
    file_id: UUID
    project_id: UUID | None
    sheet: str
    row: int = Field(description="As a spreadsheet program shows it, from 1")
    activity_name: str
    activity_type: str | None
    activity_description: str | None
    volume: float = Field(description="Quantity in `unit`")
    unit: str
    region: str | None
    date: dt.date | None
    year: int | None
    emission_kg_co2e: float
    upstream_kg_co2e: float | None = Field(
        description="Well-to-tank and losses, beside `emission_kg_co2e` and not in it"
    )
    outside_of_scopes_kg_co2: float | None = Field(
        description="Biogenic CO2 beside the figure, in no scope"
    )
    scope: int | None
    scope3_category: int | None
    category: str | None
    biogenic: bool = Field(description="Reported outside of scopes")
    confidence: float | None = Field(description="Probability that the factor is right, 0 to 1")
    calculation_method: str | None
    emission_factor_id: UUID | None
    created_at: dt.datetime


class TypeTotal(Answer):
    """Sum over one activity type."""

    type: str | None
    count: int
    kg_co2e: float


class LinkedTotals(Answer):
    """Sums of what stands beside the figures; in none of the other sums."""

    upstream_kg_co2e: float = Field(description="Where the upload asked for it (`upstream=true`)")
    outside_of_scopes_kg_co2: float = Field(description="Biogenic CO2 of blended fuels")


class EmissionSummary(Answer):
    """Sums over the whole filter, whatever the page."""

    count: int
    total_kg_co2e: float = Field(description="Without biogenic CO2")
    biogenic_kg_co2: float = Field(description="Outside of scopes")
    by_scope: list[ScopeTotal]
    by_type: list[TypeTotal] = Field(description="The 100 largest")
    types: int = Field(description="How many activity types there are")
    linked: LinkedTotals


class EmissionList(Answer):
    """A page of figures with the sums of the whole filter."""

    results: list[EmissionItem]
    pagination: Pagination
    summary: EmissionSummary
    searched_for: str | None = Field(
        description="What `q` was taken for, when a word of it is in no figure and one like it is"
    )


class FactorDetail(Answer):
    """The emission factor that was used."""

    id: UUID
    name: str
    category: str
    value_kg_co2e_per_unit: float
    unit: str
    region: str | None
    source: str | None
    source_id: str
    source_year: int | None
    data_year: int | None
    release: str | None
    licence: str
    scope: int | None
    gases: list[dict[str, Any]]
    gwp_set: str | None


class MatchDetail(Answer):
    """How the factor was chosen: how sure, by what, among which."""

    confidence: float
    outcome: str
    method: str
    reasons: list[dict[str, Any]]
    candidates: list[dict[str, Any]]
    fallbacks: list[dict[str, Any]]


class SourceFile(Answer):
    """The upload that a figure comes from."""

    id: UUID
    filename: str
    sha256: str


class Revision(Answer):
    """A figure that the row had before."""

    emission_kg_co2e: float
    emission_factor_id: UUID | None
    confidence: float | None
    scope: int | None
    scope3_category: int | None
    calculation_method: str | None
    calculation: dict[str, Any] | None
    cause: str = Field(description="`review` or `recalculation`")
    cause_id: UUID
    reason: str
    replaced_at: dt.datetime
    replaced_by: UUID | None
    replaced_by_name: str | None


class DecidedBy(Answer):
    """Who decided for the factor, where a person did."""

    by: UUID | None
    by_name: str | None
    at: dt.datetime
    review_id: UUID | None
    decision_id: UUID | None = Field(description="The remembered decision that was followed")
    reason: str | None


class EmissionDetail(EmissionItem):
    """One figure with the whole way from the uploaded cell to kg CO2e."""

    source_file: SourceFile
    factor: FactorDetail | None
    match: MatchDetail | None
    decided_by: DecidedBy | None = Field(description="null: no person decided")
    revisions: list[Revision] = Field(description="Earlier figures of this row, newest first")
    calculation: dict[str, Any] | None = Field(
        description="Texts as uploaded, conversion steps, formula with intermediate values, gases"
    )
    history: list[HistoryEntry]
    audit: AuditTrail


class Verified(Answer):
    """What recomputing a figure from what is stored gave."""

    emission_id: UUID
    same: bool
    stored_kg_co2e: float
    recomputed_kg_co2e: float
    formula: str
    checked: list[str] = Field(description="What was compared")
