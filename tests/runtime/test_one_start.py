"""Two stacks that start at the same moment never take each other's ports."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from runtime.dev import one_start_at_a_time


def test_the_second_waits_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    order: list[str] = []
    waiting = threading.Event()

    def say(words: str) -> None:
        order.append(words)
        waiting.set()

    def second() -> None:
        with one_start_at_a_time(say):
            order.append("second")

    with one_start_at_a_time(order.append):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["waiting for another stack that is starting", "first", "second"]


def test_a_start_that_failed_lets_the_next_one_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(RuntimeError), one_start_at_a_time(print):
        raise RuntimeError
    said: list[str] = []
    with one_start_at_a_time(said.append):
        pass
    assert said == []
