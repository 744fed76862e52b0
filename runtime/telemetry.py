"""Where a process sends what it measures: Prometheus for figures, OTLP for traces.

Both are off until an address is set. Spans carry ids, routes and counts: no query string, no
header, no text of a customer.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from runtime.settings import Settings

log = logging.getLogger(__name__)

# Seconds. The SDK's own end at 60 s, and an AI call may wait and run for ten minutes.
LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)
LATENCIES = (
    "temporal_activity_schedule_to_start_latency",
    "temporal_activity_execution_latency",
    "temporal_activity_succeed_endtoend_latency",
    "temporal_workflow_task_schedule_to_start_latency",
    "temporal_workflow_task_execution_latency",
    "temporal_workflow_endtoend_latency",
)
EXPORT_TIMEOUT_S = 5


def temporal_runtime(settings: Settings) -> Runtime | None:
    """Return the SDK's runtime with its Prometheus endpoint; None for the default one.

    The pipeline's own counters (activities.metrics) are served by the same endpoint.
    """
    if not settings.metrics_address:
        return None
    prometheus = PrometheusConfig(
        bind_address=settings.metrics_address,
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides=dict.fromkeys(LATENCIES, LATENCY_BUCKETS),
    )
    return Runtime(telemetry=TelemetryConfig(metrics=prometheus))


class Tracing:
    """Sends the spans of one process to an OpenTelemetry collector."""

    def __init__(self, endpoint: str, service: str, headers: Mapping[str, str]) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        self.provider = TracerProvider(
            resource=Resource.create({"service.name": service}), shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces",
            headers=dict(headers),
            timeout=EXPORT_TIMEOUT_S,
        )
        self.provider.add_span_processor(BatchSpanProcessor(exporter))

    @property
    def tracer(self) -> Tracer:
        """What makes spans."""
        return self.provider.get_tracer("tonnage")

    @property
    def interceptor(self) -> Any:
        """Carries the trace through Temporal's headers, into workflows and their activities."""
        from temporalio.contrib.opentelemetry import TracingInterceptor

        return TracingInterceptor(self.tracer)

    def close(self) -> None:
        """Send what is left; a collector that is away costs at most its timeout."""
        self.provider.shutdown()


def make_tracing(settings: Settings, service: str) -> Tracing | None:
    """Return the tracing of a process; None when no endpoint is set."""
    if not settings.otlp_endpoint:
        return None
    pairs = (pair.partition("=") for pair in settings.otlp_headers.get_secret_value().split(","))
    headers = {name.strip(): value.strip() for name, _, value in pairs if name.strip()}
    return Tracing(settings.otlp_endpoint, service, headers)
