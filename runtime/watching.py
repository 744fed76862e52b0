"""Around every activity: its ids on each log line, one line when it ends, and its rows counted."""

from __future__ import annotations

import logging
import time
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities import metrics
from core import contracts
from core.reporting import ReportStatus
from runtime import logging as logs

log = logging.getLogger("tonnage.activity")
# of a report: it waits for its turn, or belongs to a later run
NOT_ENDED = (contracts.WAITING, ReportStatus.GENERATING)


class WatchActivities(Interceptor):
    """Logs and counts; never changes what an activity gets or answers."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap every activity."""
        return _Watcher(next)


class _Watcher(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        given = input.args[0] if input.args else None
        began = time.monotonic()
        with logs.context(
            workflow_id=info.workflow_id,
            activity_type=info.activity_type,
            attempt=info.attempt,
            task_queue=info.task_queue,
            organization_id=getattr(given, "organization_id", None),
            file_id=getattr(given, "file_id", None),
            report_id=getattr(given, "report_id", None),
        ):
            try:
                result = await super().execute_activity(input)
            except BaseException as error:
                _say(began, type(error).__name__)
                raise
            count(info.activity_type, result)
            _say(began, "completed")
            return result


def _say(began: float, outcome: str) -> None:
    duration_ms = round((time.monotonic() - began) * 1000)
    log.info("activity ended", extra={"outcome": outcome, "duration_ms": duration_ms})


def count(activity_type: str, result: Any) -> None:
    """Count the rows that an activity has finished with, and what it has ended."""
    match result:
        case contracts.ParseResult():
            _rows("parse", parsed=result.rows)
        case contracts.ValidateResult():
            _rows("validate", valid=result.valid, rejected=result.rejected)
        case contracts.CalculateResult():
            _rows("calculate", calculated=result.calculated, in_review=result.held)
        case contracts.ReviewResult():
            _rows("review", calculated=result.calculated, rejected=result.rejected)
        case contracts.FinishResult():
            failed = activity_type == "fail_file"
            metrics.count(metrics.FILES, outcome="failed" if failed else "completed")
        case contracts.ReportResult() if result.status not in NOT_ENDED:
            metrics.count(metrics.REPORTS, outcome=result.status)


def _rows(stage: str, **outcomes: int) -> None:
    for outcome, amount in outcomes.items():
        metrics.count(metrics.ROWS, amount, stage=stage, outcome=outcome)
