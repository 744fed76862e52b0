"""What happens to every request whatever its route: an id, a size limit, safe headers."""

from __future__ import annotations

import asyncio
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError, internal_error, problem_response
from api.limits import headers_of

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
URI_BYTES = HEADER_BYTES = 16 * 1024  # a sign-on's code and state may take some KiB
HEADERS = 100
JSON_BODY_BYTES = 64 * 1024  # a thousand ids take 40 kB, and no operation takes more
ANYBODY_BODY_BYTES = 16 * 1024  # without a token; each fault in a body costs time
FORM_OVERHEAD_BYTES = 256 * 1024  # boundaries, part headers and the small fields of an upload
UPLOAD_PATH = "/v1/files"
# A body that stops coming would hold its connection and its temporary file for ever.
BODY_PAUSE_S = 30
JSON_BODY_LASTS_S = 60
UPLOAD_LASTS_S = 3600
AUTH_PATHS = "/v1/auth"
PAGES = "/docs"  # the one thing here that a browser renders
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
NOTHING_LOADS = "default-src 'none'; frame-ancestors 'none'"


class RequestContext:
    """Name the request, and turn what nobody caught into a problem."""

    def __init__(self, app: ASGIApp, https: bool = False) -> None:
        self.app = app
        self.https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        # credentials stay out of every cache, also when the answer is an error
        caching = "no-store" if scope["path"].startswith(AUTH_PATHS) else "private, no-cache"
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.update(SAFE_HEADERS)
                if not scope["path"].startswith(PAGES):
                    headers["Content-Security-Policy"] = NOTHING_LOADS
                if self.https:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                headers.setdefault("Cache-Control", caching)
                headers.update(headers_of(scope["state"].get("rate_limits", [])))
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            if started:
                raise
            await internal_error(scope, error)(scope, receive, send_with_headers)


class HeadLimit:
    """Refuse what comes before the body when there is too much of it.

    The server gives up on a head of 64 KiB that has no end; one that came whole gets here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = scope["headers"]
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > URI_BYTES:
            code = "uri_too_long"
        elif len(headers) > HEADERS or sum(len(n) + len(v) for n, v in headers) > HEADER_BYTES:
            code = "headers_too_large"
        else:
            await self.app(scope, receive, send)
            return
        response = problem_response(scope, code, headers={"Connection": "close"})
        await response(scope, receive, send)


class BodyLimit:
    """Refuse bodies that are too large, by their declared length or while they arrive, or too slow.

    Starlette's own middleware answers in plain text, so this one stands in for it.
    """

    def __init__(self, app: ASGIApp, upload_max_bytes: int) -> None:
        self.app = app
        self.upload_max_bytes = upload_max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        upload = scope["method"] == "POST" and scope["path"] == UPLOAD_PATH
        limit = self.limit_of(scope, upload)
        code = "file_too_large" if upload else "body_too_large"
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared[:20]) > limit:
            response = problem_response(
                scope, code, extra={"limit_bytes": limit}, headers={"Connection": "close"}
            )
            await response(scope, receive, send)
            return
        received, complete = 0, False
        deadline = time.monotonic() + (UPLOAD_LASTS_S if upload else JSON_BODY_LASTS_S)

        async def counting_receive() -> Message:
            nonlocal received, complete
            if complete:  # from here on it only tells that the caller went away
                return await receive()
            try:
                async with asyncio.timeout(min(BODY_PAUSE_S, deadline - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise ApiError("request_timeout", headers={"Connection": "close"}) from None
            complete = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > limit:
                raise ApiError(code, headers={"Connection": "close"}, limit_bytes=limit)
            return message

        await self.app(scope, counting_receive, send)

    def limit_of(self, scope: Scope, upload: bool) -> int:
        """Return how many bytes a body may have: it is read before anybody looks at the token."""
        if upload:
            return self.upload_max_bytes + FORM_OVERHEAD_BYTES
        anybody = "authorization" not in Headers(scope=scope)
        if anybody or scope["path"].startswith(AUTH_PATHS):
            return ANYBODY_BODY_BYTES
        return JSON_BODY_BYTES
