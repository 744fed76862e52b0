"""Deleting, cancelling and retrying: what is answered."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from pydantic import Field

from api.schemas.common import Answer
from core.contracts import FileStatus, Stage


class Cascaded(Answer):
    """What went with a file."""

    emissions: int = Field(description="Figures that were in force")
    reviews: int = Field(description="Reviews that were open")


class FileDeleted(Answer):
    """A deleted upload: out of every list at once, gone for good after `purge_after`."""

    deleted: bool
    file_id: UUID
    cascaded: Cascaded
    purge_after: dt.datetime


class EmissionDeleted(Answer):
    """A deleted figure; its row counts as rejected from now on."""

    deleted: bool
    emission_id: UUID


class FileCancelled(Answer):
    """A cancellation that was taken; the file ends `failed` with the code `cancelled`."""

    file_id: UUID
    status: FileStatus = Field(description="As it is now; its status tells when it has stopped")
    cancel_requested_at: dt.datetime


class FileRetried(Answer):
    """A retry that was taken; work goes on."""

    file_id: UUID
    status: FileStatus
    processing_job_id: str = Field(description="Id of its workflow in Temporal; it stays the same")
    run: int = Field(description="Which run of the workflow this is, from 1")
    resumes_at: Stage = Field(description="Stages before it are kept as they are")
