"""Query parameters that an operation does not know are refused.

A misspelt filter would otherwise widen a list in silence, and a report made of it would be wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, params
from fastapi.dependencies.utils import (
    get_flat_params,
    request_body_to_args,
    request_params_to_args,
)
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from api.errors import on_validation_error
from api.json_bodies import is_json

MOST_NAMED = 20

_known: dict[Any, frozenset[str]] = {}  # by endpoint; as many as there are routes


class UnknownParameters(Exception):
    """The request has parameters that its operation does not take."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = names


def check(request: Request) -> None:
    """Raise 422 naming every parameter that the operation does not take."""
    if not request.scope["query_string"]:
        return
    known = names_of(request.scope["route"])
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        raise UnknownParameters(unknown[:MOST_NAMED])


def names_of(route: Any) -> frozenset[str]:
    """Return the query parameters of a route and of what it depends on."""
    found = _known.get(route.endpoint)
    if found is None:
        found = _known[route.endpoint] = frozenset(
            field.alias
            for field in get_flat_params(route.dependant)
            if isinstance(field.field_info, params.Query)
        )
    return found


async def on_unknown(request: Request, error: Exception) -> Response:
    """Name the unknown parameters beside whatever else is wrong with the request."""
    assert isinstance(error, UnknownParameters)
    found = [{"type": "extra_forbidden", "loc": ("query", n), "msg": ""} for n in error.names]
    found += await others(request)
    return await on_validation_error(request, RequestValidationError(found))


async def others(request: Request) -> list[dict[str, Any]]:
    """Return what the framework would have found, had it come to look."""
    route = request.scope["route"]
    fields = get_flat_params(route.dependant)
    places: Sequence[tuple[type, Mapping[str, Any]]] = (
        (params.Path, request.path_params),
        (params.Query, request.query_params),
        (params.Header, request.headers),
    )
    found: list[dict[str, Any]] = []
    for kind, received in places:
        chosen = [field for field in fields if isinstance(field.field_info, kind)]
        found += request_params_to_args(chosen, received)[1]
    if route.body_field is not None and route.dependant.body_params:
        body: Any = await request.body() or None  # read by now; what says that it is JSON is
        if body and is_json(request.scope):
            body = json.loads(body.decode("utf-8-sig"))
        fields = route.dependant.body_params
        found += (await request_body_to_args(fields, body, route._embed_body_fields))[1]
    return found


def install(app: FastAPI) -> None:
    """Register the handler."""
    app.add_exception_handler(UnknownParameters, on_unknown)
