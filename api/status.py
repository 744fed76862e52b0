"""How far an upload is: asked of its workflow, else read from its row."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from anyio import WouldBlock
from starlette.concurrency import run_in_threadpool

from api.deps import Member, authenticate, choose_membership
from api.errors import ApiError
from api.schemas.files import FileFault, FileStatusAnswer, PendingRetry
from api.services import Services
from core.contracts import FileProgress, FileRef, FileStatus, Problem
from core.permissions import reach_of
from core.ports import PendingAttempt, Pipeline
from db.engine import tenant_session
from db.models import File
from db.queries.files import get_file

log = logging.getLogger("tonnage.api")

ENDED = frozenset({FileStatus.COMPLETED, FileStatus.FAILED})
ASK_TIMEOUT_S = 1.5  # the pipeline promises one second; this holds it to that
RECHECK_RIGHTS_S = 10


def stored_progress(file: File) -> FileProgress:
    """Return the progress that the pipeline mirrored to the row, with the row's own last word."""
    progress = FileProgress.model_validate(file.progress or {})
    status = FileStatus(file.status or FileStatus.UPLOADED)
    errors = progress.errors
    if file.error_code and all(problem.code != file.error_code for problem in errors):
        errors += (Problem(code=file.error_code, message=file.error_message or ""),)
    counts = progress.progress
    if status is FileStatus.COMPLETED:
        counts = counts.model_copy(update={"percent": 100.0})
    return progress.model_copy(update={"status": status, "errors": errors, "progress": counts})


async def ask(
    pipeline: Pipeline, ref: FileRef
) -> tuple[FileProgress | None, Sequence[PendingAttempt]]:
    """Ask the workflow; (None, ()) when it does not answer in time."""
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            progress, attempts = await asyncio.gather(
                pipeline.file_progress(ref), pipeline.attempts(ref)
            )
            return progress, attempts
    except Exception as error:  # whatever is wrong with it, the row still answers
        log.info("the pipeline did not answer: %s", type(error).__name__)
        return None, ()


async def current(services: Services, file: File) -> FileStatusAnswer:
    """Return how far a file is, whether or not Temporal is there."""
    progress, attempts = stored_progress(file), ()  # type: FileProgress, Sequence[PendingAttempt]
    source = "database"
    if progress.status not in ENDED and services.pipeline is not None:
        ref = FileRef(organization_id=file.organization_id, file_id=file.id)
        live, attempts = await ask(services.pipeline, ref)
        # After a retry the closed run before answers until the new one has begun.
        if live is not None and live.run >= file.processing_runs:
            progress, source = live, "workflow"
    return answer(file.id, progress, attempts, source)


def answer(
    file_id: UUID, progress: FileProgress, attempts: Sequence[PendingAttempt], source: str
) -> FileStatusAnswer:
    """Put progress and pending retries together."""
    failing = {attempt.stage: attempt for attempt in attempts if attempt.attempt > 1}
    stages = [
        stage.model_copy(update={"attempts": max(stage.attempts, failing[stage.name].attempt)})
        if stage.name in failing
        else stage
        for stage in progress.stages
    ]
    extra = sum(attempt.attempt - 1 for attempt in attempts)
    return FileStatusAnswer(
        file_id=file_id,
        status=progress.status,
        stage=progress.stage,
        stages=stages,
        progress=progress.progress,
        retries=max(progress.retries, extra),
        retrying=[PendingRetry.model_validate(a) for a in attempts if a.last_error],
        errors=[FileFault.model_validate(problem) for problem in progress.errors],
        eta=progress.eta,
        source=source,
    )


def load(services: Services, who: Member, file_id: UUID) -> File:
    """Return a file that a member may see. Raises 404."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        file = get_file(session, who.organization_id, file_id, who.reach)
    if file is None:
        raise ApiError("not_found")
    return file


def still_allowed(services: Services, who: Member, token: str, file_id: UUID) -> bool:
    """Tell whether the reader of a stream may still read it: logged in, member, in reach."""
    try:
        principal = authenticate(services, token)
        chosen = choose_membership(principal, str(who.organization_id))
    except ApiError:
        return False
    with tenant_session(services.app_engine, who.organization_id) as session:
        reach = reach_of(chosen.permissions)
        return get_file(session, who.organization_id, file_id, reach) is not None


async def watch(
    services: Services, who: Member, token: str, file_id: UUID
) -> AsyncIterator[FileStatusAnswer]:
    """Yield the status at once and after every change, until the file ends.

    Ends as well when the right to read ends, when this process is asked to end, or after
    `stream_lasts_s`: clients reconnect. Each
    look takes a connection only for its own short query.
    """
    began = checked = time.monotonic()
    last: FileStatusAnswer | None = None
    while time.monotonic() - began < services.stream_lasts_s and not services.shutdown.stopping:
        if time.monotonic() - checked >= RECHECK_RIGHTS_S:
            checked = time.monotonic()
            if not await run_in_threadpool(still_allowed, services, who, token, file_id):
                return
        try:
            file = await run_in_threadpool(load, services, who, file_id)
        except ApiError:  # deleted meanwhile
            return
        now = await current(services, file)
        if now != last:
            last = now
            yield now
        # The row has the last word: a workflow may say "completed" a moment before its commit.
        if FileStatus(file.status or "uploaded") in ENDED:
            return
        await asyncio.sleep(services.status_poll_s)


@contextmanager
def held_stream(services: Services, who: Member) -> Iterator[None]:
    """Hold one of the event streams of this process. Raises 503 when all are taken.

    One person gets a share of them, and one organization: their open pages must not shut out
    everybody else.
    """
    holder = object()
    with (
        services.streams_of_person.hold(who.principal.user_id),
        services.streams_of_organization.hold(who.organization_id),
    ):
        try:
            services.streams.acquire_on_behalf_of_nowait(holder)
        except WouldBlock:
            raise ApiError("busy") from None
        try:
            yield
        finally:
            services.streams.release_on_behalf_of(holder)
