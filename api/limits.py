"""How often one may ask: token buckets in PostgreSQL, shared by all processes.

A process takes permits by the handful (a fiftieth of the quota), so that an organization's requests
do not queue for one row. What a process has taken and not used is lost when it ends; what it uses
late lets at most one handful a process pass beyond the quota.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from fastapi import Request
from sqlalchemy import Engine

from api.errors import ApiError
from core.permissions import Operation
from db.queries import limits as queries
from runtime.settings import Settings

WINDOW_S = 60
HANDFULS = 50  # of a quota: 2 % a process may go beyond it
WEBHOOK_TESTS = 10  # of an organization: each is a delivery with all its attempts, to anybody
MOST_LEASES = 20_000  # remembered in a process; about 300 bytes each

# Operations that are dear have a bucket of their own besides the organization's.
POLICY_OF = {
    Operation.UPLOAD_FILES: "uploads",
    Operation.CREATE_REPORTS: "reports",
    Operation.RECALCULATE: "recalculations",
}


@dataclass(slots=True)
class Lease:
    """What a process knows of one bucket."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    left: int = 0  # permits that are taken and not used
    full_at: float = 0.0  # when the bucket is full again, by this process's clock
    refused_until: float = 0.0  # until then the database need not be asked


@dataclass(frozen=True, slots=True)
class Standing:
    """What the headers tell of one policy."""

    policy: str
    quota: int
    remaining: int
    reset_s: int


def quotas_of(settings: Settings) -> dict[str, int]:
    """Return requests a minute by policy; those that are 0 are not limited."""
    wanted = {
        "org": settings.rate_limit_organization,
        "user": settings.rate_limit_user,
        "uploads": settings.rate_limit_uploads,
        "reports": settings.rate_limit_reports,
        "recalculations": settings.rate_limit_recalculations,
        "webhook_tests": WEBHOOK_TESTS,
    }
    return {policy: quota for policy, quota in wanted.items() if quota}


class Limiter:
    """Takes permits, and tells how many are left."""

    def __init__(
        self,
        engine: Engine,
        quotas: Mapping[str, int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._quotas = quotas
        self._clock = clock
        self._leases: dict[tuple[str, UUID], Lease] = {}

    def charge(self, policy: str, subject: UUID) -> Standing | None:
        """Use one permit. None: not limited. Raises 429 with Retry-After."""
        quota = self._quotas.get(policy)
        if quota is None:
            return None
        lease = self._lease(policy, subject)
        with lease.lock:  # one thread fetches the next handful, the others wait for it
            if lease.left == 0 and self._clock() >= lease.refused_until:
                self._fetch(lease, policy, subject, quota)
            if lease.left == 0:
                wait_s = max(1, math.ceil(lease.refused_until - self._clock()))
                raise Limited(Standing(policy, quota, 0, wait_s))
            lease.left -= 1
            free_s = WINDOW_S - max(0.0, lease.full_at - self._clock())
            remaining = min(quota - 1, lease.left + int(free_s * quota / WINDOW_S + 1e-6))
            reset_s = math.ceil(WINDOW_S * (1 - remaining / quota))
            return Standing(policy, quota, remaining, reset_s)

    def _fetch(self, lease: Lease, policy: str, subject: UUID, quota: int) -> None:
        """Take a handful, or what is left of one."""
        each_s = WINDOW_S / quota
        wanted = max(1, quota // HANDFULS)
        for _ in range(2):
            with self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            ) as connection:
                taken = queries.take(
                    connection, subject, policy, cost_s=wanted * each_s, window_s=WINDOW_S
                )
            now = self._clock()
            lease.full_at = now + taken.full_in_s
            if taken.granted:
                lease.left = wanted
                return
            wanted = min(wanted, int((WINDOW_S - taken.full_in_s) / each_s))
            if wanted < 1:
                break
        lease.refused_until = now + max(0.0, taken.full_in_s + each_s - WINDOW_S)

    def _lease(self, policy: str, subject: UUID) -> Lease:
        if len(self._leases) >= MOST_LEASES:
            now = self._clock()
            for key, lease in list(self._leases.items()):
                if lease.full_at < now:  # its bucket is full again
                    self._leases.pop(key, None)
        return self._leases.setdefault((policy, subject), Lease())


class Limited(ApiError):
    """429, with the policy that was met."""

    def __init__(self, standing: Standing) -> None:
        wait = str(standing.reset_s)
        super().__init__("rate_limited", headers={"Retry-After": wait}, policy=standing.policy)
        self.standing = standing


def charge(request: Request, limiter: Limiter, policy: str, subject: UUID) -> None:
    """Use one permit for this request, and let its answer tell. Raises 429."""
    standings: list[Standing] = request.scope["state"].setdefault("rate_limits", [])
    if any(standing.policy == policy for standing in standings):
        return  # a route may ask for its member twice
    try:
        standing = limiter.charge(policy, subject)
    except Limited as refused:
        standings.append(refused.standing)
        raise
    if standing is not None:
        standings.append(standing)


def headers_of(standings: list[Standing]) -> dict[str, str]:
    """Return RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers)."""
    if not standings:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{s.policy}";q={s.quota};w={WINDOW_S}' for s in standings),
        "RateLimit": ", ".join(f'"{s.policy}";r={s.remaining};t={s.reset_s}' for s in standings),
    }
