"""Recalculations: what may be asked for, how far one is, what each figure would become."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from api.schemas.common import Answer, AuditTrail, Body, Pagination, Text
from core.recalculation import ReasonCode, Status

Year = Annotated[int, Field(ge=1900, le=2200)]


class RecalculationFilters(Body):
    """Which completed files, and which of their activities."""

    project_id: UUID | None = Field(default=None, description="Files of this project")
    year_from: Year | None = Field(default=None, description="Year of the activity, included")
    year_to: Year | None = Field(default=None, description="Year of the activity, included")

    @model_validator(mode="after")
    def in_order(self) -> RecalculationFilters:
        """Refuse years that end before they begin."""
        if self.year_from and self.year_to and self.year_from > self.year_to:
            raise ValueError("year_from must not be after year_to")
        return self


class RecalculationRequest(Body):
    """A dry run that is wanted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "releases": ["desnz-2025", "epa-hub-2025", "epa-supply-chain-1.3"],
                    "filters": {"year_from": 2025, "year_to": 2025},
                    "reason": "the 2025 edition of the UK factors",
                }
            ]
        }
    )

    releases: list[Text] = Field(
        min_length=1, max_length=20, description="Against these, whatever is pinned"
    )
    file_ids: list[UUID] | None = Field(
        default=None, min_length=1, max_length=1000, description="All completed files if left out"
    )
    filters: RecalculationFilters = Field(
        default=RecalculationFilters(), description="Which of their activities; all if left out"
    )
    reason: Text | None = Field(default=None, description="Kept with every figure it replaces")


class RecalculationAccepted(Answer):
    """A recalculation that goes on in the background."""

    recalculation_id: UUID
    status: Status = Field(description="How far it is")


class Sums(Answer):
    """kg CO2e before and after; exact sums, rounded once."""

    old_kg_co2e: float
    new_kg_co2e: float
    difference_kg_co2e: float


class ScopeSums(Sums):
    """Sums of a scope; a figure may change its scope with its factor."""

    scope: int | None


class ReasonSums(Sums):
    """Rows and sums of one reason."""

    code: ReasonCode
    rows: int


class FoundAFactor(Answer):
    """What waits for a person and would find a factor."""

    activities: int
    rows: int
    kg_co2e: float


class StillInReview(Answer):
    """What waits for a person today; a recalculation leaves it there."""

    activities: int
    rows: int
    with_a_factor: FoundAFactor


class RecalculationTotals(Sums):
    """The sums of a preview. Biogenic CO2 is apart and in no total."""

    rows: int
    changed: int
    biogenic: Sums
    by_scope: list[ScopeSums]
    by_reason: list[ReasonSums]
    in_review: StillInReview


class RecalculationProgress(Answer):
    """How far it is."""

    files: int
    files_committed: int
    files_left_out: int = Field(description="They changed after the preview and are as they were")
    activities: int
    activities_matched: int
    rows: int
    rows_previewed: int
    rows_changed: int = Field(description="By the commit")
    percent: float


class RecalculationItem(Answer):
    """A recalculation in a list."""

    id: UUID
    status: Status = Field(description="How far it is")
    releases: list[str] = Field(description="That figures are tried against")
    releases_before: list[str] = Field(
        description="Those that the figures stand on, `own` for your own factors; empty until the "
        "preview has begun"
    )
    reason: str | None = Field(description="Why, in the words of who asked")
    user_id: UUID = Field(description="Who asked for it")
    totals: RecalculationTotals | None = Field(description="null until previewed")
    error_code: str | None
    error_message: str | None
    created_at: dt.datetime
    previewed_at: dt.datetime | None = Field(description="When the preview was complete")
    commit_requested_at: dt.datetime | None = Field(
        description="When its commit was asked for; null: never"
    )
    commit_requested_by: UUID | None = Field(description="Who asked for that")
    ended_at: dt.datetime | None = Field(
        description="When it ended, however it did; null: it has not"
    )


class RecalculationList(Answer):
    """A page of recalculations."""

    recalculations: list[RecalculationItem]
    pagination: Pagination


class RecalculationDetail(RecalculationItem):
    """A recalculation with all that is known of it."""

    selection: dict[str, Any] = Field(description="Files and filters as they were understood")
    progress: RecalculationProgress
    audit: AuditTrail


class CitedFactor(Answer):
    """A factor as a row names it."""

    id: UUID
    release: str
    source_id: str
    name: str
    value_kg_co2e_per_unit: float
    unit: str


class RecalculatedFigure(Answer):
    """A figure on one side of a row."""

    kg_co2e: float
    scope: int | None
    biogenic: bool
    factor: CitedFactor | None


class WhyChanged(Answer):
    """Why a figure comes out as it does."""

    code: ReasonCode
    sentence: str


class RecalculationRowItem(Answer):
    """One figure: old, new, why."""

    emission_id: UUID
    file_id: UUID
    filename: str | None
    sheet: str | None
    row: int | None
    activity_name: str | None
    old: RecalculatedFigure = Field(description="The figure as it stood")
    new: RecalculatedFigure = Field(description="The figure as it would be")
    difference_kg_co2e: float
    changed: bool = Field(description="Whether a commit changes it")
    reason: WhyChanged = Field(description="Why it comes out so")


class RecalculationRowList(Answer):
    """A page of a preview's rows."""

    rows: list[RecalculationRowItem]
    pagination: Pagination


class RecalculationDeleted(Answer):
    """A preview that is gone."""

    deleted: bool
    recalculation_id: UUID
