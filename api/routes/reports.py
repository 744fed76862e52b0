"""/v1/emissions/reports: figures as files, generated in the background."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api import reports
from api.deps import Member, PagingDep, ReaderDep, ServicesDep, TenantDep, requires
from api.etags import IfMatch, etag
from api.openapi import documented
from api.pagination import Binding, next_cursor
from api.present import report_detail, report_item
from api.routes.files import in_utc
from api.schemas.common import pagination
from api.schemas.reports import (
    ReportAccepted,
    ReportCancelled,
    ReportDeleted,
    ReportDetail,
    ReportList,
    ReportRequest,
)
from core.permissions import Operation
from core.reporting import ReportStatus, ReportType
from db.queries import reports as queries

router = APIRouter(prefix="/v1/emissions/reports", tags=["reports"])

ReporterDep = Annotated[Member, Depends(requires(Operation.CREATE_REPORTS))]
DeleterDep = Annotated[Member, Depends(requires(Operation.DELETE_OWN))]

_post = documented(
    "malformed_request", "body_too_large", "unsupported_media_type", "request_timeout",
    operation=Operation.CREATE_REPORTS,
)  # fmt: skip


@router.post("", status_code=202, **_post)
async def create_report(
    body: ReportRequest, who: ReporterDep, services: ServicesDep, response: Response
) -> ReportAccepted:
    """Ask for a report; its criteria are frozen now, its figures come from one moment."""
    new = await reports.request(services, who, body)
    response.headers["Location"] = f"/v1/emissions/reports/{new.id}"
    return ReportAccepted(
        report_id=new.id,
        status=ReportStatus.GENERATING,
        estimated_completion=new.criteria.estimated_completion,
    )


def report_filter(
    status: Annotated[ReportStatus | None, Query(description="How far it is")] = None,
    report_type: Annotated[ReportType | None, Query(description="Kind of report")] = None,
    created_from: Annotated[dt.datetime | None, Query(description="Included")] = None,
    created_to: Annotated[dt.datetime | None, Query(description="Excluded")] = None,
) -> queries.ReportFilter:
    """Read the filter of the list. A time without a zone is UTC."""
    return queries.ReportFilter(status, report_type, in_utc(created_from), in_utc(created_to))


@router.get("", **documented("cursor_invalid", operation=Operation.READ))
def list_reports(
    who: ReaderDep,
    services: ServicesDep,
    session: TenantDep,
    wanted: Annotated[queries.ReportFilter, Depends(report_filter)],
    paging: PagingDep,
    request: Request,
    response: Response,
) -> ReportList:
    """List reports, newest first."""
    binding = Binding("reports", who.organization_id, (who.reach.key(), wanted))
    asked = paging.request(services.cursors, queries.BY_AGE, binding)
    scope = (session, who.organization_id, who.reach, wanted)
    page = queries.list_reports(*scope, asked)
    total = queries.count_reports(*scope) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return ReportList(
        reports=[report_item(report) for report in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )


@router.get("/{report_id}", **documented(operation=Operation.READ))
async def get_report(
    report_id: UUID, who: ReaderDep, services: ServicesDep, response: Response
) -> ReportDetail:
    """Return a report: criteria, how far it is, download link, audit trail."""
    found = await run_in_threadpool(reports.load, services, who, report_id)
    progress = await reports.progress(services, who, found.report)
    now = await reports.sums_of_now(services, who, found.report)
    response.headers["ETag"] = etag(found.report.updated_at)
    return report_detail(
        found.report,
        now=now,
        progress=progress,
        estimated_completion=reports.estimate_again(found.report, progress),
        may_delete=reports.may_delete(who, found.report),
        events=found.events,
        storage=services.storage,
        expires_s=services.settings.download_expires_s,
    )


@router.delete("/{report_id}", **documented("precondition_failed", operation=Operation.DELETE_OWN))
async def delete_report(
    report_id: UUID, who: DeleterDep, services: ServicesDep, if_match: IfMatch = None
) -> ReportDeleted:
    """Delete a report and its stored file; stops it while it is being generated."""
    await reports.delete(services, who, report_id, if_match)
    return ReportDeleted(deleted=True, report_id=report_id)


@router.post(
    "/{report_id}/cancel",
    status_code=202,
    **documented("report_not_running", operation=Operation.CREATE_REPORTS),
)
async def cancel_report(
    report_id: UUID, who: ReporterDep, services: ServicesDep
) -> ReportCancelled:
    """Stop a report that is being generated: one's own, or any for managers."""
    await reports.cancel(services, who, report_id)
    return ReportCancelled(report_id=report_id, status=ReportStatus.FAILED)


@router.post(
    "/{report_id}/retry",
    status_code=202,
    **documented("report_not_failed", operation=Operation.CREATE_REPORTS),
)
async def retry_report(
    report_id: UUID, who: ReporterDep, services: ServicesDep, response: Response
) -> ReportAccepted:
    """Generate a failed or cancelled report again: the same criteria, the figures of now."""
    again = await reports.retry(services, who, report_id)
    response.headers["Location"] = f"/v1/emissions/reports/{report_id}"
    return ReportAccepted(
        report_id=report_id,
        status=ReportStatus.GENERATING,
        estimated_completion=again.estimated_completion,
    )
