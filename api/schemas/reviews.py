"""What waits for a person, what one decided, and what is remembered of it."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from api.schemas.common import Answer, AuditTrail, Body, Pagination, Text


class ReviewAction(StrEnum):
    """What a person may do with a review."""

    ACCEPT = "accept"
    CHOOSE = "choose"
    REJECT = "reject"


class Resolution(Body):
    """How a review is resolved, for all rows of its activity."""

    action: ReviewAction = Field(
        description="`accept` the factor in use or, where none is, the first candidate; `choose` "
        "another; `reject`: no factor fits, its rows get no figure"
    )
    emission_factor_id: UUID | None = Field(
        default=None, validate_default=True, description="The factor to `choose`"
    )
    reason: Text | None = Field(default=None, description="For whoever reads the audit trail")
    remember: bool = Field(
        default=True, description="Whether later uploads with the same activity follow it"
    )

    @field_validator("emission_factor_id")
    @classmethod
    def choosing_names_a_factor(cls, factor_id: UUID | None, info: ValidationInfo) -> UUID | None:
        """Require a factor to choose, and none otherwise; a wrong action is told by itself."""
        action = info.data.get("action")
        if action is not None and (action is ReviewAction.CHOOSE) != (factor_id is not None):
            raise ValueError("is needed to choose, and only then")
        return factor_id


class ReviewItem(Answer):
    """An activity that waits for a person, or how one decided."""

    id: UUID
    file_id: UUID
    filename: str
    reason_code: str
    reason: str = Field(description="Why it waits, for a person")
    rows: int = Field(description="Rows of the upload behind it")
    kg_co2e_at_risk: float | None = Field(description="null: cannot even be estimated")
    activity: dict[str, Any] = Field(
        description="Name, type, unit, region and year, as matching saw them"
    )
    confidence: float
    emission_factor_id: UUID | None = Field(description="The factor in use, if there is one")
    candidates: list[dict[str, Any]]
    fallbacks: list[dict[str, Any]]
    status: str = Field(description="`open`, `accepted`, `chosen` or `rejected`")
    resolved_at: dt.datetime | None
    resolved_by: UUID | None
    resolution_reason: str | None
    applied_at: dt.datetime | None = Field(description="When its rows were calculated anew")
    created_at: dt.datetime


class ReviewDetail(ReviewItem):
    """A review with its audit trail."""

    audit: AuditTrail


class ReviewList(Answer):
    """A page of reviews, largest first."""

    reviews: list[ReviewItem] = Field(description="The reviews of this page")
    pagination: Pagination


class Resolved(Answer):
    """A resolution that was taken."""

    review_id: UUID
    status: str = Field(description="`accepted`, `chosen` or `rejected`")
    emission_factor_id: UUID | None
    applied: bool = Field(description="false: a workflow is still calculating (202)")
    decision_id: UUID | None = Field(description="The remembered decision")
    same_activity_open: int = Field(
        description="Open reviews of the same activity in other uploads; they stay open"
    )


class RememberedItem(Answer):
    """What the organization decided once, for every later upload."""

    id: UUID
    activity: dict[str, Any] = Field(
        description="Name, type, unit, region and year, as matching saw them"
    )
    emission_factor_id: UUID | None = Field(description="null: no factor fits")
    emission_factor_name: str | None
    reason: str | None = Field(description="Why, in the words of who decided")
    review_id: UUID | None
    decided_at: dt.datetime
    decided_by: UUID
    decided_by_name: str | None
    used: int = Field(description="Activities of uploads that it decided")
    last_used_at: dt.datetime | None
    replaced_at: dt.datetime | None = Field(description="A newer decision counts instead")
    revoked_at: dt.datetime | None
    revoked_by: UUID | None


class RememberedList(Answer):
    """A page of remembered decisions, newest first."""

    decisions: list[RememberedItem] = Field(description="The remembered decisions of this page")
    pagination: Pagination


class Revoked(Answer):
    """A remembered decision that counts no more."""

    revoked: bool
    decision_id: UUID
