"""Log lines: JSON, with the ids of what is being worked on, and nothing that can forge a line."""

from __future__ import annotations

import io
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from runtime import logging as logs


def logging_by(formatter: logging.Formatter) -> tuple[logging.Logger, io.StringIO]:
    sink = io.StringIO()
    handler = logging.StreamHandler(sink)
    handler.addFilter(logs.AddContext())
    handler.setFormatter(formatter)
    logger = logging.Logger("t")
    logger.addHandler(handler)
    return logger, sink


@pytest.fixture
def lines() -> tuple[logging.Logger, io.StringIO]:
    return logging_by(logs.JsonFormatter())


def test_lines_name_what_is_being_worked_on_also_what_a_thread_found_out(lines) -> None:
    logger, sink = lines
    with logs.context(request_id="r-1", organization_id=None), ThreadPoolExecutor(1) as threads:
        threads.submit(copy_context().run, lambda: logs.note(organization_id="o-1")).result()
        logger.info("within")
    logger.info("after")
    within, after = map(json.loads, sink.getvalue().splitlines())
    assert (within["request_id"], within["organization_id"]) == ("r-1", "o-1")
    assert "request_id" not in after


def test_a_line_break_in_a_message_makes_no_second_line(lines) -> None:
    logger, sink = lines
    logger.info('one\n{"level": "error"}\u2028two')
    [line] = sink.getvalue().splitlines()
    assert json.loads(line)["message"].startswith("one\n")


def test_an_exception_is_logged_without_what_it_says(lines) -> None:
    logger, sink = lines
    try:
        raise ValueError("row 3: 4111 1111 1111 1111")
    except ValueError as error:
        logger.error("broken", exc_info=error)
    entry = json.loads(sink.getvalue())
    assert entry["error"] == "ValueError"
    assert "4111" not in sink.getvalue()


def test_lines_for_people_do_not_tell_what_an_exception_says_either() -> None:
    logger, sink = logging_by(logs.PlainFormatter())
    try:
        try:
            raise ValueError("row 3: 4111 1111 1111 1111")
        except ValueError as error:
            raise KeyError("row 4: 4222 2222 2222 2222") from error
    except KeyError as error:
        logger.warning("activity failed", exc_info=error)
    first, second = sink.getvalue().splitlines()
    assert first.endswith("WARNING t: activity failed")
    assert second.startswith("  KeyError at test_logging.py:")
    assert "4111" not in sink.getvalue()
    assert "4222" not in sink.getvalue()
