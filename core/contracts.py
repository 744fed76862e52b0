"""Every payload that crosses Temporal or is kept as progress: ids, references and counts.

Rows never travel through Temporal; they stay in object storage and PostgreSQL. No customer data
here either: ids and search attributes are not encrypted.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

PROCESS_FILE = "ProcessFile"
STATUS_QUERY = "status"
GENERATE_REPORT = "GenerateReport"
PREVIEW_RECALCULATION = "PreviewRecalculation"
COMMIT_RECALCULATION = "CommitRecalculation"
APPLY_REVIEW = "ApplyReview"


class Payload(BaseModel):
    """A frozen payload; unknown fields are kept out so that old histories stay readable."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FileStatus(StrEnum):
    """The six values of files.status."""

    UPLOADED = "uploaded"
    PARSING = "parsing"
    AI_MATCHING = "ai_matching"
    CALCULATING = "calculating"
    COMPLETED = "completed"
    FAILED = "failed"


class Stage(StrEnum):
    """The stages of a file, in order."""

    SCAN = "scan"
    PARSE = "parse"
    VALIDATE = "validate"
    MATCH = "match"
    CALCULATE = "calculate"
    FINISH = "finish"


STATUS_OF_STAGE = {
    Stage.SCAN: FileStatus.PARSING,
    Stage.PARSE: FileStatus.PARSING,
    Stage.VALIDATE: FileStatus.PARSING,
    Stage.MATCH: FileStatus.AI_MATCHING,
    Stage.CALCULATE: FileStatus.CALCULATING,
    Stage.FINISH: FileStatus.CALCULATING,
}


class StageState(StrEnum):
    """How far one stage is."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StageProgress(Payload):
    """One stage as /status shows it."""

    name: Stage
    state: StageState = StageState.PENDING
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    attempts: int = 0


class Counts(Payload):
    """How far the rows are. `percent` is 0–100."""

    rows_total: int = 0
    rows_parsed: int = 0
    rows_valid: int = 0
    activities_to_match: int = 0
    activities_matched: int = 0
    rows_calculated: int = 0
    percent: float = 0.0


NO_USABLE_ROWS = "no_usable_rows"


class Problem(Payload):
    """What went wrong, for people: a stable code and a sentence with the remedy."""

    code: str
    message: str
    stage: Stage | None = None


class FileProgress(Payload):
    """The answer of the workflow's status query, mirrored to files.progress at stage borders."""

    status: FileStatus = FileStatus.UPLOADED
    stage: Stage | None = None
    stages: tuple[StageProgress, ...] = tuple(StageProgress(name=stage) for stage in Stage)
    progress: Counts = Counts()
    retries: int = 0
    errors: tuple[Problem, ...] = ()
    eta: dt.datetime | None = None
    run: int = 1


class RowCounts(Payload):
    """Rows in = rows out: total is always the sum of the other three."""

    total: int = 0
    calculated: int = 0
    in_review: int = 0
    rejected: int = 0


class FileRef(Payload):
    """Names one file of one organization; the input of most activities."""

    organization_id: UUID
    file_id: UUID
    run: int = 1  # which run of its workflow; each retry adds one


class ProcessFileInput(FileRef):
    """Input of the ProcessFile workflow."""

    match_batch_size: int = 200


class ProcessFileResult(Payload):
    """Result of the ProcessFile workflow."""

    status: FileStatus
    rows: RowCounts
    problem: Problem | None = None


class ScanResult(Payload):
    """Whether the upload may be opened."""

    accepted: bool
    detected_type: str = ""
    scan_state: str = "unscanned"
    problem: Problem | None = None
    attempt: int = 1


class ParseResult(Payload):
    """What parsing left in object storage: `parts` Parquet parts, counted from 0."""

    parts: int = 0
    rows: int = 0
    problem: Problem | None = None
    attempt: int = 1


class PartRef(FileRef):
    """Names one part of a parsed file."""

    part: int


class ValidateResult(Payload):
    """Rows of one part that can be matched, and those that cannot."""

    part: int
    rows: int
    valid: int
    rejected: int
    attempt: int = 1


class ActivitiesResult(Payload):
    """How many distinct activities a file has; they are kept sorted by key."""

    activities: int
    attempt: int = 1


class BatchRef(FileRef):
    """Names a run of a file's distinct activities, sorted by key: [offset, offset + size)."""

    offset: int
    size: int


class MatchResult(Payload):
    """What was decided for one batch."""

    decided: int
    held: int
    attempt: int = 1


class CalculateResult(Payload):
    """What became of the valid rows of one part."""

    part: int
    calculated: int
    held: int
    attempt: int = 1


class FinishInput(FileRef):
    """The counts that the stages reported; the database must agree before the file completes."""

    expected: RowCounts
    progress: FileProgress


class FinishResult(Payload):
    """The reconciled counts."""

    rows: RowCounts
    attempt: int = 1


class ProgressUpdate(FileRef):
    """Mirror of the workflow's progress, and one line of history for people."""

    progress: FileProgress
    event_stage: Stage | None = None
    event_kind: str = ""  # started, completed, failed, cancelled
    event_message: str = ""


class FailInput(FileRef):
    """Why a file ends as failed."""

    progress: FileProgress
    problem: Problem
    quarantine: bool = False


class SweepInput(Payload):
    """How long an upload must have waited before the sweep starts it."""

    older_than_s: int = 30


class SweepResult(Payload):
    """How many uploads and reports the sweep started."""

    started: int
    reports: int = 0
    reviews: int = 0
    recalculations: int = 0


def workflow_id(file_id: UUID) -> str:
    """Return the id of a file's workflow: the same for every start, so never started twice."""
    return f"file/{file_id}"


WAITING = "waiting"


class ReportRef(Payload):
    """Names one report of one organization; input of the GenerateReport workflow."""

    organization_id: UUID
    report_id: UUID
    file_format: str = ""  # decides who makes it; without it anybody does
    may_wait: bool = False  # set by a workflow that knows what to do with "waiting"


class ReportProgress(Payload):
    """How many rows of a report are written. `rows_total` is None until they were counted."""

    rows_written: int = 0
    rows_total: int | None = None


class ReportResult(Payload):
    """What became of a report; `status` as reports.status, "deleted", or "waiting" for a turn."""

    status: str
    rows: int = 0
    size_bytes: int | None = None
    attempt: int = 1


class ReviewRef(Payload):
    """Names one resolved review of one organization; input of the ApplyReview workflow."""

    organization_id: UUID
    review_id: UUID


class ReviewResult(Payload):
    """What became of a resolution: rows that have a figure now, rows that have none any more."""

    applied: bool
    calculated: int = 0
    rejected: int = 0
    attempt: int = 1


def review_workflow_id(review_id: UUID) -> str:
    """Return the id of a resolution's workflow: the same for every start, so applied once."""
    return f"review/{review_id}"


class FailReportInput(ReportRef):
    """Why a report ends as failed."""

    problem: Problem


def report_workflow_id(report_id: UUID) -> str:
    """Return the id of a report's workflow: the same for every start, so never started twice."""
    return f"report/{report_id}"


class RecalculationRef(Payload):
    """Names one recalculation of one organization; input of its commit's workflow."""

    organization_id: UUID
    recalculation_id: UUID


class PreviewRecalculationInput(RecalculationRef):
    """Input of the PreviewRecalculation workflow."""

    match_batch_size: int = 200


class RecalculationPlan(Payload):
    """How much there is to do. `stopped`: it was cancelled, there is nothing to do."""

    files: int = 0
    activities: int = 0
    rows: int = 0
    batches: int = 0
    stopped: bool = False
    attempt: int = 1


class RematchRef(RecalculationRef):
    """Names a run of a recalculation's activities: [offset, offset + size)."""

    offset: int
    size: int


class RematchResult(Payload):
    """What was decided for one batch; `kept` decisions stay as they are."""

    decided: int = 0
    kept: int = 0
    stopped: bool = False
    attempt: int = 1


class RecalculationBatchRef(RecalculationRef):
    """Names one batch of a recalculation's figures, counted from 0."""

    batch: int


class PreviewBatchResult(Payload):
    """How many figures of a batch were looked at, and how many would change."""

    rows: int = 0
    changed: int = 0
    stopped: bool = False
    attempt: int = 1


class CommitStepResult(Payload):
    """What one step of a commit did; `remaining` tells whether there are more files."""

    files: int = 0
    left_out: int = 0
    rows: int = 0
    remaining: bool = False
    attempt: int = 1


class RecalculationResult(Payload):
    """What became of a recalculation; `status` as recalculations.status."""

    status: str
    rows: int = 0
    changed: int = 0
    files: int = 0
    left_out: int = 0
    attempt: int = 1


class FailRecalculationInput(RecalculationRef):
    """Why a recalculation ends as failed."""

    problem: Problem


def recalculation_workflow_id(recalculation_id: UUID) -> str:
    """Return the id of a preview's workflow: the same for every start, so never started twice."""
    return f"recalculation/{recalculation_id}"


def recalculation_commit_workflow_id(recalculation_id: UUID) -> str:
    """Return the id of a commit's workflow, likewise."""
    return f"recalculation/{recalculation_id}/commit"
