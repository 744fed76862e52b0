"""/livez and /readyz: for the machinery that keeps the process running."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from io import BytesIO
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from starlette.concurrency import run_in_threadpool

from api.deps import ServicesDep
from api.services import Services, StorageSeen
from core.ports import Storage
from db.engine import refuse_dangerous_role
from runtime.migrate import head_revision

router = APIRouter(tags=["health"])

CHECK_TIMEOUT_S = 2.0
PROBE = "readyz"
WRITE_EVERY_S = 60.0
DATABASE_TIMEOUT_S = 1.0  # a database that is slower than this serves nobody

log = logging.getLogger("tonnage.api")

State = Literal["ok", "away", "behind", "absent"]


class Liveness(BaseModel):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "alive"}]})

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """Whether requests should be sent here; without Temporal uploads are kept for the sweep."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "ready",
                    "checks": {"database": "ok", "storage": "ok", "temporal": "ok"},
                }
            ]
        }
    )

    status: Literal["ready", "degraded", "unready", "draining"]
    checks: dict[str, State]


@router.get("/livez")
async def livez() -> Liveness:
    """Tell that the process answers; looks at nothing else."""
    return Liveness()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Not ready"}})
async def readyz(services: ServicesDep, response: Response) -> Readiness:
    """Tell whether this process can serve: database, schema, storage; Temporal only degrades.

    A process that was asked to end is not ready, and serves what still comes for a while.
    """
    if services.shutdown.draining:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
        return Readiness(status="draining", checks={})
    database, storage, temporal = await asyncio.gather(
        within(run_in_threadpool(check_database, services), DATABASE_TIMEOUT_S),
        within(run_in_threadpool(check_storage, services)),
        within(check_temporal(services)),
    )
    checks: dict[str, State] = {"database": database, "storage": storage, "temporal": temporal}
    if database != "ok" or storage != "ok":
        response.status_code = 503
        response.headers["Retry-After"] = "5"
        return Readiness(status="unready", checks=checks)
    return Readiness(status="ready" if temporal == "ok" else "degraded", checks=checks)


async def within(check: Awaitable[State], timeout_s: float = CHECK_TIMEOUT_S) -> State:
    """Return the outcome of a check; "away" when it fails or takes too long."""
    try:
        async with asyncio.timeout(timeout_s):
            return await check
    except Exception as error:
        log.info("a readiness check failed: %s", type(error).__name__)
        return "away"


def check_database(services: Services) -> State:
    """Compare the schema's revision with the code's, and look at our role as at the start.

    A process that began while PostgreSQL was away could not look then.
    """
    refuse_dangerous_role(services.app_engine)
    with services.app_engine.connect() as connection:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return "ok" if revision == head_revision() else "behind"


def check_storage(services: Services) -> State:
    """Ask the store, in a few threads at most: one that hangs must not gather all of them."""
    seen = services.storage_seen
    if not seen.askers.acquire(blocking=False):
        return "away"
    try:
        return ask_storage(services.storage, seen)
    finally:
        seen.askers.release()


def ask_storage(storage: Storage, seen: StorageSeen) -> State:
    """Ask for an object that need not exist; once a minute, write and remove it."""
    if seen.written_at is not None and time.monotonic() - seen.written_at < WRITE_EVERY_S:
        storage.exists(PROBE)
        return "ok"
    seen.written_at = None  # unless this works, the next look tries again
    storage.put(PROBE, BytesIO())
    storage.delete(PROBE)
    seen.written_at = time.monotonic()
    return "ok"


async def check_temporal(services: Services) -> State:
    """Ask the workflow service."""
    if services.pipeline is None:
        return "absent"
    return "ok" if await services.pipeline.ready() else "away"
