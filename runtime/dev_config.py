"""temporal-dev.yaml as typed data, and as arguments of `temporal server start-dev`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

DEFAULT_PATH = Path(__file__).parent.parent / "temporal-dev.yaml"


class Closed(BaseModel):
    """Unknown keys are typing errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(Closed):
    """Where the development server listens and what it remembers."""

    namespace: str
    ip: str
    port: int
    ui_port: int
    database: str
    sqlite_pragmas: dict[str, str] = {}


class Queue(Closed):
    """Slots of one task queue: per process, or over the whole deployment."""

    slots: int | None = Field(default=None, ge=1)
    deployment_slots: int | None = Field(default=None, ge=1)
    processes: int = Field(default=1, ge=0, le=32)


class TemporalDev(Closed):
    """The file."""

    server: Server
    search_attributes: dict[str, str]
    dynamic_config: dict[str, Any]
    task_queues: dict[str, Queue]

    def arguments(self, *, port: int, ui_port: int, database: Path | None) -> list[str]:
        """Return the arguments of `temporal` that start this server on the given ports."""
        server = self.server
        found = ["server", "start-dev", "--namespace", server.namespace, "--ip", server.ip]
        found += ["--port", str(port), "--ui-port", str(ui_port), "--ui-disable-news-fetch"]
        found += ["--log-level", "error"]
        if database is not None:
            found += ["--db-filename", str(database)]
            for pragma, value in server.sqlite_pragmas.items():
                found += ["--sqlite-pragma", f"{pragma}={value}"]
        for name, kind in self.search_attributes.items():
            found += ["--search-attribute", f"{name}={kind}"]
        for key, value in self.dynamic_config.items():
            found += ["--dynamic-config-value", f"{key}={json.dumps(value)}"]
        return found


def load(path: Path = DEFAULT_PATH) -> TemporalDev:
    """Read and check the file."""
    return TemporalDev.model_validate(yaml.safe_load(path.read_text()))
