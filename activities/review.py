"""Apply a resolved review: all rows of its activity get the figure that was decided, or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine
from temporalio import activity

from activities.heartbeat import beating
from activities.objects import read_table
from core.calculation import Held, calculate
from core.contracts import ReviewRef, ReviewResult
from core.errors import Conflict, NoFigure, NotFound
from core.keys import typed_prefix
from core.matching.remembered import rejected, reviewed
from core.ports import ExchangeRates, Storage
from core.records import ActivityRow, Decision, EmissionFactor, Outcome, RowIssue, Severity
from core.upstream import LinkIndex
from core.validation import rows_of
from db.engine import TenantSession, tenant_session
from db.queries import audit, library, pipeline, results, reviews
from db.queries.lifecycle import deleted_rows
from db.queries.revisions import Cause, Replacement

PIPELINE = audit.Actor(user_id=None, kind="pipeline")
REJECTED = "review_rejected"
AFTERWARDS = -1  # the part of issues that came after the pipeline


@dataclass(frozen=True, slots=True)
class Task:
    """A resolution with what it is about."""

    ref: ReviewRef
    found: reviews.Resolved
    file: pipeline.FileRow

    @property
    def why(self) -> Replacement:
        """Why figures are replaced."""
        found = self.found
        return Replacement(
            Cause.REVIEW, self.ref.review_id, found.resolved_by, found.resolution_reason or ""
        )


class ApplyReviews:
    """Carries out one resolution in one transaction; a second run finds it done."""

    def __init__(self, engine: Engine, storage: Storage, rates: ExchangeRates) -> None:
        self.engine = engine
        self.storage = storage
        self.rates = rates

    @activity.defn(name="apply_review")
    def apply_review(self, ref: ReviewRef) -> ReviewResult:
        """Calculate or withdraw the rows of the review's activity, and count them anew."""
        organization_id, attempt = ref.organization_id, activity.info().attempt
        with beating(), tenant_session(self.engine, organization_id) as session:
            file_id = reviews.resolved(session, organization_id, ref.review_id).file_id
            try:
                # Held until commit: reviews of one file are applied one after the other.
                file = pipeline.get_file(session, organization_id, file_id, lock=True)
            except NotFound:
                return ReviewResult(applied=False, attempt=attempt)
            found = reviews.resolved(session, organization_id, ref.review_id)
            if found.applied_at is not None:
                return ReviewResult(applied=True, attempt=attempt)
            task = Task(ref, found, file)
            apply = self.withdraw if found.emission_factor_id is None else self.recalculate
            result = apply(session, task)
            self.finish(session, task, result)
            session.commit()
        return result.model_copy(update={"attempt": attempt})

    def recalculate(self, session: TenantSession, task: Task) -> ReviewResult:
        """Give every row of the activity the figure of the chosen factor."""
        organization_id, found = task.ref.organization_id, task.found
        assert found.emission_factor_id is not None
        factors = library.factors_by_id(session, [found.emission_factor_id])
        factor = factors[found.emission_factor_id]
        decision = reviewed(found.query, factor, found.decision)
        results.replace_decision(session, organization_id, found.decision_id, decision)
        language = pipeline.get_organization(session, organization_id).search_language
        links = LinkIndex(library.linked_factors(session, [factor.release]))
        calculated = 0
        for rows in self.parts(task):
            calculated += results.insert_emissions(
                session, organization_id, found.file_id, project_id=task.file.project_id,
                search_language=language, why=task.why,
                rows=self.figures(task, rows, factor, decision, links),
            )  # fmt: skip
        require_all(calculated, found.row_count)
        return ReviewResult(applied=True, calculated=calculated)

    def figures(
        self,
        task: Task,
        rows: list[ActivityRow],
        factor: EmissionFactor,
        decision: Decision,
        links: LinkIndex,
    ) -> Iterator[results.EmissionRow]:
        """Yield the figure of every row."""
        linked = links.links(factor, upstream=task.file.upstream)
        for row in rows:
            figure = calculate(row, factor, decision, self.rates, linked)
            if isinstance(figure, Held):
                # The API tried this very calculation on the total before it took the resolution.
                raise NoFigure(f"row {row.row_number}: {figure.reason.code} after it was decided")
            yield results.EmissionRow.of(
                task.found.decision_id, decision.confidence, factor.id, row, figure
            )

    def withdraw(self, session: TenantSession, task: Task) -> ReviewResult:
        """Take the rows out of the figures, each with its reason: no factor fits them."""
        organization_id, found = task.ref.organization_id, task.found
        deleted = deleted_rows(session, organization_id, found.file_id)
        withdrawn = results.withdraw_emissions(
            session, organization_id, found.decision_id, task.why
        )
        decision = rejected(found.query, found.decision)
        results.replace_decision(session, organization_id, found.decision_id, decision)
        count = 0
        for rows in self.parts(task):
            count += len(rows)
            issues = (
                issue_of(row)
                for row in rows
                if (row.sheet, row.row_number, row.column_number) not in deleted
            )
            pipeline.add_issues(session, organization_id, found.file_id, AFTERWARDS, issues)
        require_all(count, found.row_count)
        held = found.decision.outcome is Outcome.HELD  # never had figures
        return ReviewResult(applied=True, rejected=count if held else withdrawn)

    def parts(self, task: Task) -> Iterator[list[ActivityRow]]:
        """Yield the activity's rows, one list a part of the file."""
        prefix = typed_prefix(task.ref.organization_id, task.found.file_id)
        for key in [listed.key for listed in self.storage.list(prefix)]:
            table: pa.Table = read_table(self.storage, key)
            rows = table.filter(pc.equal(table["activity_key"], task.found.query.key))
            if rows.num_rows:
                yield list(rows_of(rows))

    def finish(self, session: TenantSession, task: Task, result: ReviewResult) -> None:
        """Move the rows between the file's counts, and note what was done."""
        organization_id, found = task.ref.organization_id, task.found
        counts = pipeline.move_rows(
            session, organization_id, found.file_id, **moved(found.decision.outcome, result)
        )
        reviews.mark_applied(session, organization_id, task.ref.review_id)
        outcome = {"calculated": result.calculated, "rejected": result.rejected}
        pipeline.add_event(
            session, organization_id, found.file_id, stage="review",
            kind=f"applied {task.ref.review_id}", detail=counts.model_dump(),
            message=f"a review was resolved: {result.calculated} rows calculated, "
            f"{result.rejected} without a factor",
        )  # fmt: skip
        audit.record(
            session, organization_id, PIPELINE, action="review.applied", object_type="review",
            object_id=task.ref.review_id, after={**outcome, "rows": counts.model_dump()},
        )  # fmt: skip


def moved(before: Outcome, result: ReviewResult) -> dict[str, int]:
    """Return how many rows go from which count to which; the differences cancel out."""
    rows = result.calculated or result.rejected
    source = "in_review" if before is Outcome.HELD else "calculated"
    target = "calculated" if result.calculated else "rejected"
    return {} if source == target else {source: -rows, target: rows}


def require_all(found: int, known: int) -> None:
    """Refuse to apply a resolution to fewer or more rows than the review spoke of."""
    if found != known:
        raise Conflict(f"{found} rows of the activity were found in the file, {known} are known")


def issue_of(row: ActivityRow) -> RowIssue:
    """Return why a row has no figure."""
    return RowIssue(
        sheet=row.sheet,
        row_number=row.row_number,
        column=None,
        code=REJECTED,
        severity=Severity.REJECTED,
        message="A person decided that no emission factor fits this activity.",
        column_number=row.column_number,
    )
