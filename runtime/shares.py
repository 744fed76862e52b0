"""No organization holds all slots of a worker: what is too many goes back into the queue.

Fairness keys order what waits and do not count what runs: eight files that each take long would
hold eight slots, and everybody else's wait. An activity beyond an organization's share ends at
once, as one that waits its turn, and comes again a little later; its slot goes to the next in line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.tries import MATCHING, put_back, waits_its_turn
from workflows import options

# What runs for minutes where a file wants it to; all else ends soon, and the queue is fair.
LONG = (options.SCAN_FILE.name, options.PARSE_FILE.name)
_STEP_S, _LONGEST_S = 2, 60


class OrganizationShares(Interceptor):
    """Lets at most `most` of these activities of one organization run in this process at once."""

    def __init__(self, activities: Collection[str], most: int) -> None:
        self.activities = frozenset(activities)
        self.most = most
        self.running: Counter[str] = Counter()  # by organization; of the event loop alone

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap every activity."""
        return _Share(next, self)


class _Share(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, shares: OrganizationShares) -> None:
        super().__init__(next)
        self.shares = shares

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info, running = activity.info(), self.shares.running
        given = input.args[0] if input.args else None
        organization = str(getattr(given, "organization_id", "") or "")
        if info.activity_type not in self.shares.activities or not organization:
            return await super().execute_activity(input)
        if running[organization] >= self.shares.most:
            if info.activity_type in MATCHING:
                raise put_back("waits its turn behind other batches of the organization")
            # How often it was really tried is told from one attempt to the next.
            activity.heartbeat(*info.heartbeat_details)
            raise waits_its_turn(info.attempt)
        running[organization] += 1
        try:
            return await super().execute_activity(input)
        finally:
            running[organization] -= 1
            if not running[organization]:
                del running[organization]
