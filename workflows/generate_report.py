"""One report, from frozen criteria to an object in storage: generate, else fail and clean up."""

from __future__ import annotations

import asyncio

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
            result = await options.call(
                options.GENERATE_REPORT, ref, contracts.ReportResult, "generate report"
            )
            self.show("finish", f"{result.status}, {result.rows} rows")
            return result
        except ActivityError as error:
            if is_cancelled_exception(error):
                await self.stop_cleanly(ref)
                raise
            await self.fail(ref, problem_of(error))
            raise
        except asyncio.CancelledError:
            await self.stop_cleanly(ref)
            raise

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


def problem_of(error: ActivityError) -> Problem:
    """Say honestly why there is no report, without anything it was made of."""
    cause = error.cause
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
