"""Uploads, what happened to them, and what is wrong with their rows."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import BigInteger, Field, SQLModel

from db.models.columns import BY_DATABASE, json_column, key_column, time_column


class File(SQLModel, table=True):
    """An upload and how far it got. The bytes are in object storage."""

    __tablename__ = "files"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    user_id: UUID
    project_id: UUID | None = None
    filename: str
    object_storage_path: str
    file_size: int = Field(sa_type=BigInteger)
    mime_type: str | None = None
    file_type: str
    sha256: str
    duplicate_of: UUID | None = None
    region: str | None = None
    reporting_year: int | None = None
    upstream: bool = False
    mapping: dict[str, Any] | None = json_column()
    remember_mapping: bool = False
    recognized: dict[str, Any] | None = json_column()
    status: str | None = "uploaded"
    processing_job_id: str
    progress: dict[str, Any] = json_column(nullable=False)
    scan_state: str = "pending"
    error_code: str | None = None
    error_message: str | None = None
    rows_total: int = 0
    rows_calculated: int = 0
    rows_in_review: int = 0
    rows_rejected: int = 0
    rows_no_activity: int = 0
    processing_runs: int = 1
    retried_at: dt.datetime | None = time_column()
    cancel_requested_at: dt.datetime | None = time_column()
    purge_at: dt.datetime | None = time_column()
    column_mapping_ids: list[UUID] = Field(
        default=None, sa_type=ARRAY(Uuid), sa_column_kwargs={"server_default": BY_DATABASE}
    )
    deletion_pending: bool = False
    settle_failures: int = 0
    settle_after: dt.datetime | None = time_column()
    processing_started_at: dt.datetime | None = time_column()
    processing_completed_at: dt.datetime | None = time_column()
    created_at: dt.datetime | None = time_column()
    updated_at: dt.datetime | None = time_column()
    deleted_at: dt.datetime | None = time_column()


class RowIssue(SQLModel, table=True):
    """Something wrong with one row of an upload."""

    __tablename__ = "row_issues"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    file_id: UUID
    part: int
    sheet: str = ""
    row_number: int
    column_name: str | None = None
    code: str
    severity: str
    message: str
    value_text: str | None = None
    column_number: int = 0
    created_at: dt.datetime | None = time_column()


class ColumnMapping(SQLModel, table=True):
    """How an organization told us to read tables with certain headings."""

    __tablename__ = "column_mappings"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    signature: str
    headings: list[str] = json_column(nullable=False)
    mapping: dict[str, Any] = json_column(nullable=False)
    file_id: UUID | None = None
    filename: str
    confirmed_by: UUID
    confirmed_at: dt.datetime | None = time_column(nullable=False)
    replaced_at: dt.datetime | None = time_column()
    revoked_at: dt.datetime | None = time_column()
    revoked_by: UUID | None = None


class FileEvent(SQLModel, table=True):
    """One line of a file's processing history."""

    __tablename__ = "file_events"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    file_id: UUID
    stage: str
    kind: str
    attempt: int = 1
    message: str
    detail: dict[str, Any] = json_column(nullable=False)
    occurred_at: dt.datetime | None = time_column(nullable=False)


class Report(SQLModel, table=True):
    """A report, the criteria it was made by, and where it is stored."""

    __tablename__ = "reports"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    user_id: UUID
    name: str
    description: str | None = None
    report_type: str | None = "emission_summary"
    query_criteria: dict[str, Any] = json_column(nullable=False)
    object_storage_path: str | None = None
    file_format: str | None = None
    file_size: int | None = Field(default=None, sa_type=BigInteger)
    figures: int | None = None
    kg_co2e: Decimal | None = None
    biogenic_kg_co2: Decimal | None = None
    contents: dict[str, Any] | None = json_column()
    status: str | None = "generating"
    generation_started_at: dt.datetime | None = time_column()
    generation_completed_at: dt.datetime | None = time_column()
    error_message: str | None = None
    created_at: dt.datetime | None = time_column()
    updated_at: dt.datetime | None = time_column()
    deleted_at: dt.datetime | None = time_column()
