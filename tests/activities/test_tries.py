"""A parser that breaks is tried twice, what else breaks six times; an outage is no try."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment

from activities.parse import MOST_TRIES, PARSER_TRIES, ParseFile
from activities.scan import ScanFile
from core.contracts import FileRef, ParseResult
from core.errors import FileRejected, ParserFailed, Unavailable
from core.parsing.report import ParseOptions, ParseReport
from core.parsing.structure import StructureVerdict
from tests.factories import Uploader


def parser(error: Exception) -> Callable[..., ParseReport]:
    def run_parser(
        source: Path, out_dir: Path, options: ParseOptions, *, on_tick: Callable[[], None]
    ) -> ParseReport:
        on_tick()
        raise error

    return run_parser


class Attempts:
    """Runs a stage as Temporal would: the last heartbeat of one attempt is there in the next."""

    def __init__(self) -> None:
        self.details: list[Any] = []

    def run(self, stage: ParseFile, ref: FileRef) -> ParseResult:
        """Run the parser once."""
        result: ParseResult = self.once(stage.parse_file, ref)
        return result

    def once(self, stage: Callable[[FileRef], Any], ref: FileRef) -> Any:
        """Run a stage once."""
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, heartbeat_details=self.details)

        def heard(*details: Any) -> None:
            self.details = list(details)

        environment.on_heartbeat = heard
        return environment.run(stage, ref)


@pytest.fixture
def stage(worker_engine: Engine, uploader: Uploader, tmp_path: Path) -> ParseFile:
    broken = parser(ParserFailed("KeyError at sheet.py:1"))
    return ParseFile(worker_engine, uploader.storage, broken, work_dir=tmp_path)


def test_a_parser_that_breaks_twice_ends_the_file(uploader: Uploader, stage: ParseFile) -> None:
    ref, attempts = uploader.upload(b"Activity,Quantity\nDiesel,5\n"), Attempts()
    for _ in range(PARSER_TRIES - 1):
        with pytest.raises(ParserFailed):
            attempts.run(stage, ref)
    result = attempts.run(stage, ref)
    assert result.problem is not None
    assert result.problem.code == "parser_failed"
    assert "KeyError" not in result.problem.message
    assert result.attempt == PARSER_TRIES


def test_a_check_that_breaks_twice_ends_the_file_too(uploader: Uploader, tmp_path: Path) -> None:
    def broken(source: Path, declared_name: str) -> StructureVerdict:
        raise ParserFailed("KeyError at structure.py:1")

    scan = ScanFile(
        uploader.engine, uploader.storage, None, broken, scanner_required=False, work_dir=tmp_path
    )
    ref, attempts = uploader.upload(b"Activity,Quantity\nDiesel,5\n"), Attempts()
    with pytest.raises(ParserFailed):
        attempts.once(scan.scan_file, ref)
    result = attempts.once(scan.scan_file, ref)
    assert (result.accepted, result.problem.code, result.attempt) == (False, "parser_failed", 2)


def test_an_outage_uses_up_no_tries(uploader: Uploader, stage: ParseFile) -> None:
    ref, attempts = uploader.upload(b"Activity,Quantity\nDiesel,5\n"), Attempts()
    stage.run_parser = parser(Unavailable("the store is away"))
    for _ in range(2 * MOST_TRIES):
        with pytest.raises(Unavailable):
            attempts.run(stage, ref)
    stage.run_parser = parser(FileRejected("There is no table in it.", code="no_table"))
    result = attempts.run(stage, ref)
    assert result.problem is not None
    assert (result.problem.code, result.attempt) == ("no_table", 1)


def test_a_worker_that_is_stopped_uses_up_no_tries(uploader: Uploader, stage: ParseFile) -> None:
    ref, environment = uploader.upload(b"Activity,Quantity\nDiesel,5\n"), ActivityEnvironment()
    beats: list[tuple[Any, ...]] = []
    environment.on_heartbeat = lambda *details: beats.append(details)
    environment.worker_shutdown()
    stage.run_parser = parser(CancelledError("the worker is shutting down"))
    with pytest.raises(CancelledError):
        environment.run(stage.parse_file, ref)
    assert (beats[0], beats[-1]) == ((1,), (0,))


def test_what_breaks_for_a_reason_unknown_is_tried_six_times(
    uploader: Uploader, stage: ParseFile
) -> None:
    ref, attempts = uploader.upload(b"Activity,Quantity\nDiesel,5\n"), Attempts()
    stage.run_parser = parser(KeyError("parts"))
    for _ in range(MOST_TRIES - 1):
        with pytest.raises(KeyError):
            attempts.run(stage, ref)
    with pytest.raises(ApplicationError) as caught:
        attempts.run(stage, ref)
    assert caught.value.non_retryable
    assert caught.value.type == "KeyError"


class Slow(io.BytesIO):
    """An upload whose bytes come once a sign of life was given."""

    def __init__(self, content: bytes, alive: threading.Event) -> None:
        super().__init__(content)
        self.alive = alive

    def read(self, size: int | None = -1, /) -> bytes:
        """Wait as a store does that is asked for much."""
        assert self.alive.wait(60), "the activity would be taken for dead"
        return super().read(size)


def test_it_gives_signs_of_life_while_an_upload_comes_out_of_a_slow_store(
    uploader: Uploader, stage: ParseFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, alive = uploader.upload(b"Activity,Quantity\nDiesel,5\n"), threading.Event()
    environment, beats = ActivityEnvironment(), []

    def heard(*details: Any) -> None:
        beats.append(details)
        if len(beats) > 1:  # the first says which try it is
            alive.set()

    environment.on_heartbeat = heard
    monkeypatch.setattr(
        stage.storage, "open", lambda _key: contextlib.nullcontext(Slow(b"bytes", alive))
    )
    with pytest.raises(ParserFailed):
        environment.run(stage.parse_file, ref)
    assert set(beats) == {(1,)}


def test_a_file_with_which_every_worker_died_is_not_opened_again(
    uploader: Uploader, stage: ParseFile
) -> None:
    ref, attempts = uploader.upload(b"Activity,Quantity\nDiesel,5\n"), Attempts()
    attempts.details = [MOST_TRIES]
    stage.run_parser = parser(AssertionError("it was opened"))
    result = attempts.run(stage, ref)
    assert result.problem is not None
    assert result.problem.code == "file_resource_limit"
