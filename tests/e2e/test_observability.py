"""One upload to the real stack, looked at as an operator would: logs, metrics, trace, dashboard."""

from __future__ import annotations

import gzip
import json
import re
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from activities import metrics
from tests.e2e.test_dev_stack import client, finished, start, state

__all__ = ["state"]  # the fixture

pytestmark = pytest.mark.timeout(280)

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"
SECRET_TEXT = "Zanzibar-Consulting"  # stands for whatever a customer writes
CSV = f"activity,quantity,unit,country,year\n{SECRET_TEXT} diesel,1200,litres,UK,2025\n".encode()
STAGES = [
    "scan_file",
    "parse_file",
    "validate_part",
    "match_batch",
    "calculate_part",
    "finish_file",
]
# Not every deployment has met a failure or asked a model; their names are the SDK's and ours.
ONLY_ON_OCCASION = {
    "temporal_activity_execution_failed_total",
    "temporal_workflow_failed_total",
    "temporal_workflow_canceled_total",
} | {f"{name}_total" for name in metrics.DESCRIPTIONS}


class Collector(ThreadingHTTPServer):
    """Takes spans as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Take)
        self.spans: list[tuple[str, Any]] = []  # (service, span)


class Take(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        assert isinstance(self.server, Collector)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.server.spans += [(names["service.name"], span) for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def named_in_the_dashboard() -> set[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = " ".join(t["expr"] for p in panels for t in p.get("targets", []))
    return set(re.findall(r"\b(?:tonnage|temporal)_\w+", expressions))


def test_an_upload_can_be_followed_and_its_text_is_nowhere(
    state: Path, tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONNAGE_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    log = tmp_path / "dev.log"
    process, where = start(state, log)
    caller = "4bf92f3577b34da6a3ce929d0e0e4736"
    with client(where) as api:
        answer = api.post(
            "/v1/files",
            files={"file": (f"{SECRET_TEXT}.csv", CSV)},
            headers={"X-Request-Id": "followed", "traceparent": f"00-{caller}-00f067aa0ba902b7-01"},
        )
        file_id = answer.json()["file_id"]
        finished(api, file_id, log)
        assert api.get("/v1/emissions", params={"q": SECRET_TEXT}).status_code == 200
        assert api.get(f"/v1/{SECRET_TEXT}").status_code == 404
    exposed = "".join(httpx.get(url).text for url in where["metrics_urls"])
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, log.read_text()

    # metrics: what the dashboard asks for is there, and the upload is in the figures
    assert len(where["metrics_urls"]) == 5  # the API's, and one of each worker
    names = set(re.findall(r"^(\w+)", exposed, re.M))
    assert named_in_the_dashboard() - ONLY_ON_OCCASION - names == set()
    assert re.search(r'tonnage_rows_total\{.*stage="parse".*\} 1\n', exposed)
    assert re.search(r'tonnage_files_total\{.*outcome="completed".*\} 1\n', exposed)
    assert re.search(r"tonnage_match_decisions_total\{.*\} 1\n", exposed)
    assert 'route="/v1/files",status="202"} 1.0' in exposed
    assert 'route="unknown",status="404"} 1.0' in exposed

    # trace: the caller's own, from the request to the last activity, over three processes
    ours = [(service, s) for service, s in collector.spans if s.trace_id.hex() == caller]
    spans = {span.name for _, span in ours}
    assert {"POST /v1/files", "StartWorkflow:ProcessFile", "RunWorkflow:ProcessFile"} <= spans
    assert {f"RunActivity:{stage}" for stage in STAGES} <= spans
    assert len({service for service, _ in ours}) == 3

    # logs: each line is JSON, the request and the activities are named, the text is not there
    lines = [
        json.loads(line)
        for name in ("api", "worker-pipeline-1", "worker-ai-matching-1")
        for line in (state / "logs" / f"{name}.log").read_text().splitlines()
    ]
    [request] = [line for line in lines if line.get("request_id") == "followed"]
    assert (request["route"], request["status"], request["trace_id"]) == ("/v1/files", 202, caller)
    activities = {line["activity_type"] for line in lines if line.get("file_id") == file_id}
    assert set(STAGES) <= activities
    everything = json.dumps(lines) + exposed + "".join(str(span) for _, span in collector.spans)
    assert SECRET_TEXT not in everything
