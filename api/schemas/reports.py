"""Reports: what may be asked for, what is listed, how far one is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    model_validator,
)

from api.schemas.common import Answer, AuditTrail, Body, Pagination, Text, storable
from api.schemas.files import RowCounts
from core.reporting import GroupBy, ReportFormat, ReportLayout, ReportStatus, ReportType
from db.queries.emissions import EmissionFilter

LongText = Annotated[
    str, StringConstraints(min_length=1, max_length=2000), AfterValidator(storable)
]


class ReportCriteria(Body):
    """Which figures: the filters of GET /v1/emissions, with the same bounds."""

    q: Text | None = Field(default=None, description="Full text: name, type, description")
    name: Text | None = Field(default=None, description="Beginning of the name")
    type: Text | None = Field(default=None, description="Activity type, exactly as uploaded")
    scope: list[Annotated[int, Field(ge=1, le=3)]] = Field(
        default=[], max_length=3, description="Any of them; all where none is named"
    )
    category: Text | None = Field(
        default=None, description="Category of the emission factor, exactly as figures show it"
    )
    file_id: UUID | None = Field(default=None, description="Of this upload")
    project_id: UUID | None = Field(default=None, description="Of this project")
    region: Text | None = Field(
        default=None, description="ISO 3166-1 alpha-2 or a subregion (US-CA), and no other"
    )
    date_from: dt.date | None = Field(default=None, description="Activity date, included")
    date_to: dt.date | None = Field(default=None, description="Activity date, included")
    min_confidence: float | None = Field(
        default=None, ge=0, le=1, description="Of the match, at least"
    )

    _sent: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def keep_what_was_sent(cls, sent: Any, read: Callable[[Any], ReportCriteria]) -> ReportCriteria:
        """Remember the criteria verbatim: a report shows what was asked, letter by letter."""
        criteria = read(sent)
        if isinstance(sent, dict):
            criteria._sent.update(sent)
        return criteria

    @property
    def sent(self) -> dict[str, Any]:
        """Return the criteria as they were sent."""
        return self._sent

    def filter(self) -> EmissionFilter:
        """Return the filter of the list of figures."""
        given = self.model_dump(exclude={"scope"})
        return EmissionFilter(**given, scope=tuple(sorted(set(self.scope))))


class ReportRequest(Body):
    """A report that is wanted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Footprint 2024",
                    "report_type": "emission_summary",
                    "file_format": "csv",
                    "criteria": {"date_from": "2024-01-01", "date_to": "2024-12-31"},
                    "group_by": ["scope", "category"],
                }
            ]
        }
    )

    name: Text = Field(description="Its title")
    description: LongText | None = Field(default=None, description="Written below the title")
    report_type: ReportType = ReportType.EMISSION_SUMMARY
    file_format: ReportFormat
    criteria: ReportCriteria = Field(
        default=ReportCriteria(), description="All figures if left out"
    )
    group_by: list[GroupBy] = Field(
        default=[], max_length=7, description="One row a combination; a summary's default is scope"
    )
    include_details: bool = Field(
        default=False, description="One row a figure as well; a detailed report always has them"
    )
    layout: ReportLayout = Field(
        default=ReportLayout.STANDARD,
        description="`ghg_inventory`: a GHG Protocol corporate inventory, scopes and all fifteen "
        "categories first, the organization's base year beside; CSV has the lines as `inventory`",
    )


class ReportAccepted(Answer):
    """A report that was taken; work goes on."""

    report_id: UUID
    status: ReportStatus = Field(
        description="`generating`; from here on `GET /v1/emissions/reports/{id}` tells"
    )
    estimated_completion: dt.datetime = Field(description="When it will probably be done")


class ReportItem(Answer):
    """A report in a list."""

    id: UUID
    name: str = Field(description="Its title")
    description: str | None = Field(description="What is written below the title")
    report_type: ReportType
    file_format: ReportFormat
    status: ReportStatus = Field(description="How far it is")
    user_id: UUID = Field(description="Who asked for it")
    size_bytes: int | None
    error_message: str | None = Field(
        description="Why it failed and what to do, for a person; null: it did not"
    )
    created_at: dt.datetime
    updated_at: dt.datetime
    generation_started_at: dt.datetime | None
    generation_completed_at: dt.datetime | None


class ReportList(Answer):
    """A page of reports."""

    reports: list[ReportItem] = Field(description="The reports of this page")
    pagination: Pagination


class ReportProgressAnswer(Answer):
    """How far a report is."""

    rows_written: int | None = Field(description="Of its details; null when not known")
    rows_total: int | None = Field(description="Figures to write; null when not known")
    percent: float


class ReportSnapshot(Answer):
    """Whether a report, which is one moment's, still shows what its criteria let through.

    Figures that were deleted, added or recalculated since make it outdated.
    """

    outdated: bool = Field(description="Whether number or sums differ")
    figures_shown: int = Field(description="In the report")
    figures_now: int = Field(description="Under the same criteria, at this moment")
    kg_co2e_shown: float = Field(description="In the report, without biogenic CO2")
    kg_co2e_now: float = Field(description="Under the same criteria, at this moment")


class ReportDuplicates(Answer):
    """What files that hold the same bytes as another one of the report add to its sums."""

    files: int = Field(description="Beyond the first of each")
    figures: int = Field(description="That are counted again")
    kg_co2e: float = Field(description="That they add to the total")
    warning: str | None = Field(description="A sentence for people; null when there are none")


class ReportForReview(Answer):
    """Figures of a report that are listed for review, and may change when a person looks."""

    figures: int = Field(description="Of the report's own")
    kg_co2e: float = Field(description="Of these, credits as amounts")


class ReportUndated(Answer):
    """Figures that a report's period leaves out, as they state neither a date nor a year."""

    figures: int = Field(description="Under the report's other criteria")
    kg_co2e: float = Field(description="Of these, without biogenic CO2; in no sum of the report")
    biogenic_kg_co2: float = Field(description="Of these, outside of scopes")
    warning: str | None = Field(description="A sentence for people; null when there are none")


class ReportPermissions(Answer):
    """What the caller may do with it."""

    delete: bool = Field(description="Whether the caller may delete it")


class ReportDetail(ReportItem):
    """A report with all that is known of it."""

    criteria: dict[str, Any] = Field(description="As they were sent")
    group_by: list[GroupBy] = Field(description="By what figures are summed")
    include_details: bool = Field(description="Whether every figure is listed")
    layout: ReportLayout = Field(description="How its pages and sheets are arranged")
    annex_url: str | None = Field(
        description="Every figure as CSV, beside a PDF that lists the largest; as download_url"
    )
    progress: ReportProgressAnswer = Field(description="How far its writing is")
    snapshot: ReportSnapshot | None = Field(
        description="null until completed, for reports of before this was kept, and when the "
        "comparison takes longer than some seconds"
    )
    rows: RowCounts | None = Field(
        description="Of the files that its figures are from, whatever the other criteria; null "
        "until completed, and for reports of before this was kept"
    )
    duplicates: ReportDuplicates | None = Field(description="null as rows")
    for_review: ReportForReview | None = Field(description="null as rows")
    undated: ReportUndated | None = Field(
        description="null as rows, and when the criteria name no period"
    )
    estimated_completion: dt.datetime | None = Field(description="null once it has ended")
    download_url: str | None = Field(description="Works for a few minutes; null until completed")
    permissions: ReportPermissions = Field(description="What the caller may do with it")
    audit: AuditTrail


class ReportDeleted(Answer):
    """A report that is gone, and its stored file with it."""

    deleted: bool
    report_id: UUID


class ReportCancelled(Answer):
    """A report that is not written any more; asking for it again is `retry`."""

    report_id: UUID
    status: ReportStatus
