"""The API's real process under SIGTERM: nothing is dropped, and it says so before it goes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from api.throttles import Attempt
from core.permissions import Role
from db.queries import organizations
from runtime.dev import DevStack, api_command
from runtime.passwords import Passwords
from runtime.settings import Settings
from runtime.supervisor import free_port
from tests.conftest import SECRET

EMAIL, PASSWORD = "ada@alpha.example", "a pass phrase of several words"
UPLOADS = 20
ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60


@dataclass
class Api:
    """A running process and how to talk to it."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path
    headers: dict[str, str]

    def told(self) -> str:
        return self.log.read_text()


@pytest.fixture
def served(
    settings: Settings, clean_database: None, platform_engine: Engine, tmp_path: Path
) -> Iterator[Api]:
    """The API as `make dev` starts it, with one person; Temporal is away."""
    with Session(platform_engine) as session:
        organization_id = organizations.create_organization(session, name="Alpha", country="GB")
        user_id = organizations.create_user(
            session, email=EMAIL, password_hash=Passwords(settings).hash(PASSWORD), first_name="A"
        )
        organizations.add_member(session, organization_id, user_id, Role.ADMIN, None)
        session.commit()
    port = free_port(0)
    url = f"http://127.0.0.1:{port}"
    changed = {
        "public_url": url,
        "drain_s": 2,
        "shutdown_timeout_s": 30,
        "temporal_address": "127.0.0.1:1",
    }
    environment = DevStack(tmp_path).environment(settings.model_copy(update=changed))
    log = tmp_path / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            api_command(port), env=environment,
            stdout=sink, stderr=subprocess.STDOUT, cwd=Path(__file__).parents[2],
        )  # fmt: skip
    api = Api(process, url, log, {})
    try:
        wait_until_ready(api)
        given = {"email": EMAIL, "password": PASSWORD}
        tokens = httpx.post(f"{url}/v1/auth/login", json=given, timeout=WAIT_S).json()
        api.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        yield api
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API's process with nothing behind it; its address."""
    state = tmp_path_factory.mktemp("bare")
    port = free_port(0)
    settings = Settings(
        secret_key=SECRET, database_url="postgresql://nobody@127.0.0.1:1/none",
        temporal_address="127.0.0.1:1", storage_url=f"file://{state}", work_dir=state,
        public_url=f"http://127.0.0.1:{port}",
    )  # fmt: skip
    environment = DevStack(state).environment(settings)
    with (state / "log").open("wb") as sink:
        process = subprocess.Popen(
            api_command(port), env=environment, stdout=sink, stderr=subprocess.STDOUT,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 2 * WAIT_S
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/livez", timeout=5).status_code == 200:
                    break
            assert process.poll() is None, (state / "log").read_text()
            assert time.monotonic() < deadline, (state / "log").read_text()
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def wait_until_ready(api: Api) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            if httpx.get(f"{api.url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert api.process.poll() is None, api.told()
        assert time.monotonic() < deadline, api.told()
        time.sleep(0.1)


class Slow:
    """A multipart body that stops half-way until it is let go on."""

    def __init__(self, number: int) -> None:
        self.half_sent = threading.Event()
        self.go_on = threading.Event()
        self.number = number

    def __iter__(self) -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        yield b"Activity,Amount,Unit\n"
        self.half_sent.set()
        assert self.go_on.wait(WAIT_S)
        yield f"Diesel,{self.number},l\n".encode() + b"\r\n--b--\r\n"


def upload(api: Api, body: Slow) -> int:
    headers = api.headers | {"Content-Type": "multipart/form-data; boundary=b"}
    answer = httpx.post(f"{api.url}/v1/files", headers=headers, content=body, timeout=WAIT_S)
    return answer.status_code


def large(mib: int) -> Iterator[bytes]:
    """Yield a multipart body that holds a table of so many MiB."""
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    yield b"Activity,Amount,Unit\n"
    chunk = b"Diesel for site one,10,litres\n" * 34_952  # a MiB, nearly
    for _ in range(mib):
        yield chunk
    yield b"\r\n--b--\r\n"


def watch(api: Api, file_id: str, began: threading.Event) -> int:
    """Read an event stream to its end; return how many events came. Raises when it is cut off."""
    seen = 0
    url = f"{api.url}/v1/files/{file_id}/events"
    with httpx.stream("GET", url, headers=api.headers, timeout=WAIT_S) as answer:
        for line in answer.iter_lines():
            seen += line.startswith("data:")
            began.set()
    return seen


def test_sigterm_drops_no_request_and_ends_streams(served: Api) -> None:
    first = Slow(0)
    first.go_on.set()
    assert upload(served, first) == 202
    [file] = httpx.get(f"{served.url}/v1/files", headers=served.headers).json()["files"]
    bodies = [Slow(number) for number in range(1, UPLOADS + 1)]
    began = threading.Event()
    with ThreadPoolExecutor(UPLOADS + 1) as threads, httpx.Client(timeout=WAIT_S) as kept:
        assert kept.get(f"{served.url}/readyz").status_code == 200
        stream = threads.submit(watch, served, file["id"], began)
        uploads = [threads.submit(upload, served, body) for body in bodies]
        assert began.wait(WAIT_S)
        for body in bodies:
            assert body.half_sent.wait(WAIT_S)
        os.kill(served.process.pid, signal.SIGTERM)
        ready = kept.get(f"{served.url}/readyz")
        while ready.status_code == 200:  # the signal may be on its way
            ready = kept.get(f"{served.url}/readyz")
        # it says that it leaves, and still serves
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        assert httpx.get(f"{served.url}/livez").status_code == 200
        assert stream.result(WAIT_S) >= 1  # ended, not cut off: the end of the drain
        for body in bodies:
            body.go_on.set()
        assert [done.result(WAIT_S) for done in uploads] == [202] * UPLOADS
        assert served.process.wait(WAIT_S) == 0, served.told()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.url}/livez")


def test_a_login_is_counted_at_the_address_that_a_trusted_proxy_tells(
    served: Api, admin_engine: Engine
) -> None:
    given = {"email": EMAIL, "password": "wrong"}
    told = {"X-Forwarded-For": "203.0.113.5, 192.0.2.44"}  # only the last is the proxy's own word
    httpx.post(f"{served.url}/v1/auth/login", json=given, headers=told, timeout=WAIT_S)
    with admin_engine.connect() as connection:
        subjects = set(connection.scalars(text("SELECT subject FROM login_throttles")))
    assert Attempt(EMAIL, "", "192.0.2.44").place_subject in subjects
    assert Attempt(EMAIL, "", "203.0.113.5").place_subject not in subjects


def test_a_second_sigterm_skips_the_drain(served: Api) -> None:
    os.kill(served.process.pid, signal.SIGTERM)
    time.sleep(0.2)
    os.kill(served.process.pid, signal.SIGTERM)
    assert served.process.wait(WAIT_S) == 0, served.told()


def test_a_large_upload_is_never_held_in_memory_as_a_whole(served: Api) -> None:
    """150 MiB pass through a process that grows by a fraction of it."""
    headers = served.headers | {"Content-Type": "multipart/form-data; boundary=b"}
    process = psutil.Process(served.process.pid)
    before, most = process.memory_info().rss, 0

    def watched() -> Iterator[bytes]:
        nonlocal most
        for piece in large(150):
            most = max(most, process.memory_info().rss)
            yield piece

    url = f"{served.url}/v1/files"
    with httpx.stream("POST", url, headers=headers, content=watched(), timeout=120) as answer:
        most = max(most, process.memory_info().rss)
        answer.read()
    assert answer.status_code == 202, answer.text
    most = max(most, process.memory_info().rss)
    assert most - before < 50 * 1024**2, f"grew by {(most - before) >> 20} MiB"


def test_the_api_starts_without_what_only_workers_need() -> None:
    """Tens of megabytes in every process that serves, for tables and vectors it never touches."""
    heavy = ("pyarrow", "numpy", "onnxruntime", "openai", "weasyprint", "activities")
    script = f"import sys, api.app, runtime.cli; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, "malformed_request"),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 65_500, 431, "headers_too_large"),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431,
         "headers_too_large"),
        (b"GET /livez?" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri_too_long"),
    ],
)  # fmt: skip
def test_what_never_becomes_a_request_is_refused_as_a_problem_too(
    bare: str, sent: bytes, status: int, code: str
) -> None:
    host, _, port = bare.partition(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as connection:
        with contextlib.suppress(ConnectionError):  # it may close before all is sent
            connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"application/problem+json" in head
    found = json.loads(body)
    assert (found["status"], found["code"]) == (status, code)
    assert found["request_id"].encode() in head
    assert b"aaaa" not in answer
