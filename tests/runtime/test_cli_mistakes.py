"""An ordinary mistake on the command line is answered in a line, not with a traceback."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from runtime.cli import main

NOBODY = "127.0.0.1:1"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A deployment of which nothing runs."""
    for name, value in {
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-0123456789",
        "DATABASE_URL": f"postgresql://tonnage:hidden@{NOBODY}/tonnage",
        "DATABASE_CONNECT_TIMEOUT_S": "1",
        "TEMPORAL_ADDRESS": NOBODY,
        "STORAGE_URL": f"file://{tmp_path / 'objects'}",
        "WORK_DIR": str(tmp_path / "work"),
    }.items():
        monkeypatch.setenv(f"TONNAGE_{name}", value)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that fails; return what it says."""
    assert main(words) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("tonnage: ")
    assert "hidden" not in line
    return line


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "words",
    [
        ("migrate",),
        ("users", "reset-password", "somebody@example.org"),
        ("audit", "verify"),
        ("factors", "list"),
        ("retention", "run", "--dry-run"),
    ],
)
def test_a_database_that_is_not_there(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "the database does not answer" in told(capsys, *words)


@pytest.mark.usefixtures("environment")
def test_a_temporal_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Temporal does not answer" in told(capsys, "retention", "run")


@pytest.mark.usefixtures("environment")
def test_metrics_where_somebody_else_listens_or_nobody_could(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setenv("TONNAGE_METRICS_ADDRESS", f"127.0.0.1:{port}")
        worker = subprocess.run(
            [sys.executable, "-m", "runtime", "worker", "reports"], capture_output=True,
            text=True, check=False,
        )  # fmt: skip
    assert worker.returncode == 1
    assert worker.stderr.splitlines()[-1].startswith("tonnage: TONNAGE_METRICS_ADDRESS: ")
    assert "Traceback" not in worker.stderr
    for address in ("localhost:9464", "127.0.0.1:99999", "9464"):
        monkeypatch.setenv("TONNAGE_METRICS_ADDRESS", address)
        assert main(["worker", "reports"]) == 2
        assert "TONNAGE_METRICS_ADDRESS: must be address:port" in capsys.readouterr().err


def test_a_port_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["api", "--port", "99999"])
    assert "invalid choice: 99999" in capsys.readouterr().err


@pytest.mark.usefixtures("environment")
@pytest.mark.anyio
@pytest.mark.parametrize("words", [("worker", "pipeline"), ("retention", "run")])
async def test_a_namespace_that_nobody_made(
    temporal: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    address = temporal.client.service_client.config.target_host
    monkeypatch.setenv("TONNAGE_TEMPORAL_ADDRESS", address)
    monkeypatch.setenv("TONNAGE_TEMPORAL_NAMESPACE", "nobodys")
    # A process of its own: the command has its event loop, and its logging.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime", *words, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in said.decode()
    assert "tonnage: " in said.decode()
    assert "Namespace nobodys is not found" in said.decode()


def test_a_history_that_is_not_there_or_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No such file" in told(capsys, "replay", str(tmp_path / "none.json"))
    for content in ("{", "[]", '{"events": [{"eventId": "x"}]}'):
        (tmp_path / "wrong.json").write_text(content)
        line = told(capsys, "replay", str(tmp_path / "wrong.json"))
        assert line == "tonnage: wrong.json is no history of a workflow"
