"""Commit a recalculation: apply exactly what was previewed, one file a transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine
from temporalio import activity

from activities.events import review_needed, start
from activities.heartbeat import beating
from activities.recalculate import BATCH_ROWS, PIPELINE, factors_of, note
from core.calculation import Held, calculate
from core.contracts import CommitStepResult, FileRef, RecalculationRef, RecalculationResult
from core.contracts_webhooks import DeliveryRef
from core.errors import NotFound
from core.ports import Deliveries, ExchangeRates
from core.recalculation import Proposal, Status
from core.records import EmissionFactor
from core.upstream import LinkedFactor, LinkIndex
from db.engine import TenantSession, tenant_session
from db.queries import audit, library, pipeline, recalculation_figures, results
from db.queries import recalculating as queries
from db.queries import recalculation_commit as commits
from db.queries.revisions import Cause, Replacement

# One step ends after so many figures, or files: its answer is a sign of life in the Web UI.
STEP_ROWS, STEP_FILES = 50_000, 200


class OutOfDate(Exception):
    """A file is no more what the preview saw; an expected outcome, never raised to Temporal."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch of a file's figures is calculated with."""

    proposals: Mapping[UUID, Proposal]
    factors: Mapping[UUID, EmissionFactor]
    linked: Mapping[UUID, tuple[LinkedFactor, ...]]


@dataclass(frozen=True, slots=True)
class Applied:
    """How many figures of a file changed, and whom to tell once that is committed."""

    rows: int
    events: Sequence[DeliveryRef] = ()


class CommitRecalculations:
    """Applies previews. A file is changed as a whole or left as it is."""

    def __init__(
        self,
        engine: Engine,
        rates: ExchangeRates,
        deliveries: Deliveries | None = None,
        *,
        batch_rows: int = BATCH_ROWS,
    ) -> None:
        self.engine = engine
        self.rates = rates
        self.deliveries = deliveries
        self.batch_rows = batch_rows

    @activity.defn(name="commit_files")
    def commit_files(self, ref: RecalculationRef) -> CommitStepResult:
        """Commit the next files; those that are done are done, whatever is retried."""
        organization_id, recalculation_id = ref.organization_id, ref.recalculation_id
        files = left_out = rows = 0
        with beating():
            with tenant_session(self.engine, organization_id) as session:
                task = queries.get(session, organization_id, recalculation_id)
                if task.status is not Status.COMMITTING:
                    return CommitStepResult(attempt=activity.info().attempt)
                commits.mark_commit_started(session, organization_id, recalculation_id)
                pending = commits.pending_files(
                    session, organization_id, recalculation_id, STEP_FILES
                )
                session.commit()
            for file_id in pending:
                changed = self.commit_file(ref, task, file_id)
                files, left_out = files + (changed is not None), left_out + (changed is None)
                rows += changed or 0
                if rows >= STEP_ROWS:
                    break
        return CommitStepResult(
            files=files, left_out=left_out, rows=rows, attempt=activity.info().attempt,
            remaining=files + left_out < len(pending) or len(pending) == STEP_FILES,
        )  # fmt: skip

    def commit_file(self, ref: RecalculationRef, task: queries.Task, file_id: UUID) -> int | None:
        """Apply the preview to one file; None when the file changed since, or is gone."""
        organization_id = ref.organization_id
        with tenant_session(self.engine, organization_id) as session:
            try:
                applied = self.apply(session, organization_id, task, file_id)
                session.commit()
                start(self.deliveries, applied.events)
                return applied.rows
            except (OutOfDate, NotFound):
                session.rollback()
            commits.settle_file(session, organization_id, task.id, file_id, "left_out")
            session.commit()
        return None

    def apply(
        self, session: TenantSession, organization_id: UUID, task: queries.Task, file_id: UUID
    ) -> Applied:
        """Change the figures of a file within the caller's transaction.

        Raises OutOfDate and NotFound. The lock on the file holds off its deletion and reviews.
        """
        file = pipeline.get_file(session, organization_id, file_id, lock=True)
        if not commits.is_pending(session, organization_id, task.id, file_id):
            return Applied(0)  # an earlier attempt, whose answer was lost
        if commits.is_stale(session, organization_id, task.id, file_id):
            raise OutOfDate
        changed, last = 0, None
        while found := commits.changed_figures(
            session, organization_id, task.id, file_id, last, self.batch_rows
        ):
            changed += self.replace(session, organization_id, task, file_id, file, found)
            last = found[-1].emission_id
        opened = commits.change_decisions(session, organization_id, task.id, file_id)
        commits.settle_file(session, organization_id, task.id, file_id, "committed", changed)
        if changed:
            self.tell(session, organization_id, task, file_id)
        if not opened:
            return Applied(changed)
        ref = FileRef(organization_id=organization_id, file_id=file_id)
        waiting = commits.rows_in_review(session, organization_id, file_id)
        return Applied(changed, review_needed(session, ref, file.project_id, waiting))

    def replace(
        self,
        session: TenantSession,
        organization_id: UUID,
        task: queries.Task,
        file_id: UUID,
        file: pipeline.FileRow,
        found: list[recalculation_figures.Figure],
    ) -> int:
        """Keep the old figures of a batch and put the new ones in their place."""
        proposals = recalculation_figures.proposals(
            session, organization_id, task.id, (f.decision_id for f in found)
        )
        factors = factors_of(session, found, proposals)
        releases = {factor.release for factor in factors.values()}
        links = LinkIndex(library.linked_factors(session, releases))
        linked = {f.id: links.links(f, upstream=file.upstream) for f in factors.values()}
        why = Replacement(Cause.RECALCULATION, task.id, task.commit_requested_by, task.reason or "")
        return results.insert_emissions(
            session, organization_id, file_id, project_id=file.project_id,
            search_language=pipeline.get_organization(session, organization_id).search_language,
            rows=self.rows(found, Change(proposals, factors, linked)), why=why,
        )  # fmt: skip

    def rows(
        self, found: list[recalculation_figures.Figure], change: Change
    ) -> Iterator[results.EmissionRow]:
        """Yield the new figures. Raises OutOfDate unless they are the previewed ones, exactly."""
        for one in found:
            decision = change.proposals[one.decision_id].decision
            assert decision.factor_id is not None
            factor = change.factors[decision.factor_id]
            figure = calculate(one.row, factor, decision, self.rates, change.linked[factor.id])
            if isinstance(figure, Held) or figure.emission_kg != one.expected_kg:
                raise OutOfDate
            yield results.EmissionRow.of(
                one.decision_id, decision.confidence, factor.id, one.row, figure
            )

    @staticmethod
    def tell(
        session: TenantSession, organization_id: UUID, task: queries.Task, file_id: UUID
    ) -> None:
        """Add the change to the file's history and to its audit trail."""
        totals = commits.file_totals(session, organization_id, task.id, file_id)
        pipeline.add_event(
            session, organization_id, file_id, stage="recalculate", kind="recalculated",
            attempt=commits.next_event(session, organization_id, file_id),
            message=f"{totals['rows_changed']} figures recalculated with "
            + ", ".join(task.releases),
            detail=totals,
        )  # fmt: skip
        audit.record(
            session, organization_id, PIPELINE, action="file.recalculated", object_type="file",
            object_id=file_id, before={"kg_co2e": totals["old_kg_co2e"]},
            after={
                "kg_co2e": totals["new_kg_co2e"], "rows_changed": totals["rows_changed"],
                "recalculation_id": str(task.id), "releases": list(task.releases),
            },
        )  # fmt: skip

    @activity.defn(name="finish_commit")
    def finish_commit(self, ref: RecalculationRef) -> RecalculationResult:
        """End the recalculation as committed; files that had changed meanwhile are counted."""
        organization_id, recalculation_id = ref.organization_id, ref.recalculation_id
        attempt = activity.info().attempt
        with tenant_session(self.engine, organization_id) as session:
            task = queries.get(session, organization_id, recalculation_id, lock=True)
            done = commits.outcome_of(session, organization_id, recalculation_id)
            if task.status is Status.COMMITTING:
                left = done["left_out"]
                queries.end(
                    session, organization_id, recalculation_id, Status.COMMITTED,
                    code="files_left_out" if left else None,
                    message=f"{left} files changed after the preview and were left as they are."
                    if left else None,
                )  # fmt: skip
                note(session, ref, "recalculation.committed", dict(done))
                session.commit()
        return RecalculationResult(
            status=Status.COMMITTED.value if task.status is Status.COMMITTING else task.status,
            changed=done["rows"], files=done["files"], left_out=done["left_out"], attempt=attempt,
        )  # fmt: skip
