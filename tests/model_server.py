"""A server that speaks the OpenAI protocol over real HTTP, and misbehaves on demand.

Each request is checked against the published schema (tests/openai_schema.py) and refused as OpenAI
refuses it. What a call meets comes from a script: one behaviour a call, then the standing one.
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.model_answers import Chooser, Mode, completion, embedded
from tests.openai_schema import fault_of

KEY = "sk-test-0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a call meets. `seconds` pass before the answer."""

    mode: Mode = Mode.PROPERLY
    retry_after: str | None = None
    status: int = 500
    seconds: float = 0.0


PROPERLY = Behaviour()


def slow(seconds: float) -> Behaviour:
    """Return a proper answer that takes its time."""
    return Behaviour(seconds=seconds)


def status(code: int) -> Behaviour:
    """Return an error answer."""
    return Behaviour(Mode.STATUS, status=code)


@dataclass(frozen=True, slots=True)
class Received:
    """One request with how many were in flight when it came, itself included."""

    path: str
    headers: dict[str, str]
    body: Any
    in_flight: int

    @property
    def activities(self) -> list[dict[str, Any]]:
        """Return the activities that a chat request asks about."""
        found: list[dict[str, Any]] = json.loads(self.body["messages"][-1]["content"])["activities"]
        return found

    @property
    def names(self) -> list[str]:
        """Return their names."""
        return [activity["name"] for activity in self.activities]


@dataclass
class ModelServer:
    """The server. `requests` are those with a right key and a right body, in order."""

    key: str = KEY
    choose: Chooser = lambda _, labels: labels[0]
    standing: Behaviour = PROPERLY
    dimensions: int = 8
    # Names that this server does not take, and how it says so: "param", "message" or "detail".
    not_taken: dict[str, str] = field(default_factory=dict)
    requests: list[Received] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # what was wrong with other requests
    script: deque[Behaviour] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)
    open_sockets: set[socket.socket] = field(default_factory=set)
    in_flight: set[socket.socket] = field(default_factory=set)
    given_up: int = 0  # calls whose client went away
    stopping: bool = False

    def __enter__(self) -> ModelServer:
        self.http = _Http(("127.0.0.1", 0), _handler(self))
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping = True
        self.http.shutdown()
        self.http.server_close()
        with self.lock:
            for connection in self.open_sockets:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.thread.join()

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    @property
    def peak(self) -> int:
        """Return the most calls that were ever in flight."""
        return max((r.in_flight for r in self.requests), default=0)

    def behave(self, *behaviours: Behaviour | Mode) -> None:
        """Set what the next calls meet, one each."""
        self.script.extend(Behaviour(b) if isinstance(b, Mode) else b for b in behaviours)

    @contextmanager
    def received(self, handler: _Handler, body: Any) -> Iterator[Behaviour]:
        """Count a request as in flight until the block ends; yield what it meets."""
        connection = handler.connection
        with self.lock:
            # A client that was killed is in flight no more, though its thread here has not noticed.
            self.in_flight = {c for c in self.in_flight if not is_gone(c)} | {connection}
            headers = {name.lower(): value for name, value in handler.headers.items()}
            self.requests.append(Received(handler.path, headers, body, len(self.in_flight)))
            behaviour = self.script.popleft() if self.script else self.standing
        try:
            yield behaviour
        finally:
            with self.lock:
                self.in_flight.discard(connection)

    def wait_for(self, condition: Callable[[], bool], within_s: float = 60) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, "it never came to that"
            time.sleep(0.01)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_of_tests: ModelServer

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def setup(self) -> None:
        super().setup()
        with self.server_of_tests.lock:
            self.server_of_tests.open_sockets.add(self.connection)

    def finish(self) -> None:
        with self.server_of_tests.lock:
            self.server_of_tests.open_sockets.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        """Check a request, then answer as the script says."""
        server = self.server_of_tests
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path not in ("/v1/chat/completions", "/v1/embeddings"):
            return self.refuse(404, f"Invalid URL (POST {self.path})", None, None)
        if self.headers.get("authorization") != f"Bearer {server.key}":
            shown = self.headers.get("authorization", "")
            message = f"Incorrect API key provided: {shown}."
            return self.refuse(401, message, None, "invalid_api_key")
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        if fault := fault_of(self.path, body):
            return self.refuse(400, fault.message, fault.param, fault.code)
        for name, style in server.not_taken.items():
            if name in body:
                return self.not_taken(name, style)
        with server.received(self, body) as behaviour:
            if self.passed(behaviour.seconds):
                self.answer(behaviour, body)
        return None

    def answer(self, behaviour: Behaviour, body: dict[str, Any]) -> None:
        """Answer one request that was right."""
        asked = json.dumps(body)
        match behaviour.mode:
            case Mode.RATE_LIMITED:
                headers = {"Retry-After": behaviour.retry_after} if behaviour.retry_after else {}
                message = f"Rate limit reached for {asked}"
                self.fail(429, message, None, "rate_limit_exceeded", headers)
            case Mode.QUOTA_USED_UP:
                message = "You exceeded your current quota"
                self.fail(429, message, None, "insufficient_quota", type_="insufficient_quota")
            case Mode.STATUS:
                self.fail(behaviour.status, f"It broke on {asked}", None, None)
            case Mode.FILTERED:
                self.fail(400, f"Filtered: {asked}", "prompt", "content_filter")
            case Mode.HANG:
                self.passed(3600)
            case Mode.DRIBBLE:
                self.dribble()
            case Mode.DROP:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            case Mode.REDIRECT:
                self.send(307, b"", {"Location": self.server_of_tests.url + "/chat/completions"})
            case Mode.NOT_JSON:
                self.send(200, b"<html>busy</html>")
            case Mode.NO_OBJECT:
                self.send(200, b"[]")
            case _ if self.path.endswith("/embeddings"):
                self.reply(embedded(body, self.server_of_tests.dimensions, behaviour.mode))
            case _:
                self.reply(completion(body, self.server_of_tests.choose, behaviour.mode))

    def passed(self, seconds: float) -> bool:
        """Let time pass; False when the client went away meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.server_of_tests.stopping:
            if is_gone(self.connection, min(left, 0.02)):
                self.server_of_tests.given_up += 1
                self.close_connection = True
                return False
        return True

    def dribble(self) -> None:
        """Keep the client waiting although something comes all the time."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        while self.passed(0.02) and not self.close_connection:
            if self.server_of_tests.stopping:
                return
            self.wfile.write(b" ")
            self.wfile.flush()

    def not_taken(self, name: str, style: str) -> None:
        """Refuse a parameter: as OpenAI does, with a message alone, or as FastAPI would."""
        if style == "param":
            message = f"Unsupported value: '{name}' does not support this value with this model."
            return self.refuse(400, message, name, "unsupported_value")
        if style == "message":
            return self.refuse(400, f"property '{name}' is unsupported", None, None)
        self.server_of_tests.refused.append(name)
        detail = [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs"}]
        return self.send(422, json.dumps({"detail": detail}).encode())

    def refuse(self, code: int, message: str, param: str | None, kind: str | None) -> None:
        """Refuse a request that is wrong."""
        self.server_of_tests.refused.append(message)
        self.fail(code, message, param, kind)

    def fail(
        self,
        code: int,
        message: str,
        param: str | None,
        kind: str | None,
        headers: dict[str, str] | None = None,
        type_: str = "invalid_request_error",
    ) -> None:
        """Answer with the protocol's error object."""
        error = {"message": message, "type": type_, "param": param, "code": kind}
        self.send(code, json.dumps({"error": error}).encode(), headers or {})

    def reply(self, value: object) -> None:
        """Answer well."""
        self.send(200, json.dumps(value).encode())

    def send(self, code: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _handler(server: ModelServer) -> type[_Handler]:
    return type("Handler", (_Handler,), {"server_of_tests": server})


def is_gone(connection: socket.socket, wait_s: float = 0.0) -> bool:
    """Tell whether the other side closed the connection."""
    try:
        readable, _, _ = select.select([connection], [], [], wait_s)
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True
