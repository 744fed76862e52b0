"""A parser that breaks is tried twice, a worker that dies six times, an outage six times."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.parse import MOST_TRIES, PARSER_TRIES, ParseFile
from core.contracts import FileRef, ParseResult
from core.errors import ParserFailed, Unavailable
from core.parsing.report import ParseOptions, ParseReport
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
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, heartbeat_details=self.details)

        def heard(*details: Any) -> None:
            self.details = list(details)

        environment.on_heartbeat = heard
        return environment.run(stage.parse_file, ref)


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


def test_an_outage_is_tried_six_times_and_keeps_its_name(
    uploader: Uploader, stage: ParseFile
) -> None:
    ref, attempts = uploader.upload(b"Activity,Quantity\nDiesel,5\n"), Attempts()
    stage.run_parser = parser(Unavailable("the store is away"))
    for _ in range(MOST_TRIES - 1):
        with pytest.raises(Unavailable):
            attempts.run(stage, ref)
    with pytest.raises(ApplicationError) as caught:
        attempts.run(stage, ref)
    assert caught.value.non_retryable
    assert caught.value.type == "Unavailable"


def test_a_file_with_which_every_worker_died_is_not_opened_again(
    uploader: Uploader, stage: ParseFile
) -> None:
    ref, attempts = uploader.upload(b"Activity,Quantity\nDiesel,5\n"), Attempts()
    attempts.details = [MOST_TRIES]
    stage.run_parser = parser(AssertionError("it was opened"))
    result = attempts.run(stage, ref)
    assert result.problem is not None
    assert result.problem.code == "file_resource_limit"
