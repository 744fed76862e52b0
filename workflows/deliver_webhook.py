"""One event for one endpoint, over as many attempts and as long as it takes: about a day."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from workflows import options

with workflow.unsafe.imports_passed_through():
    from core.contracts_webhooks import DELIVER_WEBHOOK, DeliveryRef, DeliveryResult


@workflow.defn(name=DELIVER_WEBHOOK)
class DeliverWebhook:
    """Ids only: URL, payload and secrets are read where they are sent."""

    @workflow.run
    async def run(self, ref: DeliveryRef) -> DeliveryResult:
        """Deliver; an endpoint that takes nothing is a result, not a failure."""
        try:
            result = await options.call(
                options.DELIVER_WEBHOOK, ref, DeliveryResult, "deliver webhook"
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            result = await options.call(
                options.FAIL_DELIVERY, ref, DeliveryResult, "give up delivering"
            )
        workflow.set_current_details(f"{result.status} after {result.attempts} attempts")
        return result
