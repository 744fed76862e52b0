"""Recalculations: asked for, committed, cancelled, deleted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from starlette.concurrency import run_in_threadpool

from api import etags
from api.deps import Member
from api.errors import ApiError, Fault
from api.schemas.recalculations import RecalculationRequest
from api.services import Services
from core.contracts import FileStatus, RecalculationRef
from core.ports import Pipeline
from core.recalculation import Status
from db.engine import TenantSession, tenant_session
from db.ids import uuid7
from db.models import AuditEvent, Recalculation
from db.queries import audit
from db.queries import recalculations as queries
from db.queries.recalculation_commit import is_stale

log = logging.getLogger("tonnage.api")

START_TIMEOUT_S = 3
UNCOMMITTED = (Status.PREVIEWING, Status.PREVIEWED, Status.CANCELLED, Status.EXPIRED)
STOPPABLE = (Status.PREVIEWING, Status.PREVIEWED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Found:
    """A recalculation with how far it is and its audit trail."""

    recalculation: Recalculation
    progress: queries.Progress
    events: Sequence[AuditEvent]


# Each preview writes a row a figure.
MOST_AT_ONCE = 3


def check(session: TenantSession, who: Member, body: RecalculationRequest) -> None:
    """Refuse releases and files that are not there, each by its place. Raises 404 and 422."""
    unknown = queries.unknown_releases(session, body.releases)
    faults = [
        Fault(f"#/releases/{n}", "release_unknown", "no such release is loaded; see GET "
              "/v1/emission-factors/releases")
        for n, name in enumerate(body.releases)
        if name in unknown
    ]  # fmt: skip
    if body.file_ids is not None:
        seen = queries.file_statuses(session, who.organization_id, who.reach, body.file_ids)
        if set(body.file_ids) - set(seen):
            raise ApiError("not_found")
        faults += [
            Fault(f"#/file_ids/{n}", "file_not_completed", "only completed files have figures")
            for n, file_id in enumerate(body.file_ids)
            if seen[file_id] != FileStatus.COMPLETED
        ]
    if faults:
        raise ApiError("validation_failed", faults=faults)


def store(services: Services, who: Member, body: RecalculationRequest) -> UUID:
    """Commit the row together with its audit event; return its id. Raises 404 and 422."""
    organization_id = who.organization_id
    with tenant_session(services.app_engine, organization_id) as session:
        queries.lock_requests(session, organization_id)  # else all who come at once count the same
        if queries.count_busy(session, organization_id) >= MOST_AT_ONCE:
            raise ApiError("too_many_recalculations")
        check(session, who, body)
        new = queries.NewRecalculation(
            id=uuid7(),
            user_id=who.principal.user_id,
            releases=tuple(dict.fromkeys(body.releases)),
            selection=queries.Selection(
                file_ids=None if body.file_ids is None else tuple(dict.fromkeys(body.file_ids)),
                project_id=body.filters.project_id,
                year_from=body.filters.year_from,
                year_to=body.filters.year_to,
            ),
            reach=who.reach,
            reason=body.reason,
        )
        queries.add(session, organization_id, new)
        after: dict[str, object] = {
            "releases": list(new.releases),
            "selection": new.selection.to_json(),
        }
        note(session, who, new.id, "recalculation.requested", after)
        session.commit()
    return new.id


async def request(services: Services, who: Member, body: RecalculationRequest) -> UUID:
    """Take a recalculation and start its preview; when that cannot be, the sweep does so later."""
    recalculation_id = await run_in_threadpool(store, services, who, body)
    ref = ref_of(who, recalculation_id)
    await reach_out(
        services,
        lambda p: p.preview_recalculation(ref, organization_name=who.organization_name),
        "preview",
    )
    return recalculation_id


def load(services: Services, who: Member, recalculation_id: UUID) -> Found:
    """Return a recalculation that the member may see. Raises 404."""
    organization_id = who.organization_id
    with tenant_session(services.app_engine, organization_id) as session:
        found = queries.find(session, organization_id, recalculation_id, who.reach)
        if found is None:
            raise ApiError("not_found")
        return Found(
            found,
            queries.progress(session, organization_id, recalculation_id),
            audit.of_object(session, organization_id, "recalculation", recalculation_id),
        )


def take_commit(
    services: Services, who: Member, recalculation_id: UUID, if_match: str | None = None
) -> Status:
    """Let a preview be committed, under its lock. Raises 404, 409 and 412.

    Asked for twice, it is committed once.
    """
    organization_id = who.organization_id
    with tenant_session(services.app_engine, organization_id) as session:
        found = locked(session, who, recalculation_id)
        if found.status == Status.COMMITTING:
            return Status.COMMITTING
        etags.require(if_match, found.updated_at)
        if found.status != Status.PREVIEWED:
            raise wrong_state(found.status, Status.PREVIEWED)
        if queries.another_commits(session, organization_id):
            raise ApiError("recalculation_running")
        if is_stale(session, organization_id, recalculation_id):
            raise ApiError("recalculation_stale")
        try:
            queries.request_commit(
                session, organization_id, recalculation_id, who.principal.user_id
            )
            session.flush()
        except IntegrityError as error:  # another one was a moment faster
            raise ApiError("recalculation_running") from error
        note(session, who, recalculation_id, "recalculation.commit_requested", found.totals)
        session.commit()
    return Status.COMMITTING


async def commit(
    services: Services, who: Member, recalculation_id: UUID, if_match: str | None = None
) -> Status:
    """Apply a preview; when the workflow cannot be started, the sweep does so later."""
    status = await run_in_threadpool(take_commit, services, who, recalculation_id, if_match)
    ref = ref_of(who, recalculation_id)
    await reach_out(
        services,
        lambda p: p.commit_recalculation(ref, organization_name=who.organization_name),
        "commit",
    )
    return status


def end(
    services: Services, who: Member, recalculation_id: UUID, if_match: str | None, *, delete: bool
) -> None:
    """Cancel a preview, or delete one that changed nothing. Raises 404, 409 and 412."""
    organization_id = who.organization_id
    with tenant_session(services.app_engine, organization_id) as session:
        found = locked(session, who, recalculation_id)
        etags.require(if_match, found.updated_at)
        failed = found.status == Status.FAILED and found.commit_requested_at is None
        if delete and found.status not in UNCOMMITTED and not failed:
            raise wrong_state(found.status, *UNCOMMITTED)
        if not delete and found.status not in STOPPABLE:
            raise wrong_state(found.status, *STOPPABLE)
        if found.status in (Status.PREVIEWING, Status.PREVIEWED):
            queries.cancel(session, organization_id, recalculation_id)
            note(session, who, recalculation_id, "recalculation.cancelled", None)
        if delete:
            queries.delete(session, organization_id, recalculation_id)
            note(session, who, recalculation_id, "recalculation.deleted", None)
        session.commit()


async def stop(
    services: Services, who: Member, recalculation_id: UUID, if_match: str | None = None,
    *, delete: bool,
) -> None:  # fmt: skip
    """End a preview and its workflow; one that goes on finds that it ended."""
    await run_in_threadpool(lambda: end(services, who, recalculation_id, if_match, delete=delete))
    ref = ref_of(who, recalculation_id)
    await reach_out(services, lambda p: p.cancel_recalculation(ref), "cancellation")


def wrong_state(status: str, *needed: Status) -> ApiError:
    """Return a 409 that says what the status is and would have to be."""
    told = f"The recalculation is {status}; this needs {' or '.join(needed)}."
    return ApiError("recalculation_state", told, state=status, needed=list(needed))


def locked(session: TenantSession, who: Member, recalculation_id: UUID) -> Recalculation:
    """Return a recalculation, held until the transaction ends. Raises 404."""
    found = queries.find(session, who.organization_id, recalculation_id, who.reach, lock=True)
    if found is None:
        raise ApiError("not_found")
    return found


def ref_of(who: Member, recalculation_id: UUID) -> RecalculationRef:
    """Name a recalculation towards the pipeline."""
    return RecalculationRef(organization_id=who.organization_id, recalculation_id=recalculation_id)


def note(
    session: TenantSession,
    who: Member,
    recalculation_id: UUID,
    action: str,
    after: dict[str, object] | None,
) -> None:
    """Add an event to the audit trail."""
    audit.record(
        session, who.organization_id, who.actor, action=action, object_type="recalculation",
        object_id=recalculation_id, after=after,
    )  # fmt: skip


async def reach_out(
    services: Services, ask: Callable[[Pipeline], Awaitable[object]], what: str
) -> None:
    """Ask the pipeline for something that the database has already; its absence delays it."""
    if services.pipeline is None:
        return
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await ask(services.pipeline)
    except Exception as error:
        log.warning("%s of a recalculation waits for the sweep: %s", what, type(error).__name__)
