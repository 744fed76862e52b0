"""Structured logs: one JSON object a line, ids and types only, never customer data."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

# What Temporal's adapters and our own code attach; everything else of a record is left out.
CONTEXT = (
    "request_id",
    "organization_id",
    "file_id",
    "workflow_id",
    "activity_type",
    "attempt",
    "method",
    "route",
    "status",
    "duration_ms",
)


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
                entry[name] = str(value)
        if record.exc_info and record.exc_info[0]:
            entry["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])[-5:]
            entry["at"] = [f"{Path(f.filename).name}:{f.lineno}" for f in frames]
        return json.dumps(entry, ensure_ascii=True)


def configure(*, as_json: bool, level: str) -> None:
    """Send every logger's lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter()
        if as_json
        else logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Temporal's adapter repeats the whole activity info in the message; keep the message itself.
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)
