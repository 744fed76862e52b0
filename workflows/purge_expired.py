"""Retention: what was deleted long ago or is too old goes for good."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, RetryState

from workflows import options

with workflow.unsafe.imports_passed_through():
    from core.contracts import Payload
    from core.contracts_lifecycle import (
        PURGE_EXPIRED,
        OrganizationPage,
        OrganizationRef,
        PurgeInput,
        PurgeResult,
    )


@workflow.defn(name=PURGE_EXPIRED)
class PurgeExpired:
    """Runs every night. Every step may break off: the next run goes on with what is left."""

    @workflow.run
    async def run(self, request: PurgeInput) -> PurgeResult:
        """Purge a page of organizations, then go on as a new run with the next page."""
        self.done = request.done
        if request.after is None and workflow.patched("purge-logins"):
            await self.step(options.PURGE_LOGINS, Payload(), "purge logins")
        page = await options.call(
            options.LIST_ORGANIZATIONS, request, OrganizationPage, "next organizations"
        )
        refs = [OrganizationRef(organization_id=found) for found in page.organization_ids]
        for number, ref in enumerate(refs, start=1):
            await self.step(options.PURGE_ORGANIZATION, ref, f"purge rows, {number} of {len(refs)}")
        # Objects follow once the rows are gone; the comparison afterwards must not find them.
        await self.step(options.DELETE_DOOMED_OBJECTS, Payload(), "delete objects")
        for number, ref in enumerate(refs, start=1):
            await self.step(options.SWEEP_OBJECTS, ref, f"compare objects, {number} of {len(refs)}")
        if not refs:
            if self.done.failed:
                raise ApplicationError(self.done.markdown(), type="PurgeIncomplete")
            return self.done
        # A history holds 51,200 events; an organization makes about fourteen.
        workflow.continue_as_new(PurgeInput(after=page.organization_ids[-1], done=self.done))

    async def step(self, kind: options.ActivityKind, argument: Payload, summary: str) -> None:
        """Run one activity, add up what it did and show it in the Web UI.

        One that will fail however often it is tried keeps no other organization's from running.
        """
        try:
            result = await options.call(kind, argument, PurgeResult, summary)
        except ActivityError as error:
            for_good = error.retry_state is RetryState.NON_RETRYABLE_FAILURE
            if not for_good or not workflow.patched("one-fails-alone"):
                raise
            workflow.logger.error("failed: %s", summary)
            result = PurgeResult(failed=1)
        self.done = self.done.plus(result)
        workflow.set_current_details(self.done.markdown())
