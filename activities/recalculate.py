"""Recalculate: preview every figure against other releases, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import beating
from core.calculation import Held, calculate
from core.contracts import (
    FailRecalculationInput,
    PreviewBatchResult,
    RecalculationBatchRef,
    RecalculationPlan,
    RecalculationRef,
    RecalculationResult,
)
from core.errors import NoFigure
from core.ports import ExchangeRates
from core.recalculation import Proposal, ReasonCode, Status, reason_of, totals_of
from core.records import EmissionFactor
from db.engine import TenantSession, tenant_session
from db.queries import audit, library, recalculation_figures
from db.queries import recalculating as queries
from db.queries import recalculation_commit as commits

PIPELINE = audit.Actor(user_id=None, kind="pipeline")
BATCH_ROWS = 20_000  # about a second of arithmetic, and little to do again after a crash
MOST_BATCHES = 2000  # of one recalculation: its workflow's history holds 51,200 events


class PreviewRecalculations:
    """Works out what would become of the figures; changes none of them."""

    def __init__(
        self,
        engine: Engine,
        rates: ExchangeRates,
        *,
        batch_rows: int = BATCH_ROWS,
        most_batches: int = MOST_BATCHES,
    ) -> None:
        self.engine = engine
        self.rates = rates
        self.batch_rows = batch_rows
        self.most_batches = most_batches

    @activity.defn(name="plan_recalculation")
    def plan_recalculation(self, ref: RecalculationRef) -> RecalculationPlan:
        """Fix files, activities and batches, once; a second run finds the same."""
        organization_id, recalculation_id = ref.organization_id, ref.recalculation_id
        attempt = activity.info().attempt
        with beating(), tenant_session(self.engine, organization_id) as session:
            task = queries.get(session, organization_id, recalculation_id, lock=True)
            if task.status is not Status.PREVIEWING:
                return RecalculationPlan(stopped=True, attempt=attempt)
            if not task.planned:
                queries.make_plan(
                    session, organization_id, task, self.batch_rows, self.most_batches
                )
            plan = queries.plan_of(session, organization_id, recalculation_id)
            session.commit()
        return RecalculationPlan(
            files=plan.files, activities=plan.activities, rows=plan.rows, batches=plan.batches,
            attempt=attempt,
        )  # fmt: skip

    @activity.defn(name="preview_batch")
    def preview_batch(self, ref: RecalculationBatchRef) -> PreviewBatchResult:
        """Calculate the figures of one batch again and store old, new and reason of each."""
        organization_id, recalculation_id = ref.organization_id, ref.recalculation_id
        rows = changed = 0
        with beating(), tenant_session(self.engine, organization_id) as session:
            task = queries.get(session, organization_id, recalculation_id)
            if task.status is not Status.PREVIEWING:
                return PreviewBatchResult(stopped=True, attempt=activity.info().attempt)
            for piece in recalculation_figures.slices(
                session, organization_id, recalculation_id, ref.batch
            ):
                found = list(
                    recalculation_figures.figures(session, organization_id, recalculation_id, piece)
                )
                proposals = recalculation_figures.proposals(
                    session, organization_id, recalculation_id, (f.decision_id for f in found)
                )
                factors = factors_of(session, found, proposals)
                changed += recalculation_figures.save_rows(
                    session, organization_id, recalculation_id, ref.batch, piece.file_id,
                    self.previews(found, proposals, factors),
                )  # fmt: skip
                rows += len(found)
                session.commit()
        return PreviewBatchResult(rows=rows, changed=changed, attempt=activity.info().attempt)

    def previews(
        self,
        figures: list[recalculation_figures.Figure],
        proposals: Mapping[UUID, Proposal],
        factors: Mapping[UUID, EmissionFactor],
    ) -> Iterator[recalculation_figures.PreviewRow]:
        """Yield what would become of each figure."""
        for figure in figures:
            proposal = proposals[figure.decision_id]
            chosen = proposal.decision.factor_id
            if proposal.kept is not None or chosen is None:
                yield kept(figure, proposal.kept or ReasonCode.NOW_HELD)
                continue
            new = factors[chosen]
            outcome = calculate(figure.row, new, proposal.decision, self.rates)
            if isinstance(outcome, Held):
                # The activity's total could be calculated: the row cannot differ in what decides.
                raise NoFigure(f"{outcome.reason.code} after it was decided")
            old = None if figure.factor_id is None else factors[figure.factor_id]
            differs = (
                figure.factor_id != new.id
                or figure.kg != outcome.emission_kg
                or figure.scope != outcome.scope
            )
            yield recalculation_figures.PreviewRow(
                figure=figure, new_kg=outcome.emission_kg, new_factor_id=new.id,
                new_scope=outcome.scope, new_biogenic=outcome.biogenic, changed=differs,
                reason=reason_of(old, new, figure.kg, outcome.emission_kg),
            )  # fmt: skip

    @activity.defn(name="finish_preview")
    def finish_preview(self, ref: RecalculationRef) -> RecalculationResult:
        """Publish the preview with its sums; nothing may be missing."""
        organization_id, recalculation_id = ref.organization_id, ref.recalculation_id
        attempt = activity.info().attempt
        with beating(), tenant_session(self.engine, organization_id) as session:
            task = queries.get(session, organization_id, recalculation_id, lock=True)
            if task.status is not Status.PREVIEWING:
                return RecalculationResult(status=task.status.value, attempt=attempt)
            if queries.unfinished(session, organization_id, recalculation_id):
                # Summing up again finds nothing that was left out.
                raise ApplicationError(
                    "activities or figures of the recalculation were left out",
                    type="ReconciliationFailed",
                    non_retryable=True,
                )
            totals = totals_of(
                queries.groups(session, organization_id, recalculation_id),
                queries.waiting(session, organization_id, recalculation_id),
            )
            queries.complete_preview(session, organization_id, recalculation_id, totals)
            note(session, ref, "recalculation.previewed", totals)
            session.commit()
        return RecalculationResult(
            status=Status.PREVIEWED.value, rows=totals["rows"], changed=totals["changed"],
            attempt=attempt,
        )  # fmt: skip

    @activity.defn(name="fail_recalculation")
    def fail_recalculation(self, request: FailRecalculationInput) -> RecalculationResult:
        """End a recalculation that cannot go on; files that were committed stay so."""
        organization_id, recalculation_id = request.organization_id, request.recalculation_id
        attempt, problem = activity.info().attempt, request.problem
        with tenant_session(self.engine, organization_id) as session:
            task = queries.get(session, organization_id, recalculation_id, lock=True)
            if task.status not in (Status.PREVIEWING, Status.COMMITTING):
                return RecalculationResult(status=task.status.value, attempt=attempt)
            status = Status.CANCELLED if problem.code == "cancelled" else Status.FAILED
            if task.status is Status.COMMITTING:
                status = Status.FAILED
            queries.end(
                session, organization_id, recalculation_id, status,
                code=problem.code, message=problem.message,
            )  # fmt: skip
            done = commits.outcome_of(session, organization_id, recalculation_id)
            note(session, request, f"recalculation.{status}", {"code": problem.code, **done})
            session.commit()
        return RecalculationResult(status=status.value, attempt=attempt)


def kept(
    figure: recalculation_figures.Figure, reason: ReasonCode
) -> recalculation_figures.PreviewRow:
    """Return the preview of a figure that stays as it is."""
    return recalculation_figures.PreviewRow(
        figure=figure, new_kg=figure.kg, new_factor_id=figure.factor_id,
        new_scope=figure.scope, new_biogenic=figure.biogenic, changed=False, reason=reason,
    )  # fmt: skip


def factors_of(
    session: TenantSession,
    figures: list[recalculation_figures.Figure],
    proposals: Mapping[UUID, Proposal],
) -> dict[UUID, EmissionFactor]:
    """Return every factor that the figures have or would have."""
    ids = {figure.factor_id for figure in figures}
    ids |= {proposal.decision.factor_id for proposal in proposals.values()}
    return library.factors_by_id(session, (i for i in ids if i is not None))


def note(
    session: TenantSession, ref: RecalculationRef, action: str, after: dict[str, object]
) -> None:
    """Add an event to the audit trail of a recalculation."""
    audit.record(
        session, ref.organization_id, PIPELINE, action=action, object_type="recalculation",
        object_id=ref.recalculation_id, after=after,
    )  # fmt: skip
