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
    activity_description: str | None = Field(
        description="Lists show its first 500 characters; the figure itself has all of it"
    )
    volume: float = Field(description="Quantity in `unit`")
    unit: str
    region: str | None
    date: dt.date | None = Field(description="Day of the activity; null where the row names none")
    year: int | None = Field(description="Year of the activity; null where nobody said")
    emission_kg_co2e: float = Field(
        description="The figure, kg CO2e, as it counts in every total: 0 for biogenic CO2"
    )
    biogenic_kg_co2: float = Field(
        description="The figure of an activity that is itself biogenic CO2; 0 for all others"
    )
    upstream_kg_co2e: float | None = Field(
        description="Well-to-tank and losses, beside `emission_kg_co2e` and not in it"
    )
    outside_of_scopes_kg_co2: float | None = Field(
        description="Biogenic CO2 beside the figure, in no scope"
    )
    scope: int | None
    scope3_category: int | None
    category: str | None = Field(
        description="Category of the emission factor, as its publication names it"
    )
    biogenic: bool = Field(description="Reported outside of scopes")
    confidence: float | None = Field(description="Probability that the factor is right, 0 to 1")
    calculation_method: str | None = Field(
        description="Kind of data, factor and how it was chosen, in words"
    )
    emission_factor_id: UUID | None
    created_at: dt.datetime


class TypeTotal(Answer):
    """Sum over one activity type."""

    type: str | None = Field(description="Activity type, as uploaded; null: none")
    count: int = Field(description="Number of figures")
    kg_co2e: float = Field(description="Their sum in kg CO2e, without biogenic CO2")


class LinkedTotals(Answer):
    """Sums of what stands beside the figures; in none of the other sums."""

    upstream_kg_co2e: float = Field(description="Where the upload asked for it (`upstream=true`)")
    outside_of_scopes_kg_co2: float = Field(description="Biogenic CO2 of blended fuels")


class EmissionSummary(Answer):
    """Sums over the whole filter, whatever the page."""

    count: int = Field(description="Number of figures")
    total_kg_co2e: float = Field(description="Without biogenic CO2")
    biogenic_kg_co2: float = Field(description="Outside of scopes")
    by_scope: list[ScopeTotal] = Field(
        description="Sums by scope; null is outside of scopes. They add up to the totals"
    )
    by_type: list[TypeTotal] = Field(description="The 100 largest")
    types: int = Field(description="How many activity types there are")
    linked: LinkedTotals = Field(description="Sums of what stands beside the figures")


class EmissionList(Answer):
    """A page of figures with the sums of the whole filter."""

    results: list[EmissionItem] = Field(description="The figures of this page")
    pagination: Pagination
    summary: EmissionSummary = Field(description="Sums of everything that the filter lets through")
    searched_for: str | None = Field(
        description="What `q` was taken for, when a word of it is in no figure and one like it is; "
        "null also where the database has no pg_trgm, without which words are taken as typed"
    )


class FactorDetail(Answer):
    """The emission factor that was used."""

    id: UUID
    name: str = Field(description="Name in its publication")
    category: str = Field(description="Category in its publication")
    value_kg_co2e_per_unit: float
    unit: str
    region: str | None
    source: str | None = Field(description="Publication it is from")
    source_id: str
    source_year: int | None = Field(description="Year of publication")
    data_year: int | None = Field(description="Year that the figure describes")
    release: str | None
    licence: str
    scope: int | None
    gases: list[dict[str, Any]]
    gwp_set: str | None


class MatchDetail(Answer):
    """How the factor was chosen: how sure, by what, among which."""

    confidence: float
    outcome: str = Field(
        description="`matched`, or `flagged` and listed for review; `held` and `rejected` have no "
        "figure"
    )
    method: str = Field(
        description="`offline` ranker, language `model`, `fallback` when that was away, `memory` "
        "of an earlier decision, or `review` by a person"
    )
    reasons: list[dict[str, Any]] = Field(description="Why it came out so: code and sentence")
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
    biogenic_kg_co2: float = Field(description="The figure, where it was biogenic CO2; else 0")
    emission_factor_id: UUID | None
    confidence: float | None
    scope: int | None
    scope3_category: int | None
    calculation_method: str | None
    calculation: dict[str, Any] | None = Field(
        description="As of the figure: steps, formula, gases"
    )
    cause: str = Field(description="`review` or `recalculation`")
    cause_id: UUID = Field(description="Id of that review or recalculation")
    reason: str = Field(description="Why, in words")
    replaced_at: dt.datetime = Field(description="When another figure took its place")
    replaced_by: UUID | None = Field(description="Who brought that about")
    replaced_by_name: str | None = Field(description="Name of that person")


class DecidedBy(Answer):
    """Who decided for the factor, where a person did.

    Where it was in a project that the caller does not see, only the day is shown.
    """

    by: UUID | None = Field(description="The person")
    by_name: str | None = Field(description="Name of the person")
    at: dt.datetime = Field(description="When it was decided")
    review_id: UUID | None
    decision_id: UUID | None = Field(description="The remembered decision that was followed")
    reason: str | None = Field(description="Why, in the words of who decided")


class EmissionDetail(EmissionItem):
    """One figure with the whole way from the uploaded cell to kg CO2e."""

    source_file: SourceFile = Field(description="The upload that it comes from")
    factor: FactorDetail | None = Field(description="The emission factor; null: none")
    match: MatchDetail | None = Field(description="How the factor was chosen")
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
    same: bool = Field(description="Whether it came out the same, to the last digit")
    stored_kg_co2e: float = Field(description="As stored")
    recomputed_kg_co2e: float = Field(description="As recomputed")
    formula: str = Field(description="The multiplication, with its numbers")
    checked: list[str] = Field(description="What was compared")
