"""Stages with real PostgreSQL and real storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.testing import ActivityEnvironment

from runtime.adapters.storage_local import LocalStorage
from tests.activities.asked import World, load_fuels
from tests.factories import Uploader
from tests.model_server import ModelServer


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "objects", public_url="http://test", secret=b"s" * 32)


@pytest.fixture
def uploader(platform_engine: Engine, storage: LocalStorage, clean_database: None) -> Uploader:
    return Uploader.make(platform_engine, storage)


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run an activity the way a worker would."""

    def call(activity: Callable[..., Any], argument: Any) -> Any:
        return ActivityEnvironment().run(activity, argument)

    return call


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def asking_world(
    server: ModelServer, worker_engine: Engine, platform_engine: Engine, uploader: Uploader,
    storage: LocalStorage, admin_engine: Engine,
) -> Iterator[World]:  # fmt: skip
    with admin_engine.begin() as connection:
        connection.execute(text("TRUNCATE factor_releases, model_breakers CASCADE"))
    other = Uploader.make(platform_engine, storage, "Dock & Sons")
    world = World(worker_engine, admin_engine, server, uploader, other, load_fuels(platform_engine))
    yield world
    world.close()
