"""What the OpenAPI document says beyond the routes: errors, roles, examples."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.errors import CATALOG, MEDIA_TYPE
from api.idempotency import HEADER, takes_key
from api.openapi_words import describe_fields, renamed, summary_of
from api.schemas.common import Problem
from api.schemas.examples import BY_SCHEMA
from core.permissions import ALLOWED, Operation

# What any operation may answer, whatever it does.
ALWAYS = (
    "uri_too_long", "validation_failed", "headers_too_large", "internal_error", "unavailable",
    "busy",
)  # fmt: skip
SIGNED_IN = ("unauthenticated",)
IN_ORGANIZATION = ("unauthenticated", "organization_required", "not_found")
WITH_BODY = ("malformed_request", "body_too_large", "unsupported_media_type", "request_timeout")


IDEMPOTENT = ("idempotency_in_flight", "idempotency_outcome_lost", "idempotency_key_reused")
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Sent again within 24 h the request is answered again and takes effect once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
RETRY_AFTER = {"schema": {"type": "integer"}, "description": "Seconds to wait"}


def documented(*codes: str, operation: Operation | None = None) -> dict[str, Any]:
    """Return the keyword arguments of a route: its errors and the roles that may call it."""
    named = dict.fromkeys((*codes, *ALWAYS))
    if operation is not None:
        named |= dict.fromkeys(("permission_denied", *IN_ORGANIZATION))
    by_status: dict[int, list[str]] = {}
    for code in sorted(named):
        by_status.setdefault(CATALOG[code].status, []).append(code)
    responses: dict[int | str, dict[str, Any]] = {
        status: {
            "description": ", ".join(f"`{code}`" for code in found),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {code: {"value": example(code)} for code in found},
                }
            },
        }
        for status, found in sorted(by_status.items())
    }
    if 503 in responses:
        responses[503]["headers"] = {"Retry-After": RETRY_AFTER}
    documented_route: dict[str, Any] = {"responses": responses}
    if operation is not None:
        roles = sorted(role.value for role in ALLOWED[operation])
        documented_route["openapi_extra"] = {"x-roles": roles}
    return documented_route


def example(code: str) -> dict[str, Any]:
    """Return what a problem looks like."""
    kind = CATALOG[code]
    return {
        "type": f"urn:tonnage:problem:{code}",
        "title": HTTPStatus(kind.status).phrase,
        "status": kind.status,
        "detail": kind.detail,
        "instance": "/v1/…",
        "code": code,
        "request_id": "0f8a1c6f2f0e4c0b9a54d3f9f3f0a7d2",
    }


def add_conventions(path: str, verb: str, operation: dict[str, Any]) -> None:
    """Add what holds for every operation that needs a token: limits, and a POST's key."""
    if not path.startswith("/v1/"):
        return
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            thing = parameter["name"].removesuffix("_id").replace("_", " ")
            parameter.setdefault("description", f"Id of the {thing}")
    if operation.get("security"):
        add_error(operation, "rate_limited")
    if operation.get("x-roles") and takes_key(verb.upper(), path):
        for code in IDEMPOTENT:
            add_error(operation, code)
        operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)


def add_error(operation: dict[str, Any], code: str) -> None:
    """Document one more error of an operation."""
    found = operation["responses"].setdefault(
        str(CATALOG[code].status),
        {
            "description": "",
            "content": {
                MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
            },
        },
    )
    if CATALOG[code].status == 429:
        found.setdefault("headers", {})["Retry-After"] = RETRY_AFTER
    found["content"][MEDIA_TYPE]["examples"].setdefault(code, {"value": example(code)})
    found["description"] = ", ".join(f"`{c}`" for c in found["content"][MEDIA_TYPE]["examples"])


def operation_id(route: APIRoute) -> str:
    """Name an operation after its function: a generated client then reads well."""
    return route.name


def install(app: FastAPI) -> None:
    """Make the app's document hold the Problem schema, and only ours."""
    make = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = make()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            own = {**schema.pop("$defs", {}), "Problem": schema}
            assert not own.keys() & schemas.keys()  # an answer's schema would become the error's
            schemas |= own
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            # put in here: FastAPI leaves out of a model's own examples whatever is null
            for name, shown in BY_SCHEMA.items():
                schemas[name]["examples"] = [shown]
            describe_fields(schemas)
            for address, path in document["paths"].items():
                for name, method in path.items():
                    add_conventions(address, name, method)
                    anybody = ["everybody with a login" if "security" in method else "no login"]
                    words = f"Roles: {', '.join(method.get('x-roles', anybody))}."
                    told = method.get("description", "")
                    method["summary"] = summary_of(told) or method["summary"]
                    method["description"] = f"{told}\n\n{words}".strip()
            app.openapi_schema = renamed(document)
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]
