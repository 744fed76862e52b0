"""The API's process: says that it is leaving before it leaves, and ends what would never end."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from http import HTTPStatus
from types import FrameType
from typing import Any
from uuid import uuid4

import h11
import uvicorn
from uvicorn.importer import import_from_string
from uvicorn.protocols.http.h11_impl import H11Protocol

from runtime.settings import Settings

APP = "api.app:create_app_from_environment"  # by name: this layer does not import the API

log = logging.getLogger("tonnage.api")


class Protocol(H11Protocol):
    """HTTP whose refusals look like every other error of the API, not like plain text."""

    def send_400_response(self, msg: str) -> None:
        """Answer what never became a request; called while h11's error is handled."""
        error = sys.exception()
        status, code = 400, "malformed_request"
        if getattr(error, "error_status_hint", 400) == 431:  # 64 KiB without an end
            status, code, msg = 431, "headers_too_large", "The head of the request has no end."
        title, request_id = HTTPStatus(status).phrase, uuid4().hex
        body = json.dumps({
            "type": f"urn:tonnage:problem:{code}", "title": title, "status": status,
            "detail": msg, "instance": "", "code": code, "request_id": request_id,
        }).encode()  # fmt: skip
        headers = [
            ("Content-Type", "application/problem+json"), ("Content-Length", str(len(body))),
            ("X-Request-Id", request_id), ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ]  # fmt: skip
        for event in (
            h11.Response(status_code=status, headers=headers, reason=title.encode()),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


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
        http=Protocol,
        access_log=False,
        log_config=None,  # ours is in place
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )
    Server(config, app.state.services.shutdown, settings.drain_s).run()
