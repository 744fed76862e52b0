"""Taking an upload: what is allowed, where it goes, in which order it becomes durable.

The object is put before the row is committed, the workflow is started after it. A crash between
the first two leaves an object that the sweep removes; between the last two a row that the sweep
starts: the row is the outbox.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import logging
from dataclasses import dataclass
from typing import BinaryIO
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from api.deps import Member
from api.errors import ApiError, Fault
from api.services import Services
from api.upload_form import Upload, read_form
from core.contracts import FileRef, FileStatus, workflow_id
from core.errors import NotFound
from db.engine import tenant_session
from db.ids import uuid7
from db.models import File
from db.queries import audit
from db.queries.files import NewFile, add_file, bytes_uploaded, find_by_digest
from db.queries.organizations import project_exists

log = logging.getLogger("tonnage.api")

START_TIMEOUT_S = 3
HASHED_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Accepted:
    """An upload that is durable now."""

    file_id: UUID
    job_id: str
    duplicate_of: UUID | None


def digest_of(source: BinaryIO) -> str:
    """Return the SHA-256 of a file, in hex, reading it in pieces."""
    source.seek(0)
    digest = hashlib.sha256()
    while chunk := source.read(HASHED_BYTES):
        digest.update(chunk)
    source.seek(0)
    return digest.hexdigest()


def check_project(services: Services, who: Member, project_id: UUID | None) -> None:
    """Require that the upload goes where the member may put it. Raises 403 or 422."""
    if project_id is None:
        if not who.reach.includes(None):
            raise ApiError("permission_denied", "Your membership is limited to projects: name one.")
        return
    with tenant_session(services.app_engine, who.organization_id) as session:
        exists = project_exists(session, who.organization_id, project_id)
    if not exists or not who.reach.includes(project_id):
        fault = Fault("#/project_id", "project_unknown", "there is no such project for you")
        raise ApiError("validation_failed", faults=[fault])


def check_quota(services: Services, who: Member, size_bytes: int) -> None:
    """Refuse what goes beyond the organization's bytes of the day. Raises 429.

    What is being uploaded at this moment is not counted yet.
    """
    quota = services.settings.upload_daily_max_bytes
    if not quota:
        return
    now = dt.datetime.now(dt.UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    with tenant_session(services.app_engine, who.organization_id) as session:
        used = bytes_uploaded(session, who.organization_id, today)
    if used + size_bytes > quota:
        wait = today + dt.timedelta(days=1) - now
        headers = {"Retry-After": str(int(wait.total_seconds()) + 1)}
        raise ApiError("upload_quota_exceeded", headers=headers, limit_bytes=quota)


def find_first(services: Services, who: Member, sha256: str) -> File | None:
    """Return the first upload of the same bytes."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        return find_by_digest(session, who.organization_id, sha256)


def refuse_duplicate(first: File, who: Member) -> ApiError:
    """Return the 409; it names the first file only to those who may see it."""
    if who.reach.includes(first.project_id):
        return ApiError("duplicate_file", file_id=str(first.id))
    return ApiError("duplicate_file")


def store(services: Services, who: Member, upload: Upload, *, allow_duplicate: bool) -> Accepted:
    """Make an upload durable: object, then row and audit event in one transaction.

    Raises 403, 409, 422 or 503. No transaction is open while the object is written.
    """
    check_project(services, who, upload.project_id)
    sha256 = digest_of(upload.content)
    first = find_first(services, who, sha256)
    if first is not None and not allow_duplicate:
        raise refuse_duplicate(first, who)
    check_quota(services, who, upload.size_bytes)
    file_id = uuid7()
    key = f"{who.organization_id}/files/{file_id}"
    stored = services.storage.put(key, upload.content, content_type=upload.media_type)
    new = NewFile(
        id=file_id,
        user_id=who.principal.user_id,
        project_id=upload.project_id,
        filename=upload.filename,
        object_storage_path=stored.url,
        file_size=stored.size_bytes,
        mime_type=upload.media_type,
        file_type=upload.file_type,
        sha256=stored.sha256,
        duplicate_of=first.id if first else None,
        region=upload.region,
        reporting_year=upload.reporting_year,
        mapping=upload.mapping,
        remember_mapping=bool(upload.mapping) and who.reach.projects is None,
        upstream=upload.upstream,
        processing_job_id=workflow_id(file_id),
    )
    try:
        insert(services, who, new)
    except (IntegrityError, NotFound):
        # Someone sent the same bytes meanwhile, or the project went away.
        services.storage.delete(key)
        first = find_first(services, who, sha256)
        raise (refuse_duplicate(first, who) if first else ApiError("conflict")) from None
    shown = first if first is not None and who.reach.includes(first.project_id) else None
    return Accepted(file_id, new.processing_job_id, shown.id if shown else None)


def insert(services: Services, who: Member, new: NewFile) -> None:
    """Commit the row together with its audit event. Raises NotFound for a project that is gone."""
    after = {
        "filename": new.filename,
        "size_bytes": new.file_size,
        "sha256": new.sha256,
        "status": FileStatus.UPLOADED.value,
        "project_id": str(new.project_id) if new.project_id else None,
    }
    with tenant_session(services.app_engine, who.organization_id) as session:
        if new.project_id is not None and not project_exists(
            session, who.organization_id, new.project_id, lock=True
        ):
            raise NotFound
        add_file(session, who.organization_id, new)
        audit.record(
            session, who.organization_id, who.actor,
            action="file.uploaded", object_type="file", object_id=new.id, after=after,
        )  # fmt: skip
        session.commit()


async def start(services: Services, who: Member, upload: Upload, accepted: Accepted) -> None:
    """Start the workflow. When it cannot be, the sweep does so later: nothing is lost."""
    if services.pipeline is None:
        return
    ref = FileRef(organization_id=who.organization_id, file_id=accepted.file_id)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await services.pipeline.start_file(
                ref, filename_summary=upload.filename, organization_name=who.organization_name
            )
    except Exception as error:
        log.warning(
            "file %s is stored but not started; the sweep will: %s",
            accepted.file_id,
            type(error).__name__,
        )


async def take(
    services: Services, who: Member, form: FormData, *, allow_duplicate: bool
) -> Accepted:
    """Check, store and start an upload."""
    upload = await run_in_threadpool(read_form, form, services.settings.upload_max_bytes)
    accepted = await run_in_threadpool(
        store, services, who, upload, allow_duplicate=allow_duplicate
    )
    await start(services, who, upload, accepted)
    return accepted
