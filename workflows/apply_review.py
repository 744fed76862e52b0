"""One resolved review, carried out on all rows of its activity."""

from __future__ import annotations

from temporalio import workflow

from workflows import options

with workflow.unsafe.imports_passed_through():
    from core import contracts


@workflow.defn(name=contracts.APPLY_REVIEW)
class ApplyReview:
    """Applies one resolution. What was decided is in the review's row, figures stay outside."""

    @workflow.run
    async def run(self, ref: contracts.ReviewRef) -> contracts.ReviewResult:
        """Apply the resolution once; a file that was deleted meanwhile is a result."""
        workflow.upsert_search_attributes([options.STAGE.value_set("review")])
        workflow.set_current_details("applying the resolution to all rows of the activity")
        result = await options.call(
            options.APPLY_REVIEW, ref, contracts.ReviewResult, "apply review"
        )
        done = f"{result.calculated} rows calculated, {result.rejected} without a factor"
        workflow.set_current_details(done if result.applied else "nothing to apply any more")
        return result
