"""Stages with real PostgreSQL and real storage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.testing import ActivityEnvironment

from runtime.adapters.storage_local import LocalStorage
from tests.factories import Uploader


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
