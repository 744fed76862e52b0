"""/v1/files: uploads, how far they are, what is wrong with their rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from api import annotated, idempotency, status, uploads
from api.deps import Member, PagingDep, ReaderDep, ServicesDep, TenantDep, UploaderDep, bearer
from api.errors import ApiError
from api.etags import etag
from api.media_types import choose
from api.openapi import documented
from api.pagination import Binding, choose_sort, next_cursor
from api.present import file_detail, file_item, issue_item
from api.schemas.common import Text, pagination
from api.schemas.files import (
    FileAccepted,
    FileDetail,
    FileList,
    FileStatusAnswer,
    RowIssueList,
)
from core.contracts import FileStatus
from core.permissions import Operation
from core.records import Severity
from db.models import File
from db.queries import audit
from db.queries import files as queries

router = APIRouter(prefix="/v1/files", tags=["files"])

READ = Operation.READ
FORM_LIMITS = {"max_files": 1, "max_fields": 10, "max_part_size": 64 * 1024}
UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "example": {"file": "travel-2025.csv", "region": "GB", "reporting_year": 2025},
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",  # what generators of clients look for
                            "contentMediaType": "application/octet-stream",
                            "description": "CSV, TSV, TXT or XLSX",
                        },
                        "project_id": {
                            "type": "string",
                            "format": "uuid",
                            "description": "One of the organization's projects",
                        },
                        "region": {
                            "type": "string",
                            "description": "For rows that name none: ISO 3166-1 code or name",
                            "examples": ["GB"],
                        },
                        "reporting_year": {
                            "type": "integer",
                            "minimum": 1990,
                            "maximum": 2100,
                            "description": "For rows that have no date or year",
                        },
                        "upstream": {
                            "type": "boolean",
                            "default": False,
                            "description": "Also calculate well-to-tank and grid losses, as "
                            "linked figures that are in no total",
                        },
                        "mapping": {
                            "type": "string",
                            "description": (
                                "JSON: column heading or letter → field, or `ignore`. The keys "
                                "decimal_separator (`.` or `,`), date_order (`dmy` or `mdy`), "
                                "unit and currency are settings for the whole file. A heading "
                                "that the file does not have shows when it is parsed: it then "
                                "fails with `mapping_unknown_column`."
                            ),
                            "examples": ['{"Menge": "volume", "decimal_separator": ","}'],
                        },
                    },
                },
            }
        },
    }
}


async def upload_form(
    request: Request, who: UploaderDep, services: ServicesDep
) -> AsyncIterator[FormData]:
    """Read the form, after the caller was let in: what is large goes to a temporary file."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "multipart/form-data":
        raise ApiError(
            "unsupported_media_type", "Send the file as a form: Content-Type: multipart/form-data."
        )
    async with (
        services.uploads.take(who.organization_id),
        request.form(**FORM_LIMITS) as form,
    ):
        caller = (who.organization_id, who.principal.caller_id)
        await run_in_threadpool(idempotency.begin_form, request, *caller, form)
        yield form


_post = documented(
    "duplicate_file", "conflict", "upload_quota_exceeded", "malformed_request", "file_too_large",
    "type_not_allowed", "content_mismatch", "unsupported_media_type", "file_empty",
    "request_timeout", operation=Operation.UPLOAD_FILES,
)  # fmt: skip
_post["openapi_extra"] |= UPLOAD_FORM


@router.post("", status_code=202, **_post)
async def upload_file(
    who: UploaderDep,
    services: ServicesDep,
    form: Annotated[FormData, Depends(upload_form)],
    response: Response,
    allow_duplicate: Annotated[bool, Query(description="Take the same bytes again")] = False,
) -> FileAccepted:
    """Upload a file of activities; its processing starts at once and is watched by its status."""
    accepted = await uploads.take(services, who, form, allow_duplicate=allow_duplicate)
    response.headers["Location"] = f"/v1/files/{accepted.file_id}"
    return FileAccepted(
        file_id=accepted.file_id,
        status=FileStatus.UPLOADED,
        processing_job_id=accepted.job_id,
        duplicate_of=accepted.duplicate_of,
    )


FileType = Literal[
    "csv", "csv.gz", "json", "json.gz", "jsonl", "jsonl.gz", "ndjson", "ndjson.gz", "ods",
    "parquet", "tab", "tab.gz", "tsv", "tsv.gz", "txt", "txt.gz", "xls", "xlsx",
]  # fmt: skip


def file_filter(
    status: Annotated[FileStatus | None, Query(description="How far it is")] = None,
    project_id: Annotated[UUID | None, Query(description="Of this project")] = None,
    file_type: Annotated[FileType | None, Query(description="As its name ends")] = None,
    uploaded_from: Annotated[dt.datetime | None, Query(description="Included")] = None,
    uploaded_to: Annotated[dt.datetime | None, Query(description="Excluded")] = None,
    q: Annotated[Text | None, Query(description="Part of the name")] = None,
) -> queries.FileFilter:
    """Read the filter of the list. A time without a zone is UTC."""
    return queries.FileFilter(
        status, project_id, file_type, in_utc(uploaded_from), in_utc(uploaded_to), q
    )


def in_utc(time: dt.datetime | None) -> dt.datetime | None:
    """Return an aware time."""
    return time if time is None or time.tzinfo else time.replace(tzinfo=dt.UTC)


FileSort = Literal["created_at", "-created_at", "filename", "-filename", "size", "-size"]


@router.get("", **documented("cursor_invalid", operation=READ))
def list_files(
    who: ReaderDep,
    services: ServicesDep,
    session: TenantDep,
    wanted: Annotated[queries.FileFilter, Depends(file_filter)],
    paging: PagingDep,
    request: Request,
    response: Response,
    sort: Annotated[FileSort, Query(description="A minus turns it round")] = "-created_at",
) -> FileList:
    """List uploads, newest first unless sorted otherwise."""
    binding = Binding("files", who.organization_id, (who.reach.key(), wanted))
    asked = paging.request(services.cursors, choose_sort(queries.SORTS, sort), binding)
    scope = (session, who.organization_id, who.reach, wanted)
    page = queries.list_files(*scope, asked)
    total = queries.count_files(*scope) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return FileList(
        files=[file_item(file, who.reach) for file in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )


def found_file(file_id: UUID, who: ReaderDep, session: TenantDep) -> File:
    """Return the file that the path names. Raises 404."""
    file = queries.get_file(session, who.organization_id, file_id, who.reach)
    if file is None:
        raise ApiError("not_found")
    return file


FileDep = Annotated[File, Depends(found_file, scope="function")]


@router.get("/{file_id}", **documented(operation=READ))
def get_file(
    file: FileDep, who: ReaderDep, services: ServicesDep, session: TenantDep, response: Response
) -> FileDetail:
    """Return an upload: counts, totals by scope, how it was read, history, audit, download."""
    response.headers["ETag"] = etag(file.updated_at)
    return file_detail(
        file,
        who.reach,
        totals=queries.totals_by_scope(session, who.organization_id, file.id),
        history=queries.history(session, who.organization_id, file.id),
        events=audit.of_object(session, who.organization_id, "file", file.id),
        storage=services.storage,
        expires_s=services.settings.download_expires_s,
    )


@router.get("/{file_id}/status", **documented(operation=READ))
async def get_file_status(file_id: UUID, who: ReaderDep, services: ServicesDep) -> FileStatusAnswer:
    """Return how far an upload is, from its workflow or, when that is away, the database."""
    file = await run_in_threadpool(status.load, services, who, file_id)
    return await status.current(services, file)


async def stream_place(
    file_id: UUID, who: ReaderDep, services: ServicesDep
) -> AsyncIterator[Member]:
    """Check that the file is there before the stream begins, and hold a place until it ends."""
    await run_in_threadpool(status.load, services, who, file_id)
    with status.held_stream(services, who):
        yield who


_events = documented(operation=READ)
_events["responses"][200] = {
    "description": "One event a change",
    "content": {
        "text/event-stream": {
            # no schema: of a stream it would be that of its events
            "example": 'event: status\nid: 3\ndata: {"status": "calculating", …}\n\n'
            ": ping\n\n"
            'event: status\nid: 4\ndata: {"status": "completed", …}\n\n',
        }
    },
}


@router.get("/{file_id}/events", response_class=EventSourceResponse, **_events)
async def watch_file(
    file_id: UUID,
    who: Annotated[Member, Depends(stream_place)],
    services: ServicesDep,
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)],
) -> AsyncIterator[ServerSentEvent]:
    """Send the status as server-sent events until the file ends; a comment every 15 s."""
    async for now in status.watch(services, who, credentials.credentials, file_id):
        yield ServerSentEvent(event="status", data=now)


def issue_filter(
    severity: Annotated[
        Severity | None,
        Query(description="`rejected`: the row has no figure; `warning`: it has one"),
    ] = None,
    code: Annotated[
        Text | None, Query(description="Code of the problem, e.g. `unit_unknown`")
    ] = None,
) -> queries.IssueFilter:
    """Read the filter of the list."""
    return queries.IssueFilter(severity.value if severity else None, code)


def issue_media(
    request: Request, accept: Annotated[str | None, Header(include_in_schema=False)] = None
) -> str:
    """Return the media type that is wanted. Raises 406; 422 for a filter of a download."""
    media = choose(accept, annotated.OFFERED)
    if media != annotated.JSON:
        annotated.refuse_filters(request)
    return media


async def issue_place(
    who: ReaderDep, services: ServicesDep, media: Annotated[str, Depends(issue_media)]
) -> AsyncIterator[str]:
    """Hold one of the organization's places for downloads until the last piece is sent."""
    if media == annotated.JSON:
        yield media
        return
    async with services.downloads.take(who.organization_id):
        yield media


_issues = documented(
    "cursor_invalid", "not_acceptable", "file_not_ended", "file_not_read", operation=READ
)
_issues["responses"][200] = annotated.RESPONSE


@router.get("/{file_id}/issues", response_model=RowIssueList, **_issues)
def list_file_issues(
    # in this order: whoever waits for a place or a turn holds no connection meanwhile
    media: Annotated[str, Depends(issue_place)],
    paging: PagingDep,
    file: FileDep,
    services: ServicesDep,
    session: TenantDep,
    wanted: Annotated[queries.IssueFilter, Depends(issue_filter)],
    request: Request,
    response: Response,
) -> RowIssueList | Response:
    """List what is wrong with the rows, in their order; or download the upload, annotated.

    As `text/csv` or XLSX every row of the upload comes as it was written, with its outcome, the
    reason, the figure and its factor.
    """
    if media != annotated.JSON:
        session.close()  # no download waits for a second connection while it holds one
        return annotated.download(services, file, media)
    response.headers["Vary"] = "Accept"
    binding = Binding("issues", file.organization_id, (file.id, wanted))
    asked = paging.request(services.cursors, queries.ISSUE_ORDER, binding)
    scope = (session, file.organization_id, file.id, wanted)
    page = queries.list_issues(*scope, asked)
    total = queries.count_issues(*scope) if paging.wants_total else None
    cursor = next_cursor(page, services.cursors, asked, binding, request, response)
    return RowIssueList(
        issues=[issue_item(issue) for issue in page.rows],
        pagination=pagination(paging.limit, cursor, total),
    )
