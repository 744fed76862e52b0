"""Each request, measured: one log line, Prometheus figures, and a span when tracing is on.

Routes are named by their template and never by the path: ids and unknown paths would make endless
series, and may hold anything.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, Tracer, format_trace_id
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Engine
from sqlalchemy.pool import QueuePool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime import logging as logs

log = logging.getLogger("tonnage.access")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNKNOWN = "unknown"
MACHINERY = frozenset({"/livez", "/readyz", "/metrics"})
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Meters:
    """The figures of one application; a registry of its own, so that two can live in a process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tonnage_http_requests", "Requests answered", ["method", "route", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.duration = Histogram(
            "tonnage_http_request_duration_seconds",
            "From the first byte of a request to the last of its answer",
            ["method", "route"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.running = Gauge(
            "tonnage_http_requests_in_progress", "Requests being worked on", registry=self.registry
        )
        self.received = Counter(
            "tonnage_http_request_bytes", "Bytes of request bodies", registry=self.registry
        )
        self.pool = Gauge(
            "tonnage_database_connections",
            "Connections that requests hold, by role",
            ["role"],
            registry=self.registry,
        )

    def hold(self, role: str, engine: Engine) -> None:
        """Note how many connections are out of the pool."""
        if isinstance(engine.pool, QueuePool):
            self.pool.labels(role).set(engine.pool.checkedout())

    def exposition(self) -> tuple[bytes, str]:
        """Return what Prometheus scrapes, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class Watch:
    """ASGI middleware; the outermost but for the one that names the request."""

    def __init__(self, app: ASGIApp, meters: Meters, tracer: Tracer | None = None) -> None:
        self.app = app
        self.meters = meters
        self.tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in MACHINERY:
            await self.app(scope, receive, send)
            return
        status = 500
        began = time.monotonic()

        async def counted_receive() -> Message:
            message = await receive()
            self.meters.received.inc(len(message.get("body", b"")))
            return message

        async def noted_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with logs.context(request_id=scope["state"]["request_id"]), self.span(scope) as span:
            self.meters.running.inc()
            try:
                await self.app(scope, counted_receive, noted_send)
            finally:
                self.meters.running.dec()
                self.tell(scope, status, time.monotonic() - began, span)

    def span(self, scope: Scope) -> AbstractContextManager[Any]:
        """Open a span, as child of the caller's when there is a traceparent."""
        if self.tracer is None:
            return nullcontext()
        given = Headers(scope=scope).get("traceparent")
        return self.tracer.start_as_current_span(
            "request",
            context=extract({"traceparent": given}) if given else None,
            kind=SpanKind.SERVER,
            record_exception=False,  # its message may quote the request
        )

    def tell(self, scope: Scope, status: int, took_s: float, span: Any) -> None:
        """Count and log a request that has been answered."""
        method = scope["method"] if scope["method"] in METHODS else UNKNOWN
        route = getattr(scope.get("route"), "path", UNKNOWN)
        self.meters.requests.labels(method, route, str(status)).inc()
        self.meters.duration.labels(method, route).observe(took_s)
        if span is not None:
            span.update_name(f"{method} {route}")
            span.set_attribute("http.request.method", method)
            span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", status)
            span.set_attribute("tonnage.request_id", scope["state"]["request_id"])
            if organization_id := logs.noted("organization_id"):
                span.set_attribute("tonnage.organization_id", organization_id)
            logs.note(trace_id=format_trace_id(span.get_span_context().trace_id))
        log.info(
            "request",
            extra={
                "method": method,
                "route": route,
                "status": status,
                "duration_ms": round(took_s * 1000, 1),
            },
        )
