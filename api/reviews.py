"""Reviews resolved by people: checked, committed with memory and audit, then carried out."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from api import etags
from api.deps import Member
from api.errors import ApiError
from api.schemas.reviews import Resolution, ReviewAction
from api.services import Services
from core.calculation import Held
from core.contracts import ReviewRef
from core.distinct import DistinctActivity
from core.matching.remembered import reviewed
from core.records import EmissionFactor
from core.scopes import says_biogenic
from core.total_figure import total_figure
from db.engine import TenantSession, tenant_session
from db.models import Decision
from db.queries import audit, library, memory, pipeline, reviews
from db.queries.results import decision_of, query_of
from runtime.adapters.rates_ecb import EcbRates

log = logging.getLogger("tonnage.api")

APPLY_WAIT_S = 2.5
OUTSIDE = (
    "This factor is biogenic CO2, outside of the scopes: the activity would be 0 in every total. "
    "Choose the factor with a scope; biogenic CO2 that goes with it stands beside it. If the "
    "activity itself is biogenic CO2, say so in its name, type or description and upload it again."
)
STATUS = {
    ReviewAction.ACCEPT: "accepted",
    ReviewAction.CHOOSE: "chosen",
    ReviewAction.REJECT: "rejected",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A resolution that is committed."""

    review_id: UUID
    status: str
    factor_id: UUID | None
    memory_id: UUID | None
    others: int  # open reviews of the same activity in other files
    applied: bool = False


def require_whole_organization(who: Member) -> None:
    """Raise 403 for a member limited to projects: what is remembered belongs to all of them."""
    if who.reach.projects is not None:
        raise ApiError("permission_denied")


def wanted_factor(body: Resolution, decision: Decision) -> UUID | None:
    """Name the factor that a resolution is about; None where there is none."""
    if body.action is not ReviewAction.ACCEPT:
        return body.emission_factor_id
    candidates = decision.candidates
    return decision.emission_factor_id or (UUID(candidates[0]["factor_id"]) if candidates else None)


def choose_factor(
    session: TenantSession, organization_id: UUID, body: Resolution, wanted: UUID | None
) -> EmissionFactor | None:
    """Return the factor of a resolution; None for a rejection. Raises 422."""
    if body.action is ReviewAction.REJECT:
        return None
    if wanted is None:  # the schema requires it to choose
        raise ApiError("no_candidate")
    factor = library.factors_by_id(session, [wanted]).get(wanted)
    pinned = pipeline.get_organization(session, organization_id).factor_releases
    known = factor is not None and (
        library.is_offered(session, factor.id)
        if factor.organization_id == organization_id
        else factor.release in pinned
    )
    if factor is None or not known:
        raise ApiError(
            "factor_unusable",
            "There is no such factor among your own and those of your pinned releases.",
        )
    return factor


def check_calculation(decision: Decision, factor: EmissionFactor) -> None:
    """Try the calculation on the activity's total. Raises 422 with what stands in its way.

    Also where it would take the activity out of every total, which choosing by name can do unseen.
    """
    if factor.biogenic and not says_biogenic(query_of(decision.activity)):
        raise ApiError("factor_unusable", OUTSIDE, reason="outside_of_scopes")
    activity = DistinctActivity(
        query_of(decision.activity), decision.row_count, decision.volume_total
    )
    offered = reviewed(activity.query, factor, decision_of(decision))
    figure = total_figure(activity, factor, offered, EcbRates())
    if isinstance(figure, Held):
        raise ApiError("factor_unusable", figure.reason.sentence, reason=figure.reason.code)


def store(
    services: Services, who: Member, review_id: UUID, body: Resolution, if_match: str | None = None
) -> Stored:
    """Commit a resolution with what is remembered and its audit event.

    Raises 404, 409, 412, 422.
    """
    organization_id = who.organization_id
    with tenant_session(services.app_engine, organization_id) as session:
        found = reviews.find_review(session, organization_id, review_id, who.reach, lock=True)
        if found is None:
            raise ApiError("not_found")
        etags.require(if_match, found.review.updated_at)
        decision = found.decision
        status, factor_id = STATUS[body.action], wanted_factor(body, decision)
        # before the factor is looked at: it may have gone since, and what was decided stands
        if found.review.status != "open":
            if (found.review.status, found.review.emission_factor_id) != (status, factor_id):
                raise ApiError("review_resolved")
            return Stored(
                review_id, status, factor_id, None, 0, found.review.applied_at is not None
            )
        factor = choose_factor(session, organization_id, body, factor_id)
        if factor is not None:
            check_calculation(decision, factor)
        user_id, query = who.principal.user_id, query_of(decision.activity)
        reviews.resolve(
            session, organization_id, review_id, status=status, factor_id=factor_id,
            user_id=user_id, reason=body.reason,
        )  # fmt: skip
        memory_id = memory.remember(
            session, organization_id, query, factor_id=factor_id, user_id=user_id,
            review_id=review_id, reason=body.reason,
        ) if body.remember and who.reach.projects is None else None  # fmt: skip
        others = reviews.count_same(session, organization_id, decision, who.reach)
        audit.record(
            session, organization_id, who.actor, action=f"review.{status}", object_type="review",
            object_id=review_id,
            before={"status": "open", "outcome": decision.outcome,
                    "emission_factor_id": text_of(decision.emission_factor_id)},
            after={"status": status, "emission_factor_id": text_of(factor_id),
                   "rows": decision.row_count, "remembered": text_of(memory_id)},
        )  # fmt: skip
        session.commit()
    return Stored(review_id, status, factor_id, memory_id, others)


def text_of(value: UUID | None) -> str | None:
    """Return an id as JSON has it."""
    return None if value is None else str(value)


async def resolve(
    services: Services, who: Member, review_id: UUID, body: Resolution, if_match: str | None = None
) -> Stored:
    """Take a resolution and have it carried out; when that takes longer, the workflow goes on."""
    stored = await run_in_threadpool(store, services, who, review_id, body, if_match)
    if stored.applied or services.pipeline is None:
        return stored
    ref = ReviewRef(organization_id=who.organization_id, review_id=review_id)
    try:
        async with asyncio.timeout(APPLY_WAIT_S + 3):
            applied = await services.pipeline.apply_review(ref, wait_s=APPLY_WAIT_S)
    except Exception as error:
        log.warning(
            "resolution %s is kept, the sweep applies it: %s", review_id, type(error).__name__
        )
        applied = False
    return Stored(
        stored.review_id, stored.status, stored.factor_id, stored.memory_id, stored.others, applied
    )


def revoke(services: Services, who: Member, memory_id: UUID) -> None:
    """Let a remembered decision count no more; figures stay as they are. Raises 403, 404."""
    require_whole_organization(who)
    organization_id = who.organization_id
    with tenant_session(services.app_engine, organization_id) as session:
        if not memory.revoke(session, organization_id, memory_id, who.principal.user_id):
            raise ApiError("not_found")
        audit.record(
            session, organization_id, who.actor, action="decision.revoked",
            object_type="remembered_decision", object_id=memory_id,
        )  # fmt: skip
        session.commit()
