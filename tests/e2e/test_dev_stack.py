"""`make dev` as a user meets it: taken ports, killed processes, a second start, a clean end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from runtime.postgres import start_postgres
from tests.e2e.conftest import CACHE

pytestmark = pytest.mark.timeout(280)

CSV = b"activity,quantity,unit,country,year\nDiesel (average biofuel blend),1200,litres,UK,2025\n"
DATA = Path(__file__).parents[1] / "data"
START_S = 120


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state directory whose embeddings are those of the other tests."""
    directory = tmp_path / "state"
    (directory / "work").mkdir(parents=True)
    (CACHE / "embeddings").mkdir(parents=True, exist_ok=True)
    shutil.copytree(CACHE / "embeddings", directory / "work" / "embeddings")
    yield directory
    for process in processes_of(directory):
        process.kill()
    if (directory / "pg" / "PG_VERSION").exists():
        start_postgres(directory / "pg").stop()


def processes_of(state: Path) -> list[psutil.Process]:
    """Return our Python processes and Temporal servers that work on a state directory."""
    found = []
    for process in psutil.process_iter():
        try:
            text = " ".join(process.cmdline()) + process.environ().get("TONNAGE_STORAGE_URL", "")
        except psutil.Error:
            continue
        if str(state) in text and process.pid != os.getpid() and "postgres" not in text:
            found.append(process)
    return found


def start(state: Path, log: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start the stack and wait until it says where it is."""
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "runtime", "dev", "--state", str(state)],
            stdout=sink, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    where: dict[str, Any] = {}

    def up() -> bool:
        assert process.poll() is None, log.read_text()
        if (state / "dev.json").exists():
            where.update(json.loads((state / "dev.json").read_text()))
        return where.get("pid") == process.pid

    wait_until(up, START_S, log)
    return process, where


def wait_until(condition: Callable[[], object], limit_s: float, log: Path) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@contextmanager
def client(where: dict[str, Any]) -> Iterator[httpx.Client]:
    """Yield a client that is logged in."""
    with httpx.Client(base_url=where["api_url"], timeout=20) as api:
        login = {"email": where["email"], "password": where["password"]}
        answer = api.post("/v1/auth/login", json=login)
        assert answer.status_code == 200, answer.text
        api.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield api


def kill_workers(state: Path) -> int:
    """Kill every worker process without warning; return how many."""
    workers = [p for p in processes_of(state) if "worker" in p.cmdline()]
    for worker in workers:
        worker.kill()
    return len(workers)


def operator(state: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that has no setting of ours."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("TONNAGE_")}
    return subprocess.run(
        [sys.executable, "-m", "runtime", *command.split(), "--state", str(state)],
        env=ours, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def finished(api: httpx.Client, file_id: str, log: Path) -> dict[str, Any]:
    def ended() -> bool:
        return api.get(f"/v1/files/{file_id}").json()["status"] in ("completed", "failed")

    wait_until(ended, 120, log)
    detail: dict[str, Any] = api.get(f"/v1/files/{file_id}").json()
    return detail


def test_the_stack_survives_taken_ports_kills_and_restarts(state: Path, tmp_path: Path) -> None:
    log = tmp_path / "dev.log"
    with ExitStack() as stack:
        for port in (8000, 7233, 8233):
            taken = stack.enter_context(socket.socket())
            if taken.connect_ex(("127.0.0.1", port)) != 0:
                taken.close()
                taken = stack.enter_context(socket.socket())
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken.bind(("127.0.0.1", port))
                taken.listen()
        process, where = start(state, log)
    for name in ("api_url", "temporal_ui_url", "temporal_address"):
        assert not where[name].endswith((":8000", ":7233", ":8233")), where

    # A second start on the same state explains itself and leaves the first alone.
    second = subprocess.run(
        [sys.executable, "-m", "runtime", "dev", "--state", str(state)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert where["api_url"] in second.stdout

    # Workers that are killed while a file runs change nothing in the result.
    with client(where) as api:
        file_id = api.post("/v1/files", files={"file": ("d.csv", CSV)}).json()["file_id"]
        assert kill_workers(state) >= 2
        detail = finished(api, file_id, log)
        assert detail["rows"] == {
            "total": 1,
            "calculated": 1,
            "in_review": 0,
            "rejected": 0,
            "no_activity": 0,
        }
        (figure,) = api.get("/v1/emissions").json()["results"]
        # domain.md section 8: 1,200 l x 2.57082 = 3,084.984 kg CO2e
        assert figure["emission_kg_co2e"] == pytest.approx(3084.984, rel=1e-12)

    # kill -9 of the parent leaves nothing that blocks the next start, and the data is there.
    process.kill()
    process.wait()
    if sys.platform == "linux":
        wait_until(lambda: not processes_of(state), 20, log)
    process, where = start(state, log)
    with client(where) as api:
        assert api.get("/v1/emissions").json()["results"][0]["id"] == figure["id"]

    # The demo works with the stack that runs, twice in a row; a person has its workbook already.
    with client(where) as api:
        workbook = (DATA / "demo.xlsx").read_bytes()
        own = api.post("/v1/files", files={"file": ("demo.xlsx", workbook)}).json()["file_id"]
        figures = finished(api, own, log)["rows"]["calculated"]
    for _ in range(2):
        demo = subprocess.run(
            [sys.executable, "-m", "runtime", "demo", "--state", str(state)],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        assert "59 = 52 calculated + 3 in review + 2 rejected + 2 no activity" in demo.stdout
        assert "step by step" in demo.stdout
        assert (state / "demo-report.pdf").read_bytes().startswith(b"%PDF-")
    # The second deleted what the first had uploaded, and nothing else.
    with client(where) as api:
        assert api.get("/v1/emissions").json()["summary"]["count"] == 1 + figures + 52
        assert api.get(f"/v1/files/{own}").status_code == 200

    # What an operator types in another terminal finds the stack without any setting.
    for command, answer in (
        ("audit verify", "all whole"),
        ("factors list", "desnz-2025"),
        ("retention run --dry-run", "nothing would go"),
        ("retention run", "started purge-expired-by-hand-"),
        (f"users reset-password {where['email']}", f"POST {where['api_url']}/v1/auth/password"),
    ):
        told = operator(state, command)
        assert (told.returncode, told.stderr) == (0, "")
        assert answer in told.stdout

    # Ctrl-C stops everything in order, also for somebody who presses it twice.
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, log.read_text()
    assert log.read_text().count("stopping …") == 1
    assert processes_of(state) == []
    assert not (state / "dev.json").exists()
    assert not (state / "pg" / "postmaster.pid").exists()
    assert "let `make dev` run" in operator(state, "retention run --dry-run").stderr
