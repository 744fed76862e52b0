"""The matching of one file with all its batches queued at once, as many files would have them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from core import contracts
    from workflows import options

# As in production, but a killed worker is noticed within a test's patience.
MATCH_BATCH = replace(options.MATCH_BATCH, heartbeat=timedelta(seconds=8))


class Batches(contracts.FileRef):
    """How a file's activities are cut."""

    size: int
    count: int


@workflow.defn
class MatchStage:
    """Queues every batch of a file."""

    @workflow.run
    async def run(self, file: Batches) -> int:
        """Return how many activities were decided."""
        ref = contracts.FileRef(organization_id=file.organization_id, file_id=file.file_id)
        results = await asyncio.gather(
            *(
                options.call(
                    MATCH_BATCH,
                    contracts.BatchRef(
                        **ref.model_dump(), offset=number * file.size, size=file.size
                    ),
                    contracts.MatchResult,
                    f"batch {number + 1} of {file.count}",
                )
                for number in range(file.count)
            )
        )
        return sum(result.decided for result in results)
