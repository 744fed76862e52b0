"""Record the histories of resolutions; see tests/histories/record.py.

.venv/bin/python -m tests.histories.record_reviews
"""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

from temporalio.client import Client

from core.contracts import ReviewRef
from tests.conftest import temporal_server
from tests.histories.record import HERE, ORGANIZATION, without_identity
from tests.workflows.test_apply_review import FakeReviews, working


def cases() -> dict[str, FakeReviews]:
    """Return the activity of each history by its name."""
    return {
        "completed": FakeReviews(),
        "retried": FakeReviews(fail_once=True),
        "failed": FakeReviews(break_it=True),
    }


async def record(client: Client, number: int, fake: FakeReviews) -> str:
    """Apply one resolution and return its history as JSON without names of this machine."""
    review_id = UUID(int=ORGANIZATION.int + 0x3000 + number)
    async with working(client, fake) as pipeline:
        await pipeline.apply_review(
            ReviewRef(organization_id=ORGANIZATION, review_id=review_id), wait_s=30
        )
        handle = client.get_workflow_handle(f"review/{review_id}")
        history = json.loads((await handle.fetch_history()).to_json())
    return json.dumps(without_identity(history), indent=1, sort_keys=True) + "\n"


async def main() -> None:
    """Record all."""
    async with temporal_server() as environment:
        for number, (name, fake) in enumerate(cases().items()):
            text = await record(environment.client, number, fake)
            (HERE / f"apply_review.{name}.json").write_text(text)


if __name__ == "__main__":
    asyncio.run(main())
