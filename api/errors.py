"""Every error as application/problem+json (RFC 9457), from one table of codes.

Nothing here echoes what the caller sent: not in the detail, not in the list of faults.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from core import errors as domain

log = logging.getLogger("tonnage.api")

MEDIA_TYPE = "application/problem+json"
MOST_FAULTS = 100  # named in one answer: nobody mends more at once
RETRY_AFTER_S = 5  # a PostgreSQL that restarts is usually back by then
READ_ONLY = "25006"  # a standby answers until the new primary is known
# Serialization failure, deadlock, lock timeout, statement timeout, too many connections: another
# moment, another outcome.
PASSING = frozenset({"40001", "40P01", "55P03", "57014", "53300"})


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means; documented in OpenAPI."""

    status: int
    detail: str


CATALOG: Mapping[str, Kind] = {
    "malformed_request": Kind(400, "The request body cannot be read as its content type says."),
    "sso_state_invalid": Kind(
        400, "This sign-on was begun elsewhere or too long ago, or is over; begin anew."
    ),
    "organization_required": Kind(
        400, "You belong to several organizations: say which in the header X-Organization-Id."
    ),
    "unauthenticated": Kind(401, "Send a valid access token: Authorization: Bearer <token>."),
    "invalid_credentials": Kind(401, "The e-mail address or the password is wrong."),
    "invalid_refresh_token": Kind(401, "The refresh token is unknown, used, ended or expired."),
    "sso_code_invalid": Kind(
        401, "The code is unknown, used or expired, or not yours; sign on anew."
    ),
    "sso_token_invalid": Kind(
        401, "The organization's provider sent nothing that proves who you are; sign on anew."
    ),
    "sso_denied": Kind(403, "The organization's provider did not let you in."),
    "sso_email_unverified": Kind(
        403, "The provider does not say that it has verified your mail address (email_verified)."
    ),
    "sso_domain_not_allowed": Kind(
        403, "Mail addresses of this domain may not sign on here; ask your administrator."
    ),
    "sso_not_a_member": Kind(
        403, "Your account is not, or no longer, a member here; ask your administrator to add you."
    ),
    "invalid_one_time_token": Kind(401, "The token is unknown, used, replaced or expired."),
    "permission_denied": Kind(403, "Your role or permissions here do not allow it."),
    # Word for word the same for what is not there, what is another's, and an organization in the
    # header that is unknown or another's.
    "not_found": Kind(
        404,
        "There is no such thing for you, or no such organization: check the id, and "
        "X-Organization-Id if you send it.",
    ),
    "unknown_invitation": Kind(
        404, "The token is unknown, used, replaced, withdrawn, expired or for somebody else."
    ),
    "method_not_allowed": Kind(405, "This address does not take that method; see Allow."),
    "not_acceptable": Kind(
        406, "No media type of Accept is answered here; OpenAPI lists those that are."
    ),
    "request_timeout": Kind(408, "The request body stopped arriving, or took too long."),
    "conflict": Kind(409, "The request contradicts the present state."),
    "duplicate_file": Kind(
        409, "These very bytes were uploaded before; ?allow_duplicate=true uploads them again."
    ),
    "file_not_running": Kind(409, "The file has ended; there is nothing to cancel."),
    "file_not_failed": Kind(409, "Only a failed or cancelled file can be retried."),
    "file_not_ended": Kind(409, "The file is being processed; ask again when it has ended."),
    "file_not_read": Kind(409, "No row of the file could be read; its error_code says why."),
    "report_not_running": Kind(409, "The report has ended; there is nothing to cancel."),
    "report_not_failed": Kind(409, "Only a failed or cancelled report can be retried."),
    "file_quarantined": Kind(
        409, "The virus scanner found something in the file; it stays in quarantine."
    ),
    "review_resolved": Kind(409, "Somebody resolved this review before, in another way."),
    "verification_failed": Kind(
        409, "Recomputing gives another figure than the stored one; see differences."
    ),
    "recalculation_state": Kind(
        409, "The recalculation is not in the state for this; see state and needed."
    ),
    "recalculation_stale": Kind(
        409, "Figures changed since the preview; ask for a new recalculation."
    ),
    "recalculation_running": Kind(
        409, "Another recalculation is being committed; commit this one when it has ended."
    ),
    "duplicate_factor": Kind(
        409, "You have a factor for this name, unit, basis, region and year; delete it first."
    ),
    "too_many_factors": Kind(
        409, "You have 500 factors of your own; delete some, or import them as a release."
    ),
    "too_many_recalculations": Kind(
        409, "Three recalculations are being worked on; await or cancel one of them first."
    ),
    "too_many_webhooks": Kind(409, "You have ten webhooks; delete one first."),
    "delivery_pending": Kind(
        409, "The delivery has not ended; it is tried again by itself, see next_attempt_at."
    ),
    "factor_of_library": Kind(
        409, "Factors of a release never change; unpin the release, or add one of your own."
    ),
    "already_member": Kind(409, "This person is a member already; change the role with PUT."),
    "account_exists": Kind(
        409, "This address has an account: log in, then accept with POST /v1/auth/join."
    ),
    "last_admin": Kind(
        409, "An organization keeps at least one admin who can log in and sees all of it."
    ),
    "too_many_members": Kind(409, "The organization has 1,000 members; remove some first."),
    "duplicate_project": Kind(409, "Another project has this name."),
    "project_in_use": Kind(409, "The project has files; move or delete them first."),
    "too_many_api_keys": Kind(409, "The organization has 50 API keys; revoke some first."),
    "too_many_projects": Kind(409, "The organization has 1,000 projects; delete some first."),
    "precondition_failed": Kind(
        412, "It was changed since you read it; read it again and decide anew."
    ),
    "body_too_large": Kind(413, "The request body is larger than this operation takes."),
    "uri_too_long": Kind(414, "Path and query are longer than 16 KiB."),
    "headers_too_large": Kind(431, "The request has more than 100 headers, or 16 KiB of them."),
    "file_too_large": Kind(413, "The file is larger than this deployment takes."),
    "unsupported_media_type": Kind(415, "Send the content type that this operation documents."),
    "type_not_allowed": Kind(415, "Files of this type cannot be processed."),
    "content_mismatch": Kind(415, "The file's content is not what its name says."),
    "validation_failed": Kind(422, "The request was understood and is wrong; see errors."),
    "cursor_invalid": Kind(
        422, "The cursor was not made for this list, filter and sort; start without one."
    ),
    "factor_unusable": Kind(
        422, "This emission factor cannot be used here; see detail for why and what to do."
    ),
    "no_candidate": Kind(422, "There is no candidate to accept; choose a factor or reject."),
    "file_empty": Kind(422, "The file has no content."),
    "too_many_attempts": Kind(429, "Too many failed logins or sign-ons; wait as Retry-After says."),
    "rate_limited": Kind(429, "Too many requests; wait as Retry-After says. See RateLimit."),
    "upload_quota_exceeded": Kind(
        429, "Your organization has uploaded as many bytes as it may today (UTC)."
    ),
    "idempotency_in_flight": Kind(
        409, "The first request with this Idempotency-Key is still at work; ask again."
    ),
    "idempotency_outcome_lost": Kind(
        409,
        "The first request with this Idempotency-Key took effect and its answer is not kept; "
        "look for what it made, and use a new key for something new.",
    ),
    "idempotency_key_reused": Kind(
        422, "This Idempotency-Key came with another request before; use a new one."
    ),
    "internal_error": Kind(500, "Something broke on our side; tell us the request_id."),
    "sso_provider_unusable": Kind(
        502, "The organization's sign-on provider answered what cannot be used; tell its admin."
    ),
    "unavailable": Kind(503, "A dependency is away; try again as Retry-After says."),
    "busy": Kind(503, "Too much at once; try again as Retry-After says."),
}
CODE_OF_STATUS = {
    400: "malformed_request", 401: "unauthenticated", 403: "permission_denied", 404: "not_found",
    405: "method_not_allowed", 409: "conflict", 413: "body_too_large",
    415: "unsupported_media_type", 422: "validation_failed", 503: "unavailable",
}  # fmt: skip
CODE_OF_ERROR: Mapping[type[domain.TonnageError], str] = {
    domain.NotFound: "not_found",
    domain.Conflict: "conflict",
    domain.PermissionDenied: "permission_denied",
    domain.Unauthenticated: "unauthenticated",
    domain.Unavailable: "unavailable",
    domain.InvalidInput: "validation_failed",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One of several things that are wrong with a request."""

    pointer: str  # "#/email" in the body, "query/limit" elsewhere
    code: str
    detail: str


class ApiError(HTTPException):
    """Ends a request with a problem of the catalog."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        kind = CATALOG[code]
        super().__init__(kind.status, detail or kind.detail, dict(headers or {}))
        self.code = code
        self.faults = tuple(faults)
        self.extra = extra


def problem_response(
    scope: Mapping[str, Any],
    code: str,
    *,
    status: int | None = None,
    detail: str | None = None,
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Response:
    """Return the answer for one code of the catalog."""
    kind = CATALOG[code]
    status = status or kind.status
    content: dict[str, Any] = {
        "type": f"urn:tonnage:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or kind.detail,
        "instance": scope.get("path", ""),
        "code": code,
        "request_id": scope.get("state", {}).get("request_id", ""),
        **(extra or {}),
    }
    if faults:
        content["errors"] = [
            {"pointer": f.pointer, "code": f.code, "detail": f.detail} for f in faults
        ]
    sent = dict(headers or {})
    if status == 503:
        sent.setdefault("Retry-After", str(RETRY_AFTER_S))
    if status == 401:
        sent.setdefault("WWW-Authenticate", 'Bearer realm="tonnage"')
    # ensure_ascii: a path may hold anything
    return Response(json.dumps(content).encode(), status, sent, media_type=MEDIA_TYPE)


OBJECT = "must be a JSON object"
# pydantic's own words for these speak of Python, or repeat pieces of the input
OWN_WORDS = {
    "uuid_parsing": "must be a UUID",
    "uuid_type": "must be a UUID",
    "json_invalid": "is not valid JSON",
    "extra_forbidden": "is not known here",
    "repeated": "was sent more than once; only one would count",
    "dict_type": OBJECT,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
}
NO_ADDRESS = "There is no such address; /docs lists those that there are."
NO_JSON_BODY = "Send the body as JSON, with Content-Type: application/json."

PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


def shown_name(name: str) -> str:
    """Return the name of an unknown field if it is a plain word, else nothing.

    Without it a misspelt field is hard to find; a short identifier carries neither markup nor one
    of our tokens, all of which are longer or hold other characters.
    """
    return name if PLAIN_NAME.fullmatch(name) else ""


def fault_of(error: Mapping[str, Any]) -> Fault:
    """Translate one of pydantic's errors."""
    place, *path = [str(part) for part in error["loc"]] or [""]
    kind = str(error["type"])
    if kind == "extra_forbidden" and path:
        # the name itself is the caller's text; without one the pointer leads to its object
        path[-1:] = [name] if (name := shown_name(path[-1])) else []
    escaped = [part.replace("~", "~0").replace("/", "~1") for part in path]
    pointer = "/".join(["#" if place == "body" else place, *escaped])
    # a context that holds an error is a validator of ours: its sentence is the detail
    words = str(error["msg"]).removeprefix("Value error, ")
    return Fault(pointer, kind, OWN_WORDS.get(kind, words))


async def on_validation_error(request: Request, error: Exception) -> Response:
    """422 with every fault; 400 for JSON that is none; 415 for a body that is not JSON."""
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    if any(fault["type"] == "json_invalid" and fault["loc"][0] == "body" for fault in faults):
        return problem_response(request.scope, "malformed_request", detail="The body is not JSON.")
    whole_body = any(tuple(f["loc"]) == ("body",) and f["type"] != "missing" for f in faults)
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if whole_body and not (declared == "application/json" or declared.endswith("+json")):
        return problem_response(request.scope, "unsupported_media_type", detail=NO_JSON_BODY)
    return problem_response(
        request.scope,
        "validation_failed",
        faults=[fault_of(fault) for fault in faults[:MOST_FAULTS]],
    )


async def on_http_error(request: Request, error: Exception) -> Response:
    """Our own errors, and the framework's: unknown path, wrong method, unreadable form."""
    assert isinstance(error, HTTPException)
    headers = error.headers
    if isinstance(error, ApiError):
        return problem_response(
            request.scope, error.code, detail=str(error.detail), faults=error.faults,
            headers=headers, extra=error.extra,
        )  # fmt: skip
    code = CODE_OF_STATUS.get(error.status_code, "internal_error")
    return problem_response(
        request.scope, code, status=error.status_code, headers=headers,
        detail=NO_ADDRESS if error.status_code == 404 else None,
    )  # fmt: skip


async def on_domain_error(request: Request, error: Exception) -> Response:
    """The error tree of core; its messages are written for people."""
    assert isinstance(error, domain.TonnageError)
    for kind, code in CODE_OF_ERROR.items():
        if isinstance(error, kind):
            return problem_response(request.scope, code)
    return internal_error(request.scope, error)


async def on_database_error(request: Request, error: Exception) -> Response:
    """An exhausted pool or a PostgreSQL that is away heals by itself; the rest is a defect."""
    if isinstance(error, DataError):
        log.warning("a value passed validation and PostgreSQL refused it", exc_info=error)
        return problem_response(request.scope, "validation_failed")
    away = isinstance(error, PoolTimeoutError | OperationalError | InterfaceError)
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if away or lost or state == READ_ONLY:
        log.warning("the database is away: %s", type(getattr(error, "orig", error)).__name__)
        busy = isinstance(error, PoolTimeoutError) or state in PASSING
        return problem_response(request.scope, "busy" if busy else "unavailable")
    return internal_error(request.scope, error)


async def on_disconnect(request: Request, _: Exception) -> Response:
    """The caller went away in the middle of the body; nobody reads this."""
    return problem_response(request.scope, "malformed_request")


def internal_error(scope: Mapping[str, Any], error: BaseException) -> Response:
    """Log a defect with its stack; the caller gets only the request id."""
    log.error(
        "unhandled error in request %s", scope.get("state", {}).get("request_id"), exc_info=error
    )
    return problem_response(scope, "internal_error")


def install(app: FastAPI) -> None:
    """Register every handler."""
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(domain.TonnageError, on_domain_error)
    app.add_exception_handler(DBAPIError, on_database_error)
    app.add_exception_handler(PoolTimeoutError, on_database_error)
    app.add_exception_handler(ClientDisconnect, on_disconnect)
