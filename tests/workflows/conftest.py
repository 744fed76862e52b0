"""A real Temporal dev server, set up as temporal-dev.yaml says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from runtime import dev_config
from runtime.dev import script


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """The server, with its state in memory."""
    config = dev_config.load()
    extra = []
    for key, value in config.dynamic_config.items():
        extra += ["--dynamic-config-value", f"{key}={json.dumps(value)}"]
    async with await WorkflowEnvironment.start_local(
        namespace=config.server.namespace,
        data_converter=pydantic_data_converter,
        dev_server_existing_path=script("temporal"),
        dev_server_extra_args=extra,
        search_attributes=[SearchAttributeKey.for_keyword(n) for n in config.search_attributes],
    ) as environment:
        yield environment
