"""Start what was committed and never started: the repair of a crash between commit and start."""

from __future__ import annotations

from temporalio import workflow

from workflows import options

with workflow.unsafe.imports_passed_through():
    from core import contracts


@workflow.defn(name="SweepUploads")
class SweepUploads:
    """Runs on a schedule. A file's workflow has a fixed id, so it is never started twice."""

    @workflow.run
    async def run(self) -> contracts.SweepResult:
        """Start orphaned uploads and reports; return how many."""
        return await options.call(
            options.START_ORPHANS,
            contracts.SweepInput(),
            contracts.SweepResult,
            "start orphaned uploads",
        )
