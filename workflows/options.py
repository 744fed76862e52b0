"""Every task queue, timeout and retry policy of the system, by name.

Retries are Temporal's alone (client libraries have theirs switched off), so the Web UI shows each
attempt. `schedule_to_close` bounds the whole stage, queueing included: a dependency that stays
away longer ends the file with an honest status instead of keeping it for ever. Activities are
named, not imported: the API can load a workflow without loading a single activity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from core import contracts

PIPELINE_QUEUE = "pipeline"
MATCHING_QUEUE = "ai-matching"
REPORTS_QUEUE = "reports"
# Of the same workers: pages are laid out for minutes, tables written in seconds.
PDF_QUEUE = "reports-pdf"
WEBHOOKS_QUEUE = "webhooks"

ORGANIZATION_ID = SearchAttributeKey.for_keyword("OrganizationId")
FILE_ID = SearchAttributeKey.for_keyword("FileId")
STAGE = SearchAttributeKey.for_keyword("Stage")

# Input that will be just as wrong the next time. PayloadsTooLarge is retried by default, for ever.
NEVER_RETRY = (
    "FileRejected",
    "InvalidInput",
    "ReportTooLarge",
    "NotFound",
    "Misconfigured",
    "PayloadsTooLarge",
    "ReconciliationFailed",
    "MissingTenant",
)

QUICK_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    maximum_interval=timedelta(minutes=1),
    non_retryable_error_types=NEVER_RETRY,
)
# An activity that went back into the queue because of others of its organization; no failure.
WAITS_ITS_TURN = "WaitsItsTurn"

# A new way to crash a worker must not go round for ever: parsing runs the riskiest code we have.
# The activity counts its tries itself (activities/parse.py), for waiting its turn is none.
PARSE_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=2),
    backoff_coefficient=2,
    maximum_interval=timedelta(minutes=1),
    non_retryable_error_types=NEVER_RETRY,
)
# Providers answer "too many requests" for minutes; 429 sets its own delay on top.
MATCH_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=5),
    backoff_coefficient=2,
    maximum_interval=timedelta(minutes=5),
    non_retryable_error_types=NEVER_RETRY,
)

# What breaks a report breaks it again. The workflow goes on for as long as a dependency is away.
REPORT_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    maximum_interval=timedelta(minutes=1),
    maximum_attempts=3,
    non_retryable_error_types=NEVER_RETRY,
)
# Of our own trouble (a database that is away); each answer of an endpoint sets its own delay.
WEBHOOK_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=5),
    backoff_coefficient=2,
    maximum_interval=timedelta(minutes=10),
    non_retryable_error_types=NEVER_RETRY,
)

# Parts of one file in work at once. More would only fill the queue: slots are the real limit.
PART_WINDOW = 4
# Batches of one file in work at once: leaves slots to other tenants even while calls run long.
BATCH_WINDOW = 3

Result = TypeVar("Result", bound=contracts.Payload)


@dataclass(frozen=True)
class ActivityKind:
    """How one activity is called."""

    name: str
    queue: str
    start_to_close: timedelta
    heartbeat: timedelta | None
    schedule_to_close: timedelta
    retry: RetryPolicy


def _pipeline(name: str, retry: RetryPolicy = QUICK_RETRY) -> ActivityKind:
    return ActivityKind(
        name=name,
        queue=PIPELINE_QUEUE,
        start_to_close=timedelta(minutes=30),
        heartbeat=timedelta(seconds=15),
        schedule_to_close=timedelta(hours=4),
        retry=retry,
    )


def _nightly(name: str) -> ActivityKind:
    return ActivityKind(
        name=name,
        queue=PIPELINE_QUEUE,
        start_to_close=timedelta(hours=4),
        heartbeat=timedelta(seconds=60),
        schedule_to_close=timedelta(hours=20),
        retry=QUICK_RETRY,
    )


SCAN_FILE = _pipeline("scan_file")
PARSE_FILE = _pipeline("parse_file", PARSE_RETRY)
VALIDATE_PART = _pipeline("validate_part")
COLLECT_ACTIVITIES = _pipeline("collect_activities")
CALCULATE_PART = _pipeline("calculate_part")
FINISH_FILE = _pipeline("finish_file")
FAIL_FILE = _pipeline("fail_file")
START_ORPHANS = _pipeline("start_orphans")
RESUME_FILE = _pipeline("resume_file")
SETTLE_FILES = _pipeline("settle_files")
LIST_ORGANIZATIONS = _pipeline("list_organizations")
DELETE_DOOMED_OBJECTS = _pipeline("delete_doomed_objects")
# A million rows take minutes, and the store of an organization as long as it is large.
PURGE_ORGANIZATION = _nightly("purge_organization")
PURGE_LOGINS = _nightly("purge_logins")
SWEEP_OBJECTS = _nightly("sweep_objects")
RECORD_PROGRESS = ActivityKind(
    name="record_progress",
    queue=PIPELINE_QUEUE,
    start_to_close=timedelta(seconds=30),
    heartbeat=None,
    schedule_to_close=timedelta(hours=4),
    retry=QUICK_RETRY,
)
# The provider may take ten minutes to answer; its client gives up before start_to_close does, or
# an expired attempt would go on beside its successor and be paid twice.
MATCH_BATCH = ActivityKind(
    name="match_batch",
    queue=MATCHING_QUEUE,
    start_to_close=timedelta(minutes=12),
    heartbeat=timedelta(seconds=60),
    schedule_to_close=timedelta(hours=24),
    retry=MATCH_RETRY,
)
APPLY_REVIEW = _pipeline("apply_review")
PLAN_RECALCULATION = _pipeline("plan_recalculation")
PREVIEW_BATCH = _pipeline("preview_batch")
FINISH_PREVIEW = _pipeline("finish_preview")
FAIL_RECALCULATION = _pipeline("fail_recalculation")
FINISH_COMMIT = _pipeline("finish_commit")
# As matching: it may ask the same provider. Kept answers are read and not asked for again.
REMATCH_BATCH = ActivityKind(
    name="rematch_batch",
    queue=MATCHING_QUEUE,
    start_to_close=timedelta(minutes=12),
    heartbeat=timedelta(seconds=60),
    schedule_to_close=timedelta(hours=24),
    retry=MATCH_RETRY,
)
# A file is committed in one transaction, and one file may hold a million rows.
COMMIT_FILES = ActivityKind(
    name="commit_files",
    queue=PIPELINE_QUEUE,
    start_to_close=timedelta(hours=2),
    heartbeat=timedelta(seconds=15),
    schedule_to_close=timedelta(hours=24),
    retry=QUICK_RETRY,
)
# A million rows take about half a minute; the rest is room for a slow store.
GENERATE_REPORT = ActivityKind(
    name="generate_report",
    queue=REPORTS_QUEUE,
    start_to_close=timedelta(hours=1),
    heartbeat=timedelta(seconds=15),
    schedule_to_close=timedelta(hours=4),
    retry=REPORT_RETRY,
)
GENERATE_PDF = replace(GENERATE_REPORT, queue=PDF_QUEUE)
# How long a report waits for a dependency that is away, and for its turn among those of its
# organization; and between two looks, at most.
REPORT_PATIENCE = timedelta(hours=4)
REPORT_TURN = timedelta(hours=24)
REPORT_LOOKS = timedelta(minutes=1)
FAIL_REPORT = ActivityKind(
    name="fail_report",
    queue=REPORTS_QUEUE,
    start_to_close=timedelta(minutes=1),
    heartbeat=None,
    schedule_to_close=timedelta(hours=4),
    retry=QUICK_RETRY,
)
# An endpoint has 15 s. The attempts take about a day, and nearly two when it asks for more time.
DELIVER_WEBHOOK = ActivityKind(
    name="deliver_webhook",
    queue=WEBHOOKS_QUEUE,
    start_to_close=timedelta(seconds=45),
    heartbeat=None,
    schedule_to_close=timedelta(days=5),
    retry=WEBHOOK_RETRY,
)
FAIL_DELIVERY = ActivityKind(
    name="fail_delivery",
    queue=WEBHOOKS_QUEUE,
    start_to_close=timedelta(seconds=45),
    heartbeat=None,
    schedule_to_close=timedelta(days=1),
    retry=QUICK_RETRY,
)
START_DELIVERIES = ActivityKind(
    name="start_deliveries",
    queue=WEBHOOKS_QUEUE,
    start_to_close=timedelta(minutes=30),
    heartbeat=timedelta(seconds=15),
    schedule_to_close=timedelta(hours=4),
    retry=QUICK_RETRY,
)

ALL_ACTIVITIES: Sequence[ActivityKind] = (
    SCAN_FILE,
    PARSE_FILE,
    VALIDATE_PART,
    COLLECT_ACTIVITIES,
    MATCH_BATCH,
    CALCULATE_PART,
    FINISH_FILE,
    FAIL_FILE,
    RECORD_PROGRESS,
    START_ORPHANS,
    RESUME_FILE,
    SETTLE_FILES,
    LIST_ORGANIZATIONS,
    PURGE_ORGANIZATION,
    PURGE_LOGINS,
    DELETE_DOOMED_OBJECTS,
    SWEEP_OBJECTS,
    APPLY_REVIEW,
    GENERATE_REPORT,
    GENERATE_PDF,
    FAIL_REPORT,
    PLAN_RECALCULATION,
    REMATCH_BATCH,
    PREVIEW_BATCH,
    FINISH_PREVIEW,
    COMMIT_FILES,
    FINISH_COMMIT,
    FAIL_RECALCULATION,
    DELIVER_WEBHOOK,
    FAIL_DELIVERY,
    START_DELIVERIES,
)


async def call(kind: ActivityKind, argument: Any, result: type[Result], summary: str) -> Result:
    """Run an activity under its options; `summary` is what the Web UI shows beside it."""
    answer: Result = await workflow.execute_activity(
        kind.name,
        argument,
        result_type=result,
        task_queue=kind.queue,
        start_to_close_timeout=kind.start_to_close,
        heartbeat_timeout=kind.heartbeat,
        schedule_to_close_timeout=kind.schedule_to_close,
        retry_policy=kind.retry,
        # A stage that was told to stop reports that it did, so nothing writes after clean-up.
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary[:200],
    )
    return answer
