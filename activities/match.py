"""Match: one batch of distinct activities to emission factors, on the queue of ten slots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Engine
from temporalio import activity

from activities.deciding import Deciding
from activities.heartbeat import beating
from activities.metrics import count_decisions
from activities.objects import read_rows
from activities.tries import this_attempt, waits
from core.calculation import Held
from core.contracts import BatchRef, MatchResult
from core.distinct import DistinctActivity
from core.distinct_table import read_activities
from core.keys import activities_key
from core.ports import ExchangeRates, Storage
from core.records import Decision, EmissionFactor, Outcome
from core.total_figure import total_figure
from db.engine import tenant_session
from db.queries import pipeline, results


class MatchBatch:
    """Decides a batch and stores it on its natural key: a retry costs nothing twice."""

    def __init__(
        self,
        engine: Engine,
        storage: Storage,
        deciding: Deciding,
        rates: ExchangeRates,
    ) -> None:
        self.engine = engine
        self.storage = storage
        self.deciding = deciding
        self.rates = rates

    @activity.defn(name="match_batch")
    def match_batch(self, ref: BatchRef) -> MatchResult:
        """Decide activities [offset, offset + size) of the file's list."""
        organization_id, file_id, waited = ref.organization_id, ref.file_id, waits()
        with beating(details=lambda: (waited,)):
            with tenant_session(self.engine, organization_id) as session:
                pipeline.get_file(session, organization_id, file_id)
                organization = pipeline.get_organization(session, organization_id)
            key = activities_key(organization_id, file_id)
            batch = list(read_activities(read_rows(self.storage, key, ref.offset, ref.size)))
            kept = self.kept(ref, [a.query.key for a in batch])
            batch = [a for a in batch if a.query.key not in kept]
            found = self.deciding.decide(
                organization_id, [a.query for a in batch], organization.thresholds
            )
            decided = [
                self.weigh(one, decision, found.factors)
                for one, decision in zip(batch, found.decisions, strict=True)
            ]
            with tenant_session(self.engine, organization_id) as session:
                pipeline.get_file(session, organization_id, file_id, lock=True)
                results.upsert_decisions(session, organization_id, file_id, decided)
                session.commit()
        count_decisions([d.decision for d in decided])
        outcomes = [k.decision.outcome for k in kept.values()]
        outcomes += [d.decision.outcome for d in decided]
        held = outcomes.count(Outcome.HELD)
        return MatchResult(decided=len(outcomes), held=held, attempt=this_attempt())

    def kept(self, ref: BatchRef, keys: list[str]) -> Mapping[str, results.StoredDecision]:
        """Return the decisions that an earlier run made: a retry goes on from them."""
        if ref.run == 1:
            return {}
        with tenant_session(self.engine, ref.organization_id) as session:
            return results.decisions_of(session, ref.organization_id, ref.file_id, keys)

    def weigh(
        self,
        one: DistinctActivity,
        decision: Decision,
        factors: Mapping[UUID, EmissionFactor],
    ) -> results.DecidedActivity:
        """Try the calculation on the activity's total: it tells the kg at risk, and whether a
        figure can be had at all (an exchange rate may be missing)."""
        kg: float | None = None
        factor_id = decision.factor_id
        if factor_id is None and decision.candidates:
            factor_id = decision.candidates[0].factor_id
        if factor_id is not None:
            outcome = total_figure(one, factors[factor_id], decision, self.rates)
            if isinstance(outcome, Held):
                decision = replace(
                    decision,
                    outcome=Outcome.HELD,
                    reasons=(outcome.reason, *decision.reasons),
                )
            else:
                kg = abs(outcome.emission_kg)
        return results.DecidedActivity(one.query, decision, one.row_count, one.volume_total, kg)
