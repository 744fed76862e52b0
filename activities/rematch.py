"""Rematch: one batch of a recalculation's activities against other releases, on ten slots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Engine
from temporalio import activity

from activities.deciding import Deciding
from activities.heartbeat import beating
from activities.tries import this_attempt, waits
from core.calculation import Held
from core.contracts import RematchRef, RematchResult
from core.distinct import DistinctActivity
from core.ports import ExchangeRates
from core.recalculation import Proposal, ReasonCode, Status, propose
from core.records import Decision, EmissionFactor
from core.total_figure import total_figure
from db.engine import tenant_session
from db.queries import library, pipeline
from db.queries import recalculating as queries


class RematchBatch:
    """Proposes decisions and stores them on their key: a retry meets its own."""

    def __init__(self, engine: Engine, deciding: Deciding, rates: ExchangeRates) -> None:
        self.engine = engine
        self.deciding = deciding
        self.rates = rates

    @activity.defn(name="rematch_batch")
    def rematch_batch(self, ref: RematchRef) -> RematchResult:
        """Decide again on activities [offset, offset + size); what people decided is kept."""
        organization_id, recalculation_id = ref.organization_id, ref.recalculation_id
        attempt, waited = this_attempt(), waits()
        with beating(details=lambda: (waited,)):
            with tenant_session(self.engine, organization_id) as session:
                task = queries.get(session, organization_id, recalculation_id)
                if task.status is not Status.PREVIEWING:
                    return RematchResult(stopped=True, attempt=attempt)
                thresholds = pipeline.get_organization(session, organization_id).thresholds
                batch = queries.standing(
                    session, organization_id, recalculation_id, ref.offset, ref.size
                )
                present = (s.decision.factor_id for s in batch)
                standing = library.factors_by_id(session, (f for f in present if f is not None))
            found = self.deciding.decide(
                organization_id, [s.query for s in batch], thresholds, task.releases
            )
            proposals = [
                (one.decision_id, *self.weigh(one, offered, standing, found.factors))
                for one, offered in zip(batch, found.decisions, strict=True)
            ]
            with tenant_session(self.engine, organization_id) as session:
                queries.save_proposals(session, organization_id, recalculation_id, proposals)
                session.commit()
        kept = sum(proposal.kept is not None for _, proposal, _ in proposals)
        return RematchResult(decided=len(proposals), kept=kept, attempt=attempt)

    def weigh(
        self,
        one: queries.Standing,
        offered: Decision,
        standing: Mapping[UUID, EmissionFactor],
        factors: Mapping[UUID, EmissionFactor],
    ) -> tuple[Proposal, float | None]:
        """Propose, and try the calculation on the activity's total: a figure may not be had."""
        present = one.decision.factor_id
        factor = None if present is None else standing[present]
        proposal = propose(one.query, one.decision, factor, offered, factors)
        chosen = proposal.decision.factor_id
        if proposal.kept is not None or chosen is None:
            return proposal, None
        total = DistinctActivity(one.query, one.row_count, one.volume_total)
        new = factors.get(chosen) or standing[chosen]
        outcome = total_figure(total, new, proposal.decision, self.rates)
        if isinstance(outcome, Held):
            kept = replace(proposal, decision=one.decision, kept=ReasonCode.NOW_HELD)
            return kept, None
        return proposal, abs(outcome.emission_kg)
