"""The API's process: says that it is leaving before it leaves, and ends what would never end."""

from __future__ import annotations

import asyncio
import logging
import signal
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.importer import import_from_string

from runtime.settings import Settings

APP = "api.app:create_app_from_environment"  # by name: this layer does not import the API

log = logging.getLogger("tonnage.api")


class Server(uvicorn.Server):
    """uvicorn with a drain period.

    On SIGTERM /readyz turns 503 while everything is still served, so that whoever spreads the load
    sends nothing more here; only then are listeners closed and running requests awaited. A second
    signal, or Ctrl-C, skips the wait.
    """

    def __init__(self, config: uvicorn.Config, shutdown: Any, drain_s: float) -> None:
        super().__init__(config)
        self.leaving = shutdown  # api.services.Shutdown
        self.drain_s = drain_s

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Begin to leave; called by Python in the main thread, where the event loop runs."""
        if sig == signal.SIGTERM and not self.leaving.draining and self.drain_s > 0:
            self.leaving.draining = True
            loop = asyncio.get_running_loop()
            loop.call_soon_threadsafe(loop.call_later, self.drain_s, self.leave)
        elif sig == signal.SIGINT and self.should_exit:
            self.force_exit = True
        else:
            self.leave()

    def leave(self) -> None:
        """End streams and stop accepting. Not uvicorn's way, which would raise the signal again
        at the end: the process that was asked to end and did has nothing to report."""
        self.leaving.draining = self.leaving.stopping = True
        self.should_exit = True


def run(settings: Settings, host: str, port: int) -> None:
    """Serve until a signal; returns when everything is answered or the time for it is over."""
    app = import_from_string(APP)()
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,  # ours is in place
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )
    Server(config, app.state.services.shutdown, settings.drain_s).run()
