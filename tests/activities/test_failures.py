"""What of an error reaches Temporal: its kind and place, never the data it stumbled over."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from temporalio.exceptions import ApplicationError, CancelledError

from activities.failures import DAMAGED_ATTEMPTS, sanitized
from core.errors import DamagedObject, FileRejected, NoFigure, NotFound, Unavailable

SECRET = "a customer wrote this"


def caught(call: Callable[[], object]) -> Exception:
    """Return what a call raises, with its traceback."""
    with pytest.raises(Exception) as raised:
        call()
    return raised.value


def shown(error: Exception) -> ApplicationError:
    result = sanitized(error)
    assert isinstance(result, ApplicationError)
    assert SECRET not in str(result)
    return result


def execute(engine: Engine, statement: str) -> Callable[[], object]:
    def call() -> object:
        with engine.connect() as connection:
            return connection.execute(text(statement), {"value": SECRET})

    return call


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("SELECT CAST(:value AS integer)", "22P02"),
        ("SELECT 1 / (length(:value) - length(:value))", "22012"),
    ],
)
def test_data_that_never_fits_is_not_tried_again(
    worker_engine: Engine, statement: str, state: str
) -> None:
    error = shown(caught(execute(worker_engine, statement)))
    assert (error.type, error.non_retryable) == ("DatabaseError", True)
    assert state in error.message


def test_a_raw_driver_error_is_judged_like_a_wrapped_one(database_url: str) -> None:
    def call() -> None:
        with psycopg.connect(database_url) as connection:
            connection.execute("SELECT CAST(%s AS integer)", (SECRET,))

    error = shown(caught(call))
    assert (error.type, error.non_retryable) == ("DatabaseError", True)


def test_a_database_that_is_away_is_tried_again() -> None:
    def call() -> None:
        psycopg.connect("postgresql://nobody@127.0.0.1:1/none", connect_timeout=2)

    error = shown(caught(call))
    assert (error.type, error.non_retryable) == ("Unavailable", False)
    assert shown(PoolTimeout("pool")).type == "Unavailable"


def test_a_killed_session_is_tried_again(worker_engine: Engine) -> None:
    error = shown(
        caught(execute(worker_engine, "SELECT pg_terminate_backend(pg_backend_pid()), :value"))
    )
    assert (error.type, error.non_retryable) == ("Unavailable", False)


def test_our_own_errors_keep_code_and_message() -> None:
    error = shown(FileRejected("No header row.", code="no_header"))
    assert (error.type, error.non_retryable) == ("FileRejected", True)
    assert error.message == "No header row."
    assert shown(NotFound("gone")).non_retryable
    assert shown(NoFigure("row 2: unit_mismatch after it was decided")).non_retryable
    assert not shown(Unavailable("clamd is away")).non_retryable


def test_an_unknown_error_is_its_type_and_place() -> None:
    error = shown(caught(lambda: int(SECRET)))
    assert error.type == "ValueError"
    assert "test_failures.py:" in error.message


def test_a_cancellation_passes_untouched() -> None:
    cancelled = CancelledError("stop")
    assert sanitized(cancelled) is cancelled


def test_an_object_that_stays_damaged_is_not_read_for_ever() -> None:
    verdicts = []
    for attempt in range(1, DAMAGED_ATTEMPTS + 1):
        error = sanitized(DamagedObject("cut short"), attempt)
        assert isinstance(error, ApplicationError)
        assert error.type == "DamagedObject"
        verdicts.append(error.non_retryable)
    assert verdicts == [False] * (DAMAGED_ATTEMPTS - 1) + [True]
    away = sanitized(Unavailable("away"), 100)
    assert isinstance(away, ApplicationError)
    assert not away.non_retryable
