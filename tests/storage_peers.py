"""Real HTTP peers for the object stores, and a proxy that makes them misbehave."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BUCKET = "test-bucket"


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto's server with an empty bucket; yield its address."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    client.create_bucket(Bucket=BUCKET)
    try:
        yield address
    finally:
        client.close()
        server.stop()


@contextmanager
def gcs_server() -> Iterator[str]:
    """Run the Google Cloud Storage emulator with an empty bucket; yield its address."""
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET)
    server.start()
    try:
        yield f"http://127.0.0.1:{server._api._httpd.server_port}"
    finally:
        server.stop()


Wanted = Callable[[str, str], bool]


@dataclass
class Fault:
    """What happens to requests that `wanted(method, path)` picks, `times` of them."""

    wanted: Wanted
    status: int = 0  # answer this instead of asking the peer
    delay_s: float = 0  # say nothing for so long
    cut: bool = False  # send half of the body, then hang up
    flip: bool = False  # change a byte in the middle of the body
    garble: bool = False  # change a byte at the end of what is sent to the peer
    close: bool = False  # hang up at once
    times: int = 1_000_000


@dataclass
class FaultyProxy:
    """Passes requests to a peer, and does to some what networks and services do."""

    upstream: str
    faults: list[Fault] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)  # of those requests, in lower case
    address: str = ""

    def fault(self, method: str, path: str) -> Fault | None:
        self.seen.append((method, path))
        for fault in self.faults:
            if fault.times > 0 and fault.wanted(method, path):
                fault.times -= 1
                return fault
        return None

    @contextmanager
    def running(self) -> Iterator[FaultyProxy]:
        """Listen while the block runs."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self) -> None:
                proxy.serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = serve

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Pass one request on."""
        self.headers.append({k.lower(): v for k, v in handler.headers.items()})
        fault = self.fault(handler.command, handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if fault and fault.delay_s:
            time.sleep(fault.delay_s)
        if fault and (fault.close or fault.delay_s):
            handler.close_connection = True
            return
        if fault and fault.status:
            handler.send_response(fault.status)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if fault and fault.garble:
            body = body[:-200] + bytes([body[-200] ^ 1]) + body[-199:]
        self.pass_on(handler, body, fault)

    def pass_on(self, handler: BaseHTTPRequestHandler, body: bytes, fault: Fault | None) -> None:
        peer = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=30)
        try:
            skip = ("connection", "expect", "transfer-encoding")
            headers = {k: v for k, v in handler.headers.items() if k.lower() not in skip}
            peer.request(handler.command, handler.path, body=body, headers=headers)
            answer = peer.getresponse()
            data = answer.read()
            handler.send_response(answer.status)
            length = answer.getheader("Content-Length") or str(len(data))
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    handler.send_header(name, value)
            handler.send_header("Content-Length", length)
            handler.end_headers()
        finally:
            peer.close()
        if fault and fault.flip and data:
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        if fault and fault.cut:
            data = data[: len(data) // 2]
            handler.close_connection = True
        handler.wfile.write(data)
