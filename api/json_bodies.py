"""JSON as RFC 8259 and I-JSON have it: Python's own reader takes more than others would.

A name that comes twice, NaN or another charset would be read in one way here and in another by the
proxy or the client that looked at it before.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError, problem_response

METHODS = ("POST", "PUT", "PATCH", "DELETE")
# In all objects of a body; the largest that we take has about a hundred. To tell of ten thousand
# that are unknown would keep every other request waiting.
MOST_NAMES = 2_000
# Members and containers, by their commas and opening brackets: each may be a fault to be told, and
# twenty thousand lists keep the collector of garbage busy.
MOST_PARTS = 5_000


class NotJson(ValueError):
    """A body that is not JSON; the message is ours and quotes nothing."""


class StrictJson:
    """Refuses what is no JSON before anything else looks at it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_json(scope):
            await self.app(scope, receive, send)
            return
        try:
            body = await whole(receive)
            check(Headers(scope=scope)["content-type"], body)
        except ApiError as error:
            answer = problem_response(
                scope, error.code, detail=str(error.detail), headers=error.headers,
                extra=error.extra,
            )  # fmt: skip
            await answer(scope, receive, send)
            return
        given = False

        async def receive_again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, receive_again, send)


def is_json(scope: Scope) -> bool:
    """Tell whether a request says that its body is JSON."""
    declared = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    ours = scope["method"] in METHODS and scope["path"].startswith("/v1/")
    return ours and (declared == "application/json" or declared.endswith("+json"))


async def whole(receive: Receive) -> bytes:
    """Return the body; its size and pace are limited further out."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ApiError("malformed_request")
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def check(content_type: str, body: bytes) -> None:
    """Raise 400 or 415 for what is no JSON text in UTF-8. No body at all is for others to judge."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"').lower()
        if name.strip().lower() == "charset" and charset not in ("utf-8", "utf8"):
            raise ApiError("unsupported_media_type", "JSON is sent in UTF-8.")
    if not body:
        return
    if sum(map(body.count, (b",", b"[", b"{"))) > MOST_PARTS:
        raise ApiError("malformed_request", f"The body has more than {MOST_PARTS:,} parts.")
    try:
        json.loads(body.decode("utf-8-sig"), object_pairs_hook=Names().once, parse_constant=refuse)
    except NotJson as error:
        raise ApiError("malformed_request", str(error)) from None
    except UnicodeDecodeError:
        raise ApiError("malformed_request", "The body is not UTF-8.") from None
    except RecursionError:
        raise ApiError("malformed_request", "The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ApiError("malformed_request", f"The body is not JSON: see {where}.") from None
    except ValueError:
        told = "The body has a number of more digits than can be read."
        raise ApiError("malformed_request", told) from None


class Names:
    """The names in a body, of which there are so many and no more."""

    def __init__(self) -> None:
        self.left = MOST_NAMES

    def once(self, pairs: list[tuple[str, Any]]) -> None:
        """Refuse an object that names a member twice, and the one with which they are too many."""
        self.left -= len(pairs)
        if self.left < 0:
            raise NotJson(f"The body names more than {MOST_NAMES:,} fields.")
        if len({name for name, _ in pairs}) < len(pairs):
            raise NotJson("An object in the body names a field twice.")


def refuse(_: str) -> None:
    """Refuse NaN and Infinity."""
    raise NotJson("NaN and Infinity are not JSON.")
