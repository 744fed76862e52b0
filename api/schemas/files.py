"""Uploads: what is sent back, listed and watched."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from pydantic import Field

from api.schemas.common import Answer, AuditTrail, HistoryEntry, Pagination, ScopeTotal
from core.contracts import Counts, FileStatus, Stage, StageProgress


class FileAccepted(Answer):
    """An upload that was taken; work goes on."""

    file_id: UUID
    status: FileStatus = Field(
        description="`uploaded`; from here on `GET /v1/files/{id}/status` tells"
    )
    processing_job_id: str = Field(description="Id of its workflow in Temporal")
    duplicate_of: UUID | None = None


class RowCounts(Answer):
    """Every row of the file; total is always the sum of calculated, in review and rejected."""

    total: int = Field(
        description="All rows: calculated, in_review and rejected; no_activity is part of rejected"
    )
    calculated: int
    in_review: int
    rejected: int = Field(
        description="All rows without a figure that wait for nobody, those of no_activity among "
        "them: `rejected` of a report's pages, workbook and CSV is rejected - no_activity here"
    )
    no_activity: int = Field(
        description="Of the rejected, so never to be added to them: blank lines, totals, headings "
        "and notes, which nobody misses"
    )


class FileItem(Answer):
    """An upload in a list."""

    id: UUID
    filename: str
    file_type: str
    mime_type: str | None
    size_bytes: int
    status: FileStatus = Field(description="How far it is; figures count once it is `completed`")
    project_id: UUID | None
    user_id: UUID = Field(description="Who uploaded it")
    rows: RowCounts = Field(description="What became of its rows, once it has ended")
    error_code: str | None
    error_message: str | None
    duplicate_of: UUID | None
    created_at: dt.datetime
    updated_at: dt.datetime
    processing_started_at: dt.datetime | None
    processing_completed_at: dt.datetime | None


class FileList(Answer):
    """A page of uploads."""

    files: list[FileItem] = Field(description="The uploads of this page")
    pagination: Pagination


class FileDetail(FileItem):
    """An upload with everything that is known of it."""

    sha256: str
    processing_job_id: str
    scan_state: str = Field(
        description="`clean`, `infected`, `unscanned` where no scanner is set up, else `pending`"
    )
    region: str | None = Field(description="For rows that name none; ISO 3166-1 alpha-2")
    reporting_year: int | None
    upstream: bool = Field(description="Well-to-tank and grid losses were asked for")
    mapping: dict[str, Any] | None = Field(description="Column → field, as the uploader said")
    recognized: dict[str, Any] | None = Field(
        description="How sheets and columns were read; of very many, some and how many are not "
        "listed"
    )
    totals_by_scope: list[ScopeTotal] = Field(
        description="kg CO2e by scope; empty until it is completed"
    )
    download_url: str | None = Field(description="Works for a few minutes; null until scanned")
    history: list[HistoryEntry]
    audit: AuditTrail


class PendingRetry(Answer):
    """Something that failed and will be tried again."""

    stage: Stage | None = Field(description="Stage that failed")
    attempt: int = Field(description="Which attempt it was, from 1")
    last_error: str | None = Field(description="What went wrong, for a person")
    next_try_at: dt.datetime | None = Field(
        description="When it is tried again, where that is known"
    )


class FileFault(Answer):
    """Why an upload failed."""

    code: str = Field(description="Stable; what a program looks at")
    message: str = Field(description="What went wrong and what to do, for a person")
    stage: Stage | None = Field(description="Stage that failed; null: none in particular")


class FileStatusAnswer(Answer):
    """How far an upload is."""

    file_id: UUID
    status: FileStatus = Field(description="How far it is")
    stage: Stage | None = Field(description="Stage that is at work or was last; null: none yet")
    stages: list[StageProgress] = Field(description="Every stage in order, also those to come")
    progress: Counts = Field(description="How many rows are how far")
    retries: int = Field(description="Attempts beyond the first, of all stages")
    retrying: list[PendingRetry] = Field(description="What is waiting for its next attempt")
    errors: list[FileFault] = Field(description="Why it failed; empty unless it did")
    eta: dt.datetime | None
    source: str = Field(description="`workflow` while it answers, else `database`")


class RowIssueItem(Answer):
    """Something wrong with one row."""

    sheet: str
    row: int = Field(description="As a spreadsheet program shows it, from 1")
    column: str | None = Field(description="Heading of the column; null: the row as a whole")
    code: str = Field(description="Stable code of what is wrong")
    severity: str = Field(
        description="`rejected`: for this the row has no figure; `warning`: it has one, or is "
        "rejected for another fault and has this one too"
    )
    message: str = Field(description="What is wrong and what to do, for a person")
    value: str | None = Field(description="The value as text, cut to 200 characters")


class RowIssueList(Answer):
    """A page of row issues."""

    issues: list[RowIssueItem] = Field(
        description="The issues of this page, in the order of the rows"
    )
    pagination: Pagination
