"""Reports: asked for, watched, deleted."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from api import etags
from api.deps import Member
from api.errors import ApiError
from api.schemas.reports import ReportRequest
from api.services import Services
from core.contracts import ReportProgress, ReportRef
from core.keys import report_key
from core.permissions import Operation, may
from core.reporting import ReportFormat, ReportStatus, ReportType, Totals, pace_of, shows_details
from db.engine import TenantSession, tenant_session
from db.ids import uuid7
from db.models import AuditEvent, Report
from db.queries import audit
from db.queries import reports as queries
from db.queries.emission_sums import total_within
from db.queries.emissions import count_emissions

log = logging.getLogger("tonnage.api")

CANCELLED = "The report was cancelled; retry writes it."

START_TIMEOUT_S = 3


# What is told beside a report must not keep the report from being shown.
COMPARED_WITHIN_MS = 2_000


@dataclass(frozen=True, slots=True)
class Found:
    """A report with its audit trail."""

    report: Report
    events: Sequence[AuditEvent]


def estimate(
    now: dt.datetime, rows: int, file_format: ReportFormat, *, details: bool
) -> dt.datetime:
    """Return when a report will probably be done."""
    return now + dt.timedelta(seconds=round(pace_of(file_format).seconds(rows, details=details)))


def estimate_again(report: Report, progress: ReportProgress | None) -> dt.datetime | None:
    """Return when a report will be done, by its own pace once that is known."""
    if report.status != ReportStatus.GENERATING:
        return None
    started = report.generation_started_at
    if progress and progress.rows_total and progress.rows_written and started:
        now = dt.datetime.now(dt.UTC)
        return started + (now - started) * (progress.rows_total / progress.rows_written)
    return queries.criteria_of(report).estimated_completion


def store(services: Services, who: Member, body: ReportRequest) -> queries.NewReport:
    """Commit the row, with frozen criteria, together with its audit event."""
    organization_id, wanted = who.organization_id, body.criteria.filter()
    details = shows_details(body.report_type, body.include_details)
    with tenant_session(services.app_engine, organization_id) as session:
        rows = count_emissions(session, organization_id, who.reach, wanted)
        now = dt.datetime.now(dt.UTC)
        new = queries.NewReport(
            id=uuid7(),
            user_id=who.principal.user_id,
            name=body.name,
            description=body.description,
            report_type=body.report_type,
            file_format=body.file_format,
            criteria=queries.Criteria(
                criteria=body.criteria.sent,
                wanted=wanted,
                reach=who.reach,
                group_by=tuple(dict.fromkeys(body.group_by)),
                include_details=body.include_details,
                rows_expected=rows,
                estimated_completion=estimate(now, rows, body.file_format, details=details),
                layout=body.layout,
            ),
        )
        queries.add_report(session, organization_id, new)
        audit.record(
            session, organization_id, who.actor, action="report.requested", object_type="report",
            object_id=new.id,
            after={"name": new.name, "report_type": new.report_type, "format": new.file_format},
        )  # fmt: skip
        session.commit()
    return new


async def request(services: Services, who: Member, body: ReportRequest) -> queries.NewReport:
    """Take a report and start its workflow; when that cannot be, the sweep does so later."""
    new = await run_in_threadpool(store, services, who, body)
    await start(services, who, new.id, new.name, new.file_format)
    return new


async def start(
    services: Services, who: Member, report_id: UUID, name: str, file_format: str | None
) -> None:
    """Start the workflow of a report that is kept."""
    if services.pipeline is None:
        return
    ref = ReportRef(
        organization_id=who.organization_id, report_id=report_id, file_format=file_format or ""
    )
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await services.pipeline.start_report(
                ref, name=name, organization_name=who.organization_name
            )
    except Exception as error:
        log.warning(
            "report %s is kept but not started; the sweep will: %s",
            report_id,
            type(error).__name__,
        )


def load(services: Services, who: Member, report_id: UUID) -> Found:
    """Return a report that the member may see. Raises 404."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        report = queries.find_report(session, who.organization_id, report_id, who.reach)
        if report is None:
            raise ApiError("not_found")
        events = audit.of_object(session, who.organization_id, "report", report_id)
    return Found(report, events)


async def sums_of_now(services: Services, who: Member, report: Report) -> Totals | None:
    """Return what the criteria of a completed report let through by now.

    None where there is nothing to compare it with, and when it cannot be told soon: it is a search
    like any other, and waits its turn.
    """
    if report.status != ReportStatus.COMPLETED or queries.shown_by(report) is None:
        return None
    try:
        async with services.lists.take(who.organization_id):
            return await run_in_threadpool(sum_up, services, who, queries.criteria_of(report))
    except ApiError as busy:
        log.info("report %s is shown without a comparison: %s", report.id, busy.code)
        return None


def sum_up(services: Services, who: Member, asked: queries.Criteria) -> Totals | None:
    """Return the sums under a report's criteria; None when they take too long."""
    scope = (who.organization_id, asked.reach, asked.wanted)
    with tenant_session(services.app_engine, who.organization_id) as session:
        return total_within(session, *scope, limit_ms=COMPARED_WITHIN_MS)


async def progress(services: Services, who: Member, report: Report) -> ReportProgress | None:
    """Return how far a report is that is being generated; None when nobody knows."""
    if report.status != ReportStatus.GENERATING or services.pipeline is None:
        return None
    ref = ReportRef(organization_id=who.organization_id, report_id=report.id)
    return await services.pipeline.report_progress(ref)


def may_delete(who: Member, report: Report) -> bool:
    """Tell whether a member may delete this report: their own, or any."""
    own = report.user_id == who.principal.user_id
    return may(who.role, Operation.DELETE_ANY) or (own and may(who.role, Operation.DELETE_OWN))


def remove(services: Services, who: Member, report_id: UUID, if_match: str | None) -> None:
    """Delete a report: object first, then the row, under its lock. Raises 403, 404, 412 or 503.

    The worker publishes under the same lock: it either finds the report deleted and removes what
    it wrote, or has written before and its object is removed here. Broken off between object and
    row, the report is still listed and deleting it again finishes the work.
    """
    organization_id = who.organization_id
    with tenant_session(services.app_engine, organization_id) as session:
        report = queries.find_report(session, organization_id, report_id, who.reach, lock=True)
        if report is None:
            raise ApiError("not_found")
        if not may_delete(who, report):
            raise ApiError("permission_denied")
        etags.require(if_match, report.updated_at)
        for file_format in ReportFormat:
            services.storage.delete(report_key(organization_id, report_id, file_format))
        queries.delete_report(session, organization_id, report_id)
        audit.record(
            session, organization_id, who.actor, action="report.deleted", object_type="report",
            object_id=report_id, before={"name": report.name, "status": report.status},
        )  # fmt: skip
        session.commit()


async def delete(
    services: Services, who: Member, report_id: UUID, expected: str | None = None
) -> None:
    """Delete a report and stop its workflow; one that goes on finds the report gone."""
    await run_in_threadpool(remove, services, who, report_id, expected)
    await stop(services, who, report_id)


async def stop(services: Services, who: Member, report_id: UUID) -> None:
    """Tell the workflow of a report that nobody waits for it; the row has said so already."""
    if services.pipeline is None:
        return
    ref = ReportRef(organization_id=who.organization_id, report_id=report_id)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await services.pipeline.cancel_report(ref)
    except Exception as error:
        log.info("workflow of report %s not cancelled: %s", report_id, type(error).__name__)


def give_up(services: Services, who: Member, report_id: UUID) -> None:
    """End a report that is being generated as failed, under its lock: a worker that has it written
    a moment later finds that and removes its file. Raises 403, 404 or 409."""
    organization_id = who.organization_id
    with tenant_session(services.app_engine, organization_id) as session:
        report = own_report(session, who, report_id)
        if report.status != ReportStatus.GENERATING:
            raise ApiError("report_not_running")
        queries.fail_report(session, organization_id, report_id, CANCELLED)
        audit.record(
            session, organization_id, who.actor, action="report.cancelled", object_type="report",
            object_id=report_id, before={"status": report.status},
        )  # fmt: skip
        session.commit()


async def cancel(services: Services, who: Member, report_id: UUID) -> None:
    """Stop a report that is being generated."""
    await run_in_threadpool(give_up, services, who, report_id)
    await stop(services, who, report_id)


def reopen(services: Services, who: Member, report_id: UUID) -> queries.Criteria:
    """Put a failed report back to the start. Raises 403, 404 or 409."""
    organization_id = who.organization_id
    with tenant_session(services.app_engine, organization_id) as session:
        report = own_report(session, who, report_id)
        if report.status != ReportStatus.FAILED:
            raise ApiError("report_not_failed")
        asked = queries.criteria_of(report)
        kind = ReportType(report.report_type or ReportType.EMISSION_SUMMARY)
        details = shows_details(kind, asked.include_details)
        rows = count_emissions(session, organization_id, asked.reach, asked.wanted)
        now, file_format = dt.datetime.now(dt.UTC), ReportFormat(report.file_format or "")
        again = replace(
            asked,
            rows_expected=rows,
            estimated_completion=estimate(now, rows, file_format, details=details),
        )
        queries.reopen_report(session, organization_id, report_id, again)
        audit.record(
            session, organization_id, who.actor, action="report.retried", object_type="report",
            object_id=report_id,
        )  # fmt: skip
        session.commit()
    return again


async def retry(services: Services, who: Member, report_id: UUID) -> queries.Criteria:
    """Generate a failed report once more: the same criteria, the figures of now."""
    again = await run_in_threadpool(reopen, services, who, report_id)
    found = await run_in_threadpool(load, services, who, report_id)
    await start(services, who, report_id, found.report.name, found.report.file_format)
    return again


def own_report(session: TenantSession, who: Member, report_id: UUID) -> Report:
    """Return a report, locked, that the member may change: their own, or any. Raises 403, 404."""
    report = queries.find_report(session, who.organization_id, report_id, who.reach, lock=True)
    if report is None:
        raise ApiError("not_found")
    if not may_delete(who, report):
        raise ApiError("permission_denied")
    return report
