"""Start deliveries that were committed and never started, or were lost on the way."""

from __future__ import annotations

from temporalio import workflow

from workflows import options

with workflow.unsafe.imports_passed_through():
    from core.contracts_webhooks import SweepDeliveriesInput, SweepDeliveriesResult


@workflow.defn(name="SweepDeliveries")
class SweepDeliveries:
    """Runs on a schedule. A delivery's workflow has a fixed id, so it never runs twice."""

    @workflow.run
    async def run(self) -> SweepDeliveriesResult:
        """Start overdue deliveries; return how many."""
        return await options.call(
            options.START_DELIVERIES,
            SweepDeliveriesInput(),
            SweepDeliveriesResult,
            "start overdue deliveries",
        )
