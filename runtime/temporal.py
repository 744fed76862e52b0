"""The connection to Temporal, and the file pipeline as the API sees it."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import Client, Interceptor, WorkflowExecutionStatus
from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from core.contracts import (
    APPLY_REVIEW,
    COMMIT_RECALCULATION,
    GENERATE_REPORT,
    PREVIEW_RECALCULATION,
    PROCESS_FILE,
    STATUS_QUERY,
    FileProgress,
    FileRef,
    PreviewRecalculationInput,
    ProcessFileInput,
    RecalculationRef,
    ReportProgress,
    ReportRef,
    ReviewRef,
    ReviewResult,
    Stage,
    recalculation_commit_workflow_id,
    recalculation_workflow_id,
    report_workflow_id,
    review_workflow_id,
    workflow_id,
)
from core.contracts_webhooks import DeliveryRef
from core.errors import Unavailable
from core.ports import PendingAttempt
from runtime.deliveries import start_delivery
from runtime.settings import Settings
from workflows import options

log = logging.getLogger(__name__)

RPC_TIMEOUT = timedelta(seconds=3)
# An unanswered query hangs for half a minute; the row knows nearly as much.
QUERY_TIMEOUT = timedelta(seconds=1)
# How long a run that has ended its file may take to close.
CLOSING_S = 2.0

STAGE_OF_ACTIVITY = {
    options.SCAN_FILE.name: Stage.SCAN,
    options.PARSE_FILE.name: Stage.PARSE,
    options.VALIDATE_PART.name: Stage.VALIDATE,
    options.COLLECT_ACTIVITIES.name: Stage.MATCH,
    options.MATCH_BATCH.name: Stage.MATCH,
    options.CALCULATE_PART.name: Stage.CALCULATE,
    options.FINISH_FILE.name: Stage.FINISH,
    options.FAIL_FILE.name: Stage.FINISH,
}


async def connect(
    settings: Settings,
    *,
    lazy: bool = False,
    runtime: Runtime | None = None,
    interceptors: Sequence[Interceptor] = (),
) -> Client:
    """Connect to Temporal: TONNAGE_TEMPORAL_ADDRESS, else TEMPORAL_* and its TOML profile."""
    ours: dict[str, Any] = {
        "data_converter": pydantic_data_converter,
        "lazy": lazy,
        "runtime": runtime,
        "interceptors": interceptors,
    }
    if settings.temporal_address:
        return await Client.connect(
            settings.temporal_address, namespace=settings.temporal_namespace, **ours
        )
    config = ClientConfig.load_client_connect_config()
    config.setdefault("namespace", settings.temporal_namespace)
    return await Client.connect(**config, **ours)


def in_a_line(error: Exception) -> str:
    """Return what an operator is told of a server that cannot be reached, or refuses a call."""
    told = " ".join(str(error).split())[:200]
    return f"Temporal says: {told}" if isinstance(error, RPCError) else "Temporal does not answer"


def plain(text: str) -> str:
    """Return a summary that the Web UI's Markdown cannot turn into anything but text."""
    return "".join(" " if c in "<>[]`*|\\" or not c.isprintable() else c for c in text)[:200]


class TemporalPipeline:
    """core.ports.Pipeline over a Temporal client. The client may be lazy: nothing here connects
    before it is used, so the API starts while Temporal is away."""

    def __init__(self, client: Client, *, match_batch_size: int) -> None:
        self.client = client
        self.match_batch_size = match_batch_size

    async def start_file(
        self, ref: FileRef, *, filename_summary: str, organization_name: str
    ) -> str:
        """Start this run of a file; started already is as good. Raises Unavailable.

        The first run: REJECT_DUPLICATE with USE_EXISTING: a running one is joined, a closed one
        is refused, so repeating this is always safe. A later run takes the same id once the one
        before has closed, which it does a moment after the file's row says so; a second start of
        the same run finds by its first activity that it is superseded.
        """
        deadline = asyncio.get_running_loop().time() + CLOSING_S
        while not await self._start_run(ref, filename_summary, organization_name):
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable("the run before has not closed yet; this one starts later")
            await asyncio.sleep(0.1)
        return workflow_id(ref.file_id)

    async def _start_run(self, ref: FileRef, filename: str, organization_name: str) -> bool:
        """Start a run, or find it started; False while an earlier one holds the id."""
        job_id, again = workflow_id(ref.file_id), ref.run > 1
        request = ProcessFileInput(**ref.model_dump(), match_batch_size=self.match_batch_size)
        summary = f"{filename} ({organization_name})" + (f", run {ref.run}" if again else "")
        try:
            await self.client.start_workflow(
                PROCESS_FILE,
                request,
                id=job_id,
                task_queue=options.PIPELINE_QUEUE,
                id_reuse_policy=(
                    WorkflowIDReusePolicy.ALLOW_DUPLICATE
                    if again
                    else WorkflowIDReusePolicy.REJECT_DUPLICATE
                ),
                id_conflict_policy=(
                    WorkflowIDConflictPolicy.FAIL
                    if again
                    else WorkflowIDConflictPolicy.USE_EXISTING
                ),
                memo={"run": ref.run},
                # Inherited by every activity: a small tenant is not stuck behind a big one.
                priority=Priority(fairness_key=str(ref.organization_id)),
                search_attributes=TypedSearchAttributes(
                    [
                        SearchAttributePair(options.ORGANIZATION_ID, str(ref.organization_id)),
                        SearchAttributePair(options.FILE_ID, str(ref.file_id)),
                        SearchAttributePair(options.STAGE, "queued"),
                    ]
                ),
                static_summary=plain(summary),
                static_details=f"File `{ref.file_id}` of organization `{ref.organization_id}`",
                rpc_timeout=RPC_TIMEOUT,
            )
            return True
        except WorkflowAlreadyStartedError:
            return not again or await self._is_running(job_id, ref.run)
        except (RPCError, RuntimeError) as error:  # RuntimeError: a lazy client cannot connect
            raise Unavailable("Temporal is away; the upload is kept and started later") from error

    async def _is_running(self, job_id: str, run: int) -> bool:
        """Tell whether the workflow of this id is at this run."""
        handle = self.client.get_workflow_handle(job_id)
        description = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        return bool(await description.memo_value("run", 1, type_hint=int) >= run)

    async def cancel_file(self, ref: FileRef) -> bool:
        """Ask the workflow of a file to stop; tell whether there was one that had not ended."""
        await self._cancel(workflow_id(ref.file_id))
        # The server takes a cancellation of a closed workflow as well, and does nothing.
        return await self.file_runs(ref)

    async def file_runs(self, ref: FileRef) -> bool:
        """Tell whether the workflow of a file has not ended. Raises Unavailable."""
        handle = self.client.get_workflow_handle(workflow_id(ref.file_id))
        try:
            description = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise Unavailable("Temporal is away") from error
        return description.status is WorkflowExecutionStatus.RUNNING

    async def file_progress(self, ref: FileRef) -> FileProgress | None:
        """Ask the workflow how far it is; None when it does not answer within a second."""
        handle = self.client.get_workflow_handle(workflow_id(ref.file_id))
        try:
            progress: FileProgress = await handle.query(
                STATUS_QUERY, result_type=FileProgress, rpc_timeout=QUERY_TIMEOUT
            )
        except Exception as error:
            # Whatever it is (no worker, no server, a workflow of another version), the answer
            # comes from the row; only the kind is logged.
            log.info("status query unanswered: %s", type(error).__name__)
            return None
        return progress

    async def attempts(self, ref: FileRef) -> Sequence[PendingAttempt]:
        """Return the activities that are being retried; empty when unknown."""
        handle = self.client.get_workflow_handle(workflow_id(ref.file_id))
        try:
            description = await handle.describe(rpc_timeout=QUERY_TIMEOUT)
        except (RPCError, RuntimeError):
            return ()
        pending = description.raw_description.pending_activities
        waits = options.WAITS_ITS_TURN
        return [
            PendingAttempt(
                stage=STAGE_OF_ACTIVITY.get(p.activity_type.name),
                # What only waits its turn has not failed.
                attempt=1 if p.last_failure.application_failure_info.type == waits else p.attempt,
                last_error=p.last_failure.message or None,
                next_try_at=(
                    p.next_attempt_schedule_time.ToDatetime(tzinfo=dt.UTC)
                    if p.HasField("next_attempt_schedule_time")
                    else None
                ),
            )
            for p in pending
            if p.attempt > 1
        ]

    async def start_report(self, ref: ReportRef, *, name: str, organization_name: str) -> str:
        """Start the workflow of a report; one that runs is joined. Raises Unavailable.

        One that has ended may run again, however it ended: a worker that finds its report cancelled
        before the cancellation is heard completes. It finds in the database whether there is
        anything to do.
        """
        job_id = report_workflow_id(ref.report_id)
        try:
            await self.client.start_workflow(
                GENERATE_REPORT,
                ref,
                id=job_id,
                task_queue=options.REPORTS_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                priority=Priority(fairness_key=str(ref.organization_id)),
                search_attributes=TypedSearchAttributes(
                    [
                        SearchAttributePair(options.ORGANIZATION_ID, str(ref.organization_id)),
                        SearchAttributePair(options.STAGE, "queued"),
                    ]
                ),
                static_summary=plain(f"{name} ({organization_name})"),
                static_details=f"Report `{ref.report_id}` of organization `{ref.organization_id}`",
                rpc_timeout=RPC_TIMEOUT,
            )
        except (RPCError, RuntimeError) as error:
            raise Unavailable("Temporal is away; the report is kept and started later") from error
        return job_id

    async def cancel_report(self, ref: ReportRef) -> None:
        """Ask the workflow of a report to stop; none or a closed one is no error."""
        await self._cancel(report_workflow_id(ref.report_id))

    async def _cancel(self, job_id: str) -> None:
        handle = self.client.get_workflow_handle(job_id)
        try:
            await handle.cancel(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise Unavailable("Temporal is away") from error
        except RuntimeError as error:
            raise Unavailable("Temporal is away") from error

    async def report_progress(self, ref: ReportRef) -> ReportProgress | None:
        """Return what the report's worker said last; known to the server, whoever is up."""
        handle = self.client.get_workflow_handle(report_workflow_id(ref.report_id))
        try:
            description = await handle.describe(rpc_timeout=QUERY_TIMEOUT)
            for pending in description.raw_description.pending_activities:
                if pending.heartbeat_details.payloads:
                    [said] = await self.client.data_converter.decode(
                        pending.heartbeat_details.payloads, [ReportProgress]
                    )
                    return said if isinstance(said, ReportProgress) else None
        except Exception as error:
            # Progress is a courtesy: without it the answer holds what the row knows.
            log.info("report progress unanswered: %s", type(error).__name__)
        return None

    async def apply_review(self, ref: ReviewRef, *, wait_s: float = 0.0) -> bool:
        """Start the workflow of a resolution; tell whether it was done within `wait_s`."""
        job_id = review_workflow_id(ref.review_id)
        try:
            await self.client.start_workflow(
                APPLY_REVIEW,
                ref,
                id=job_id,
                task_queue=options.PIPELINE_QUEUE,
                # One that failed may be tried again by the sweep; a done one finds itself done.
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                priority=Priority(fairness_key=str(ref.organization_id)),
                search_attributes=TypedSearchAttributes(
                    [
                        SearchAttributePair(options.ORGANIZATION_ID, str(ref.organization_id)),
                        SearchAttributePair(options.STAGE, "queued"),
                    ]
                ),
                static_summary="apply a resolved review",
                static_details=f"Review `{ref.review_id}` of `{ref.organization_id}`",
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            return True
        except (RPCError, RuntimeError) as error:
            raise Unavailable("Temporal is away; the resolution is applied later") from error
        if wait_s <= 0:
            return False
        handle = self.client.get_workflow_handle(job_id, result_type=ReviewResult)
        try:
            async with asyncio.timeout(wait_s):
                result: ReviewResult = await handle.result()
                return result.applied
        except Exception as error:
            # Whatever it is, the resolution stands and is applied by the workflow or the sweep.
            log.info("resolution %s not applied yet: %s", ref.review_id, type(error).__name__)
            return False

    async def preview_recalculation(self, ref: RecalculationRef, *, organization_name: str) -> str:
        """Start the workflow of a preview; started already is as good. Raises Unavailable."""
        request = PreviewRecalculationInput(
            **ref.model_dump(), match_batch_size=self.match_batch_size
        )
        job_id = recalculation_workflow_id(ref.recalculation_id)
        summary = f"preview a recalculation ({organization_name})"
        return await self._recalculate(PREVIEW_RECALCULATION, request, job_id, summary)

    async def commit_recalculation(self, ref: RecalculationRef, *, organization_name: str) -> str:
        """Start the workflow of a commit; started already is as good. Raises Unavailable."""
        job_id = recalculation_commit_workflow_id(ref.recalculation_id)
        summary = f"commit a recalculation ({organization_name})"
        return await self._recalculate(COMMIT_RECALCULATION, ref, job_id, summary)

    async def _recalculate(
        self, workflow: str, request: RecalculationRef, job_id: str, summary: str
    ) -> str:
        organization_id = str(request.organization_id)
        try:
            await self.client.start_workflow(
                workflow,
                request,
                id=job_id,
                task_queue=options.PIPELINE_QUEUE,
                # One that ended without a word, terminated perhaps, may be begun again.
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                priority=Priority(fairness_key=organization_id),
                search_attributes=TypedSearchAttributes(
                    [
                        SearchAttributePair(options.ORGANIZATION_ID, organization_id),
                        SearchAttributePair(options.STAGE, "queued"),
                    ]
                ),
                static_summary=plain(summary),
                static_details=f"Recalculation `{request.recalculation_id}` of organization "
                f"`{organization_id}`",
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            pass
        except (RPCError, RuntimeError) as error:
            raise Unavailable("Temporal is away; the recalculation starts later") from error
        return job_id

    async def cancel_recalculation(self, ref: RecalculationRef) -> None:
        """Ask the workflow of a preview to stop; none or a closed one is no error."""
        await self._cancel(recalculation_workflow_id(ref.recalculation_id))

    async def start_delivery(self, ref: DeliveryRef) -> str:
        """Start the workflow of a webhook's delivery; one that runs is joined."""
        return await start_delivery(self.client, ref)

    async def ready(self) -> bool:
        """Tell whether Temporal answers."""
        try:
            return await self.client.service_client.check_health(timeout=QUERY_TIMEOUT)
        except (RPCError, RuntimeError):
            return False

    async def close(self) -> None:
        """Let go of the client; the SDK closes its connection with the last reference."""
