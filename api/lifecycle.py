"""Deleting, cancelling and retrying uploads, and deleting figures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from psycopg.errors import LockNotAvailable
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool

from api.deps import Member
from api.errors import ApiError
from api.etags import require
from api.schemas.lifecycle import Cascaded, FileCancelled, FileDeleted, FileRetried
from api.services import Services
from core.contracts import FileProgress, FileRef, FileStatus
from core.errors import NotFound
from core.keys import trash_key, upload_key
from core.permissions import Operation, may
from core.ports import Pipeline
from core.resuming import restarted, resume_point
from db.engine import TenantSession, tenant_session
from db.models import File
from db.queries import audit, emissions, pipeline
from db.queries import lifecycle as queries

log = logging.getLogger("tonnage.api")

START_TIMEOUT_S = 3
# Marked within the request: most files are smaller and are done with at once.
ROWS_AT_ONCE = 5_000
ENDED = frozenset({FileStatus.COMPLETED.value, FileStatus.FAILED.value})
QUARANTINED = "infected"


@contextmanager
def locked(services: Services, who: Member, file_id: UUID) -> Iterator[tuple[TenantSession, File]]:
    """Yield a session that holds the file against its workers. Raises 404, or 503 while a large
    change of it is being written."""
    try:
        with tenant_session(services.app_engine, who.organization_id) as session:
            file = queries.lock_file(session, who.organization_id, file_id, who.reach)
            if file is None:
                raise ApiError("not_found")
            yield session, file
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise ApiError("busy") from error
        raise


def require_right(who: Member, file: File, own: Operation) -> None:
    """Let members change their own uploads, and managers any. Raises 403."""
    mine = file.user_id == who.principal.user_id
    if not (may(who.role, Operation.DELETE_ANY) or (mine and may(who.role, own))):
        raise ApiError("permission_denied")


def remove_file(
    services: Services, who: Member, file_id: UUID, expected: str | None
) -> tuple[FileDeleted, bool]:
    """Delete a file in one transaction; return the answer and whether it was in work."""
    with locked(services, who, file_id) as (session, file):
        require_right(who, file, Operation.DELETE_OWN)
        require(expected, file.updated_at)
        scope = (session, who.organization_id, file_id)
        gone = queries.delete_file(*scope, purge_after_days=services.settings.purge_after_days)
        if gone.emissions <= ROWS_AT_ONCE and gone.reviews <= ROWS_AT_ONCE:
            queries.mark_rows(*scope, ROWS_AT_ONCE)
        cascaded = {"emissions": gone.emissions, "reviews": gone.reviews}
        audit.record(
            session, who.organization_id, who.actor, action="file.deleted", object_type="file",
            object_id=file_id, before={"filename": file.filename, "status": file.status},
            after={"cascaded": cascaded, "purge_after": gone.purge_at.isoformat()},
        )  # fmt: skip
        session.commit()
    answer = FileDeleted(
        deleted=True, file_id=file_id, cascaded=Cascaded(**cascaded), purge_after=gone.purge_at
    )
    return answer, file.status not in ENDED


def hide_object(services: Services, who: Member, file_id: UUID) -> None:
    """Move the upload away from under every link that was signed for it."""
    source = upload_key(who.organization_id, file_id)
    try:
        services.storage.move(source, trash_key(who.organization_id, file_id))
    except NotFound:  # in quarantine, where no link leads
        log.debug("no upload at its place; quarantined: %s", file_id)


async def delete_file(
    services: Services, who: Member, file_id: UUID, expected: str | None
) -> FileDeleted:
    """Delete an upload with all that hangs on it. What cannot be done at once the sweep does."""
    answer, in_work = await run_in_threadpool(remove_file, services, who, file_id, expected)
    try:
        await run_in_threadpool(hide_object, services, who, file_id)
        if in_work and services.pipeline is not None:
            ref = FileRef(organization_id=who.organization_id, file_id=file_id)
            async with asyncio.timeout(START_TIMEOUT_S):
                await services.pipeline.cancel_file(ref)
    except Exception as error:
        log.warning("file %s is deleted; the sweep clears up: %s", file_id, type(error).__name__)
    return answer


def remove_emission(
    services: Services, who: Member, emission_id: UUID, expected: str | None
) -> None:
    """Delete a figure; its row is rejected from now on, with that reason. Raises 403, 404, 412."""
    organization_id = who.organization_id
    with tenant_session(services.app_engine, organization_id) as session:
        shown = emissions.get_explained(session, organization_id, emission_id, who.reach)
    if shown is None:
        raise ApiError("not_found")
    with locked(services, who, shown.file.id) as (session, file):
        require_right(who, file, Operation.DELETE_OWN)
        found = emissions.get_explained(session, organization_id, emission_id, who.reach)
        if found is None:  # deleted while we waited
            raise ApiError("not_found")
        require(expected, found.emission.updated_at)
        gone = queries.delete_emission(session, organization_id, file.id, emission_id)
        if gone is None:
            raise ApiError("not_found")
        audit.record(
            session, organization_id, who.actor, action="emission.deleted",
            object_type="emission", object_id=emission_id,
            before={"file_id": str(file.id), "kg_co2e": gone.kg_co2e},
        )  # fmt: skip
        session.commit()


def ask_to_stop(services: Services, who: Member, file_id: UUID) -> FileCancelled:
    """Remember that a file shall stop. Raises 403, 404, 409."""
    with locked(services, who, file_id) as (session, file):
        require_right(who, file, Operation.UPLOAD_FILES)
        if file.status in ENDED:
            raise ApiError("file_not_running")
        first = file.cancel_requested_at is None
        if first or file.settle_failures:
            queries.request_cancel(session, who.organization_id, file_id)
        if first:
            audit.record(
                session, who.organization_id, who.actor, action="file.cancel_requested",
                object_type="file", object_id=file_id, before={"status": file.status},
            )  # fmt: skip
        session.commit()
        session.refresh(file)
        assert file.cancel_requested_at is not None
        return FileCancelled(
            file_id=file_id,
            status=FileStatus(file.status or FileStatus.UPLOADED),
            cancel_requested_at=file.cancel_requested_at,
        )


async def cancel_file(services: Services, who: Member, file_id: UUID) -> FileCancelled:
    """Stop an upload. The wish is durable before Temporal is told; the sweep tells it again."""
    answer = await run_in_threadpool(ask_to_stop, services, who, file_id)
    ref = FileRef(organization_id=who.organization_id, file_id=file_id)
    await told(services, ref, "cancelled", lambda pipeline: pipeline.cancel_file(ref))
    return answer


def prepare_retry(services: Services, who: Member, file_id: UUID) -> tuple[FileRetried, str, bool]:
    """Make a failed file wait for its next run; return the answer, its name, and whether this is
    new. Raises 403, 404, 409."""
    with locked(services, who, file_id) as (session, file):
        require_right(who, file, Operation.UPLOAD_FILES)
        progress = FileProgress.model_validate(file.progress or {})
        start, run = resume_point(progress), file.processing_runs
        again = file.status == FileStatus.FAILED.value
        if again:
            if file.scan_state == QUARANTINED:
                raise ApiError("file_quarantined")
            run += 1
            progress = restarted(progress, start, run)
            begin_again(session, who, file, progress, resumes_at=start.value)
        elif file.status == FileStatus.COMPLETED.value or run == 1:
            raise ApiError("file_not_failed")
        answer = FileRetried(
            file_id=file_id,
            status=FileStatus.UPLOADED if again else FileStatus(file.status or "uploaded"),
            processing_job_id=file.processing_job_id,
            run=run,
            resumes_at=start,
        )
        return answer, file.filename, again


def begin_again(
    session: TenantSession, who: Member, file: File, progress: FileProgress, *, resumes_at: str
) -> None:
    """Commit a retry with its lines in history and audit trail."""
    organization_id, file_id = who.organization_id, file.id
    before = {"error_code": file.error_code, "run": file.processing_runs}
    queries.begin_again(session, organization_id, file_id, progress)
    pipeline.add_event(
        session, organization_id, file_id, stage=resumes_at, kind="retried",
        attempt=progress.run, message=f"run {progress.run}, asked for by a person",
    )  # fmt: skip
    audit.record(
        session, organization_id, who.actor, action="file.retried", object_type="file",
        object_id=file_id, before=before, after={"run": progress.run, "resumes_at": resumes_at},
    )  # fmt: skip
    session.commit()


async def retry_file(services: Services, who: Member, file_id: UUID) -> FileRetried:
    """Process a failed upload again, from where it failed. A second click joins the same run."""
    answer, filename, again = await run_in_threadpool(prepare_retry, services, who, file_id)
    ref = FileRef(organization_id=who.organization_id, file_id=file_id, run=answer.run)
    if again:
        await told(
            services, ref, "retried",
            lambda pipeline: pipeline.start_file(
                ref, filename_summary=filename, organization_name=who.organization_name
            ),
        )  # fmt: skip
    return answer


async def told(
    services: Services, ref: FileRef, what: str, tell: Callable[[Pipeline], Awaitable[object]]
) -> None:
    """Tell the pipeline what is durable already; when it is away the sweep tells it later."""
    if services.pipeline is None:
        return
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await tell(services.pipeline)
    except Exception as error:
        log.warning("file %s is to be %s; the sweep will: %s", ref.file_id, what,
                    type(error).__name__)  # fmt: skip
