"""Structured logs: one JSON object a line, ids and types only, never customer data."""

from __future__ import annotations

import contextvars
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

ExceptionInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

# What a line may carry besides its message; everything else of a record is left out.
CONTEXT = (
    "request_id",
    "organization_id",
    "user_id",
    "file_id",
    "report_id",
    "workflow_id",
    "activity_type",
    "attempt",
    "task_queue",
    "method",
    "route",
    "status",
    "duration_ms",
    "outcome",
    "trace_id",
)

# The one request or activity that is being worked on. A dictionary, for it is filled by threads,
# which hold a copy of the context variables: what they put in is seen by the others.
_here: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar("log", default=None)


@contextmanager
def context(**ids: object) -> Iterator[None]:
    """Name, in every line that is logged within, what is being worked on."""
    token = _here.set({name: str(value) for name, value in ids.items() if value is not None})
    try:
        yield
    finally:
        _here.reset(token)


def note(**ids: object) -> None:
    """Add to the context what has become known."""
    here = _here.get()
    if here is not None:
        here.update({name: str(value) for name, value in ids.items() if value is not None})


def noted(name: str) -> str | None:
    """Return what the context says of `name`."""
    return (_here.get() or {}).get(name)


class AddContext(logging.Filter):
    """Puts the ids of the context on each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True: every record passes."""
        for name, value in (_here.get() or {}).items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON; an exception only as its type and place."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. Newlines in messages are escaped by JSON itself."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in CONTEXT:
            if (value := getattr(record, name, None)) is not None:
                entry[name] = value if isinstance(value, int | float) else str(value)
        if record.exc_info and record.exc_info[0]:
            entry["error"] = record.exc_info[0].__name__
            entry["at"] = places(record.exc_info[2])
        return json.dumps(entry, ensure_ascii=True)


class PlainFormatter(logging.Formatter):
    """Formats a record for people; an exception only as its type and place here, too."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatException(self, ei: ExceptionInfo) -> str:
        """Return the line below the message: what a library says may quote a cell."""
        return f"  {ei[0].__name__ if ei[0] else 'error'} at {', '.join(places(ei[2]))}"


def places(trace: TracebackType | None) -> list[str]:
    """Return the innermost frames of an exception."""
    return [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(trace)[-5:]]


def configure(*, as_json: bool, level: str) -> None:
    """Send every logger's lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(AddContext())
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Temporal's adapter repeats the whole activity info in the message; keep the message itself.
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)
    # Says every request it sends, with its address.
    for chatty in ("httpx", "httpcore", "botocore", "urllib3", "opentelemetry"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
