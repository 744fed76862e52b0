"""One report, from frozen criteria to an object in storage: generate, else fail and clean up."""

from __future__ import annotations

import asyncio
import datetime as dt

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from workflows import options

with workflow.unsafe.imports_passed_through():
    from core import contracts
    from core.contracts import Problem


@workflow.defn(name=contracts.GENERATE_REPORT)
class GenerateReport:
    """Generates one report. The criteria are in its row, the figures stay outside."""

    @workflow.run
    async def run(self, ref: contracts.ReportRef) -> contracts.ReportResult:
        """Generate the report; one that was deleted meanwhile is a result and no failure."""
        try:
            self.show("generate", "reading one snapshot and writing the report")
            result = await self.generate(ref)
            self.show("finish", f"{result.status}, {result.rows} rows")
            return result
        except (ActivityError, ApplicationError) as error:
            if is_cancelled_exception(error):
                await self.stop_cleanly(ref)
                raise
            await self.fail(ref, problem_of(error))
            raise
        except asyncio.CancelledError:
            await self.stop_cleanly(ref)
            raise

    async def generate(self, ref: contracts.ReportRef) -> contracts.ReportResult:
        """Generate the report, when it is its turn and what it needs is there."""
        pdf = ref.file_format == "pdf"
        kind = options.GENERATE_PDF if pdf else options.GENERATE_REPORT
        asked = ref.model_copy(update={"may_wait": True})
        begun, looks = workflow.now(), 0
        away_since = None
        while True:
            looks += 1
            asked_at = workflow.now()
            try:
                result = await options.call(kind, asked, contracts.ReportResult, "generate report")
            except ActivityError as error:
                # Before this patch, attempts went on for four hours whatever the reason.
                if not away(error) or not workflow.patched("wait-for-dependencies"):
                    raise
                away_since = away_since or asked_at
                if out_of_patience(begun, away_since):
                    raise
                self.show("generate", "waiting for a service that is away")
            else:
                if result.status != contracts.WAITING:
                    return result
                away_since = None
                if workflow.now() - begun > options.REPORT_TURN:
                    raise ApplicationError("it was never its turn", type="Crowded")
                self.show("generate", "waiting for other reports of the organization")
            await workflow.sleep(min(looks * dt.timedelta(seconds=2), options.REPORT_LOOKS))
            self.show("generate", "reading one snapshot and writing the report")

    async def fail(self, ref: contracts.ReportRef, problem: Problem) -> None:
        """End the report as failed: its object goes, the reason stays."""
        self.show("finish", f"failed: {problem.code}")
        await options.call(
            options.FAIL_REPORT,
            contracts.FailReportInput(**ref.model_dump(), problem=problem),
            contracts.ReportResult,
            f"fail: {problem.code}",
        )

    async def stop_cleanly(self, ref: contracts.ReportRef) -> None:
        """Undo what a cancelled report has written; runs although the workflow is cancelled."""
        await self.fail(ref, Problem(code="cancelled", message="The report was cancelled."))

    def show(self, stage: str, details: str) -> None:
        """Tell the Web UI where the report is."""
        workflow.upsert_search_attributes([options.STAGE.value_set(stage)])
        workflow.set_current_details(details)


def out_of_patience(begun: dt.datetime, away_since: dt.datetime) -> bool:
    """Tell whether a service was away for too long."""
    if workflow.now() - begun <= options.REPORT_PATIENCE:
        return False
    # Before this patch, the time that a report had waited for its turn was counted, too.
    if not workflow.patched("patience-of-one-outage"):
        return True
    return workflow.now() - away_since > options.REPORT_PATIENCE


def away(error: ActivityError) -> bool:
    """Tell whether an attempt failed for want of a service, or of a worker that went on."""
    kind = error.cause.type if isinstance(error.cause, ApplicationError) else None
    # Workers are stopped one after the other for a new release; that breaks no report.
    return kind == "Unavailable" or (
        kind == "WorkerShutdown" and workflow.patched("outlive-workers")
    )


def problem_of(error: ActivityError | ApplicationError) -> Problem:
    """Say honestly why there is no report, without anything it was made of."""
    cause = error.cause if isinstance(error, ActivityError) else error
    if isinstance(cause, ApplicationError) and cause.type == "ReportTooLarge":
        return Problem(
            code="report_too_large",
            message="To lay out this report takes more memory or time than one report may take. "
            "Ask for it without details, with a coarser group_by or narrower criteria, or as Excel "
            "or CSV.",
        )
    if isinstance(cause, ApplicationError) and cause.type == "Unavailable":
        return Problem(
            code="dependency_unavailable",
            message="A service that reports need stayed away. Ask for the report again later.",
        )
    kind = cause.type if isinstance(cause, ApplicationError) and cause.type else "timeout"
    return Problem(
        code="report_failed",
        message=f"The report could not be generated ({kind}). Ask for it again.",
    )
