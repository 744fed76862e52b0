"""Idempotency-Key: a POST that is sent again is answered again, and takes effect once.

A key is reserved once the caller was let in. Whatever the request then commits, it commits together
with a mark on its reservation: an attempt whose key was taken over cannot commit, and one that
died is repeated only if nothing of it was committed. The answer is kept before it is sent.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import Response
from sqlalchemy import event
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers, MutableHeaders, UploadFile
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError, Fault
from api.services import Services, services_of
from db.engine import TenantSession, tenant_session
from db.ids import uuid7
from db.queries import idempotency as queries

log = logging.getLogger("tonnage.api")

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEY = re.compile(r"[\x21-\x7e]{1,255}")
RETRY_AFTER_S = 2
MOST_BYTES = 256 * 1024  # an answer to a POST has a few hundred
HASHED_BYTES = 1024**2
# The caller may do something about these and send the same again.
NOT_KEPT = frozenset({401, 403, 408, 429})
KEPT_HEADERS = ("content-type", "location", "etag", "link", "retry-after")


@dataclass(slots=True)
class Attempt:
    """One request with a key."""

    key: str
    claim: queries.Claim | None = None  # once it is reserved
    fenced: bool = False  # what is committed now is this request's effect


CURRENT: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


class Replayed(Exception):
    """The request was answered before; this is the answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__("answered before")
        self.status, self.headers, self.body = status, headers, body


@event.listens_for(TenantSession, "before_commit")
def fence(session: TenantSession) -> None:
    """Mark the reservation in the transaction of the effect, or let nothing of it be committed."""
    attempt = CURRENT.get()
    if attempt is None or not attempt.fenced or attempt.claim is None:
        return
    if session.organization_id != attempt.claim.organization_id:
        return
    if not queries.mark_effect(session, attempt.claim.organization_id, attempt.claim):
        raise in_flight()


def in_flight() -> ApiError:
    """Return the 409 of a key that another request holds."""
    return ApiError("idempotency_in_flight", headers={"Retry-After": str(RETRY_AFTER_S)})


def begin(request: Request, organization_id: UUID, caller_id: UUID) -> None:
    """Reserve the request's key, if it has one; called when the caller was let in.

    A form that was not read yet is waited for: `begin_form` follows.
    Raises Replayed, 409 or 422.
    """
    attempt = CURRENT.get()
    if attempt is None or attempt.claim is not None:
        return
    if not KEY.fullmatch(attempt.key):
        told = "must be 1 to 255 visible ASCII characters, sent once"
        raise ApiError("validation_failed", faults=[Fault(f"header/{HEADER}", "invalid", told)])
    form = getattr(request, "_form", None)
    if form is None and is_form(request):
        return
    # FastAPI has read what the operation takes; a body that nobody reads changes nothing
    body = form_parts(form) if form is not None else [getattr(request, "_body", b"")]
    reserve(request, attempt, organization_id, caller_id, body)


def begin_form(request: Request, organization_id: UUID, caller_id: UUID, form: FormData) -> None:
    """Reserve the key of an upload, by its fields and the bytes of its file."""
    attempt = CURRENT.get()
    if attempt is not None and attempt.claim is None:
        reserve(request, attempt, organization_id, caller_id, form_parts(form))


def is_form(request: Request) -> bool:
    """Tell whether the body is a form: its boundary differs each time the same thing is sent."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return declared == "multipart/form-data"


def form_parts(form: FormData) -> Iterable[bytes]:
    """Yield a digest of each part, in order; files are read in pieces."""
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            digest = hashlib.sha256()
            value.file.seek(0)
            while chunk := value.file.read(HASHED_BYTES):
                digest.update(chunk)
            value.file.seek(0)
            content, label = digest.digest(), f"file {value.filename}"
        else:
            content, label = hashlib.sha256(encoded(value)).digest(), "field"
        yield json.dumps([name, label, content.hex()]).encode()


def encoded(value: str) -> bytes:
    """Return text as bytes, whatever is in it."""
    return value.encode("utf-8", "surrogatepass")


def reserve(
    request: Request, attempt: Attempt, organization_id: UUID, caller_id: UUID,
    body: Iterable[bytes],
) -> None:  # fmt: skip
    """Hold the key, or answer for the one who holds it. Raises Replayed, 409 or 422."""
    scope = request.scope
    digest = hashlib.sha256()
    for part in (encoded(scope["method"]), encoded(scope["path"]), scope["query_string"], *body):
        digest.update(len(part).to_bytes(8, "big") + part)
    claim = queries.Claim(
        organization_id, caller_id, attempt.key, uuid7(), digest.hexdigest(),
        request.state.request_id,
    )  # fmt: skip
    with tenant_session(services_of(request).app_engine, organization_id) as session:
        held = queries.reserve(session, organization_id, claim)
        session.commit()
    if held is not None:
        raise outcome(held, claim.fingerprint)
    attempt.claim, attempt.fenced = claim, True


def outcome(held: queries.Held, fingerprint: str) -> Exception:
    """Return what a second request with a key is told."""
    if held.fingerprint != fingerprint:
        return ApiError("idempotency_key_reused")
    if held.status is not None:
        return Replayed(held.status, held.headers or {}, held.body or b"")
    if held.answered or (held.effect and held.expired):
        return ApiError("idempotency_outcome_lost", first_request_id=held.request_id)
    return in_flight()


async def on_replayed(_: Request, answered: Exception) -> Response:
    """Send the kept answer once more."""
    assert isinstance(answered, Replayed)
    return Response(answered.body, answered.status, {**answered.headers, REPLAYED: "true"})


class Idempotency:
    """Keeps the answer of a request that holds a key, before it is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).getlist(HEADER) if scope["type"] == "http" else []
        if not given or not takes_key(scope["method"], scope["path"]):
            await self.app(scope, receive, send)
            return
        attempt = Attempt(given[0] if len(given) == 1 else "")
        token = CURRENT.set(attempt)
        answer = _Answer(scope["app"].state.services, attempt, send)
        try:
            await self.app(scope, receive, answer.send)
        except BaseException:
            await answer.settle(None)
            raise
        finally:
            CURRENT.reset(token)


def takes_key(method: str, path: str) -> bool:
    """Tell whether an operation takes a key: every POST but those that hand out tokens."""
    return method == "POST" and path.startswith("/v1/") and not path.startswith("/v1/auth/")


class _Answer:
    """Holds an answer back until it is kept."""

    def __init__(self, services: Services, attempt: Attempt, send: Send) -> None:
        self._services, self._attempt, self._send = services, attempt, send
        self._start: Message | None = None
        self._body = b""
        self._through = False

    async def send(self, message: Message) -> None:
        if self._through or self._attempt.claim is None:
            await self._send(message)
            return
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        more = message.get("more_body", False)
        if more and len(self._body) <= MOST_BYTES:
            return
        await self.settle(None if more else self._start)
        self._through = True
        assert self._start is not None
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": self._body, "more_body": more})

    async def settle(self, start: Message | None) -> None:
        """Keep the answer, or give the key back."""
        claim, self._attempt.fenced = self._attempt.claim, False
        if claim is None or self._through:
            return
        self._through = True
        work: Callable[[TenantSession], None] = lambda s: queries.release(  # noqa: E731
            s, claim.organization_id, claim
        )
        if start is not None and not (start["status"] in NOT_KEPT or start["status"] >= 500):
            headers = MutableHeaders(raw=start["headers"])
            # what is shown once (a key, a one-time token) says so, and is not stored here either
            secret = "no-store" in headers.get("cache-control", "")
            kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
            status = None if secret else start["status"]
            body = b"" if secret else self._body
            work = lambda s: queries.answer(  # noqa: E731
                s, claim.organization_id, claim, status, json.dumps(kept), body
            )
        try:
            await run_in_threadpool(self._commit, claim.organization_id, work)
        except Exception as error:  # the effect stands; a repetition is told that it does
            log.warning("an answer could not be kept: %s", type(error).__name__)

    def _commit(self, organization_id: UUID, work: Callable[[TenantSession], None]) -> None:
        with tenant_session(self._services.app_engine, organization_id) as session:
            work(session)
            session.commit()


def install(app: FastAPI) -> None:
    """Register what sends a kept answer."""
    app.add_exception_handler(Replayed, on_replayed)
