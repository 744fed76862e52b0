"""A whole deployment in the test process: PostgreSQL, Temporal, storage, workers and API."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from api.app import create_app
from runtime import seed
from runtime.settings import DatabaseRole, Settings
from runtime.temporal import TemporalPipeline
from runtime.wiring import make_storage
from runtime.worker import WORKFLOWS, make_worker
from tests.conftest import SECRET, engine_for, make_database, temporal_server
from workflows import options

EMAIL, PASSWORD = "demo@tonnage.example", "only in the tests, twice a day"
# Scratch space; what the vectors shipped with the library do not cover is kept between runs.
CACHE = Path(__file__).parents[2] / ".tonnage" / "test-cache"
TIMEOUT_S = 110


@dataclass
class Deployment:
    """What a test talks to."""

    api: httpx.AsyncClient
    temporal: Client
    settings: Settings

    async def get(self, route: str, **parameters: Any) -> Any:
        """Return the JSON of a resource."""
        answer = await self.api.get(route, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def upload(self, data: bytes, filename: str, **form: str) -> str:
        """Upload bytes; return the file's id."""
        answer = await self.api.post(
            "/v1/files", params={"allow_duplicate": "true"}, files={"file": (filename, data)},
            data=form,
        )  # fmt: skip
        assert answer.status_code == 202, answer.text
        return str(answer.json()["file_id"])

    async def finished(self, file_id: str) -> Any:
        """Wait until the file has ended; return it."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            detail = await self.get(f"/v1/files/{file_id}")
            if detail["status"] in ("completed", "failed"):
                return detail
            await asyncio.sleep(0.1)
        raise AssertionError(f"not finished: {await self.get(f'/v1/files/{file_id}/status')}")

    def calculations(self, file_id: str) -> list[tuple[float, dict[str, Any]]]:
        """Return (emission in kg, stored calculation) of every living figure of a file."""
        engine = engine_for(self.settings, DatabaseRole.ADMIN)
        with engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT calculated_emission, calculation FROM emissions"
                    " WHERE file_id = :file_id AND deleted_at IS NULL"
                ),
                {"file_id": file_id},
            ).all()
        engine.dispose()
        return [(row.calculated_emission, row.calculation) for row in rows]

    async def all(self, route: str, plural: str, **parameters: Any) -> list[Any]:
        """Return every page of a list."""
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(route, limit=200, **parameters, **cursor)
            found += page[plural]
            if not page["pagination"]["has_more"]:
                return found
            cursor = {"cursor": page["pagination"]["next_cursor"]}


@pytest.fixture(scope="session")
def deployment_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("deployment")
    return Settings(
        secret_key=SECRET,
        database_url=make_database(f"tonnage_e2e_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"),
        storage_url=f"file://{root / 'objects'}",
        work_dir=CACHE,
        match_batch_size=20,
        egress_allow_private=True,  # the receivers of the tests listen here
        argon2_memory_kib=64,
        argon2_time_cost=1,
    )


@pytest.fixture(scope="session")
async def deployment(
    deployment_settings: Settings, anyio_backend: str
) -> AsyncIterator[Deployment]:
    """Everything, running; on a server of its own, for its workers listen on the real queues."""
    async with temporal_server() as temporal, running(deployment_settings, temporal) as deployed:
        yield deployed


@asynccontextmanager
async def running(
    deployment_settings: Settings, temporal: WorkflowEnvironment
) -> AsyncIterator[Deployment]:
    """Seed the database and start workers and API."""
    settings = deployment_settings.model_copy(
        update={"temporal_address": temporal.client.service_client.config.target_host}
    )
    await asyncio.to_thread(seed.prepare, settings, EMAIL, PASSWORD)
    storage = make_storage(settings)
    pipeline = TemporalPipeline(temporal.client, match_batch_size=settings.match_batch_size)
    app = create_app(settings, storage=storage, pipeline=pipeline)
    async with AsyncExitStack() as stack:
        stack.callback(app.state.services.app_engine.dispose)
        stack.callback(app.state.services.auth_engine.dispose)
        for queue in WORKFLOWS.keys() | {options.MATCHING_QUEUE, options.PDF_QUEUE}:
            worker, close = make_worker(queue, temporal.client, settings)
            stack.callback(close)
            await stack.enter_async_context(worker)
        api = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://test", timeout=60
            )
        )
        login = await api.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
        assert login.status_code == 200, login.text
        api.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        yield Deployment(api, temporal.client, settings)
