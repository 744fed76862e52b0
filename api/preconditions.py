"""Versions of rows as ETags, and the If-Match that compares them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import Header

from api.errors import ApiError

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

IfMatch = Annotated[str | None, Header(description="ETag of what you read")]


def etag(updated_at: dt.datetime | None) -> str:
    """Return the version of a row; a later If-Match compares it."""
    moment = updated_at or EPOCH
    return f'"{(moment - EPOCH) // dt.timedelta(microseconds=1):x}"'


def require_match(expected: str | None, updated_at: dt.datetime | None) -> None:
    """Raise 412 when the row changed since the caller read it."""
    if expected is not None and expected.strip() not in ("*", etag(updated_at)):
        raise ApiError("precondition_failed")
