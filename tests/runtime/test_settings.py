"""A process that is configured wrongly does not start, and says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from runtime.settings import Settings

ROOT = Path(__file__).parents[2]
STRONG = "a-strong-key-0123456789-abcdefghijklmnop"
OTHER = "another-key-0123456789-abcdefghijklmnopq"
NEEDED = {
    "TONNAGE_SECRET_KEY": STRONG,
    "TONNAGE_DATABASE_URL": "postgresql://localhost:1/none",
    "TONNAGE_STORAGE_URL": "file:///tmp/none",
    "TONNAGE_WORK_DIR": "/tmp/none",
}
COMMANDS = {
    "worker": ["-m", "runtime", "worker", "pipeline"],
    "migrations": ["-m", "runtime", "migrate"],
    "API": ["-m", "uvicorn", "--factory", "api.app:create_app_from_environment", "--port", "0"],
}


def start(command: str, **changed: str | None) -> subprocess.CompletedProcess[str]:
    """Start a process as an operator would; None takes a variable away."""
    values = {k: v for k, v in os.environ.items() if not k.startswith("TONNAGE_")}
    values |= {k: v for k, v in (NEEDED | changed).items() if v is not None}
    return subprocess.run(
        [sys.executable, *COMMANDS[command]], cwd=ROOT, env=values, text=True, capture_output=True
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("TONNAGE_SECRET_KEY", None, "Field required"),
        ("TONNAGE_SECRET_KEY", "hunter2-hunter2", "make one with"),
        ("TONNAGE_SECRET_KEYS_PREVIOUS", f"{OTHER},hunter2-hunter2", "make one with"),
    ],
)
def test_a_weak_or_missing_secret_stops_the_process_and_says_what_to_do(
    command, variable, value, remedy
) -> None:
    ended = start(command, **{variable: value})
    assert ended.returncode in (1, 2)
    assert f"{variable}: " in ended.stderr
    assert remedy in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "hunter2" not in ended.stderr + ended.stdout


def settings(monkeypatch: pytest.MonkeyPatch, previous: str) -> Settings:
    for name, value in (NEEDED | {"TONNAGE_SECRET_KEYS_PREVIOUS": previous}).items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", []),
        ("[]", []),
        (OTHER, [OTHER]),
        (f" {OTHER} , {STRONG}x,", [OTHER, f"{STRONG}x"]),
        (f'["{OTHER}", "{STRONG}x"]', [OTHER, f"{STRONG}x"]),
    ],
)
def test_previous_keys_are_read_with_commas_between_or_as_json(monkeypatch, written, read) -> None:
    found = settings(monkeypatch, written)
    assert found.secret_keys_previous == tuple(SecretStr(key) for key in read)
    assert found.secrets_newest_first == tuple(key.encode() for key in (STRONG, *read))


def test_json_that_is_none_is_a_fault_of_the_setting_that_shows_no_key(monkeypatch) -> None:
    with pytest.raises(ValueError, match="secret_keys_previous") as caught:
        settings(monkeypatch, f'["{OTHER}"')
    assert OTHER not in str(caught.value)


@pytest.mark.parametrize("value", ["*", "proxy.example", "10.0.0.0/33", "10.0.0.1 10.0.0.2"])
def test_a_proxy_is_trusted_by_its_address_only(monkeypatch, value) -> None:
    monkeypatch.setenv("TONNAGE_TRUSTED_PROXIES", value)
    with pytest.raises(ValueError, match="trusted_proxies"):
        settings(monkeypatch, "")


def test_proxies_may_be_addresses_and_networks(monkeypatch) -> None:
    monkeypatch.setenv("TONNAGE_TRUSTED_PROXIES", "10.1.0.0/16, 2001:db8::1")
    assert settings(monkeypatch, "").trusted_proxies == "10.1.0.0/16, 2001:db8::1"
