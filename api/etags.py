"""Versions of resources: ETag, If-None-Match, If-Match (RFC 9110 §8.8.3, §13).

A tag is `"<version>.<digest>"`: the version is the row's, which If-Match compares; the digest is of
the answer as sent, so that a 304 hides no progress and no audit event that the row does not know.
Signed links in an answer change each time and are left out of the digest.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import Annotated

from fastapi import Header
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
TAG = re.compile(r'(W/)?"([^"]*)"')
LINK = re.compile(rb'"(?:download|annex)_url":"[^"]*"')
UNCHANGED = ("content-type", "content-length")  # a 304 has no content to describe

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="`ETag` of what you read; 412 when it changed since"),
]


def etag(updated_at: dt.datetime | None) -> str:
    """Return the version of a row; a later If-Match compares it."""
    moment = updated_at or EPOCH
    return f'"{(moment - EPOCH) // dt.timedelta(microseconds=1):x}"'


def require(if_match: str | None, updated_at: dt.datetime | None) -> None:
    """Require that a row is what the caller read. Raises 412.

    Weak tags never match (RFC 9110 §13.1.1).
    """
    if if_match is None or if_match.strip() == "*":
        return
    version = etag(updated_at).strip('"')
    tags = TAG.findall(if_match)
    if not any(not weak and tag.partition(".")[0] == version for weak, tag in tags):
        raise ApiError("precondition_failed")


def is_known(if_none_match: str, tag: str) -> bool:
    """Tell whether a reader has this very answer; weak comparison."""
    if if_none_match.strip() == "*":
        return True
    return any(f'"{known}"' == tag for _, known in TAG.findall(if_none_match))


class Conditional:
    """Completes the ETag of JSON answers, and answers 304 to who has them already."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/") or is_auth(scope):
            await self.app(scope, receive, send)
            return
        reading = scope["method"] in ("GET", "HEAD")
        known = ", ".join(Headers(scope=scope).getlist("if-none-match")) if reading else ""
        held: Message | None = None

        async def send_tagged(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start" and tagged(message, reading):
                held = message
                return
            if held is not None:
                start, held = held, None
                if not message.get("more_body", False):
                    body = message.get("body", b"")
                    tag = complete(MutableHeaders(scope=start), body)
                    if reading and known and is_known(known, tag):
                        start, message = not_modified(start), {**message, "body": b""}
                await send(start)
            await send(message)

        await self.app(scope, receive, send_tagged)


def is_auth(scope: Scope) -> bool:
    """Tell whether answers must not be kept anywhere."""
    return str(scope["path"]).startswith("/v1/auth/")


def tagged(start: Message, reading: bool) -> bool:
    """Tell whether an answer gets a tag: JSON that was read, or that has a version already."""
    headers = Headers(raw=start["headers"])
    sound = start["status"] in (200, 201) and headers.get("content-type") == "application/json"
    secret = "no-store" in headers.get("cache-control", "")
    return sound and not secret and (reading or "etag" in headers)


def complete(headers: MutableHeaders, body: bytes) -> str:
    """Add the digest of the answer to its tag and return it."""
    version = headers.get("etag", '""').strip('"')
    if "." not in version:  # a kept answer has its tag already
        digest = hashlib.sha256(LINK.sub(b"", body)).hexdigest()[:16]
        headers["ETag"] = f'"{version}.{digest}"'
    return headers["ETag"]


def not_modified(start: Message) -> Message:
    """Return the start of a 304 that stands for this answer."""
    headers = [(k, v) for k, v in start["headers"] if k.decode().lower() not in UNCHANGED]
    return {**start, "status": 304, "headers": headers}
