"""Start what was committed and never started: the repair of a crash between commit and start."""

from __future__ import annotations

from temporalio import workflow

from workflows import options

with workflow.unsafe.imports_passed_through():
    from core import contracts
    from core.contracts_lifecycle import SettleInput, SettleResult


@workflow.defn(name="SweepUploads")
class SweepUploads:
    """Runs on a schedule. A file's workflow has a fixed id, so it is never started twice."""

    @workflow.run
    async def run(self) -> contracts.SweepResult:
        """Start orphaned uploads and reports, carry out deletions and cancellations; return how
        many were started."""
        started = await options.call(
            options.START_ORPHANS,
            contracts.SweepInput(),
            contracts.SweepResult,
            "start orphaned uploads",
        )
        if workflow.patched("settle-files"):
            await options.call(
                options.SETTLE_FILES,
                SettleInput(),
                SettleResult,
                "carry out deletions and cancellations",
            )
        return started
