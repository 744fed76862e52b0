"""What Temporal, and so the Web UI, gets to see of an error.

Database and library errors quote the values they stumbled over; histories are not encrypted. So
only our own errors keep their message, everything else becomes its type and the place.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import psycopg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from temporalio.exceptions import ApplicationError, FailureError

from core.errors import (
    DamagedObject,
    InvalidInput,
    Misconfigured,
    MissingTenant,
    NoFigure,
    NotFound,
    Superseded,
    TonnageError,
)

# The server is shutting down, starting up or was restarted under us (class 57, 08), or two
# transactions met (40001, 40P01).
TRANSIENT_STATES = ("57P01", "57P02", "57P03", "40001", "40P01", "53300")
# Data that does not fit (22), a broken constraint (23), a limit of the program (54): these come
# again however often the stage runs.
REFUSED_CLASSES = ("22", "23", "54")
PERMANENT = (InvalidInput, NoFigure, NotFound, Superseded, Misconfigured, MissingTenant)
# A read that was cut short is whole the next time; an object that is damaged stays so.
DAMAGED_ATTEMPTS = 5


def sanitized(error: Exception, attempt: int = 1) -> BaseException:
    """Return the error to raise towards Temporal in place of `error`, met in this attempt."""
    if isinstance(error, FailureError):  # cancellation among them
        return error
    if isinstance(error, TonnageError):
        return ApplicationError(
            error.message,
            error.code,
            type=type(error).__name__,
            non_retryable=isinstance(error, PERMANENT)
            or (isinstance(error, DamagedObject) and attempt >= DAMAGED_ATTEMPTS),
        )
    place = place_of(error)
    if isinstance(error, PoolTimeout | InterfaceError):
        return ApplicationError(f"the database is away ({place})", type="Unavailable")
    if isinstance(error, DBAPIError | psycopg.Error):
        return database_error(error, place)
    if isinstance(error, OSError):
        return ApplicationError(
            f"{type(error).__name__}: {error.strerror or 'I/O error'} ({place})", type="Unavailable"
        )
    return ApplicationError(f"{type(error).__name__} ({place})", type=type(error).__name__)


def is_away(error: Exception) -> bool:
    """Tell whether an error says that a dependency is away, for which one waits."""
    shown = sanitized(error)
    return isinstance(shown, ApplicationError) and shown.type == "Unavailable"


def for_good(error: Exception) -> BaseException:
    """Return the error to raise towards Temporal that ends the retries."""
    shown = sanitized(error)
    if not isinstance(shown, ApplicationError):
        return shown
    return ApplicationError(shown.message, *shown.details, type=shown.type, non_retryable=True)


def database_error(error: DBAPIError | psycopg.Error, place: str) -> ApplicationError:
    """Tell a database that is away from one that will never take this statement."""
    raw = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(raw, "sqlstate", None) or ""
    if state[:2] in REFUSED_CLASSES:
        return ApplicationError(
            f"the database refused a statement (SQLSTATE {state}, {place})",
            type="DatabaseError",
            non_retryable=True,
        )
    if isinstance(raw, psycopg.OperationalError) or state in TRANSIENT_STATES:
        return ApplicationError(
            f"the database is away ({state or 'no answer'}, {place})", type="Unavailable"
        )
    return ApplicationError(
        f"the database refused a statement (SQLSTATE {state}, {place})", type="DatabaseError"
    )


def place_of(error: BaseException) -> str:
    """Return file:line of the innermost frame of ours, else of the innermost frame."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "unknown place"
    own = [f for f in frames if "site-packages" not in f.filename] or frames
    last = own[-1]
    path = Path(last.filename)
    return f"{path.parent.name}/{path.name}:{last.lineno}"
