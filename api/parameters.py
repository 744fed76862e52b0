"""Query parameters that an operation does not know, or takes once and gets twice, are refused.

A misspelt filter would otherwise widen a list in silence, and a report made of it would be wrong;
of two projects one would be lost.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, params
from fastapi._compat import field_annotation_is_sequence
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

UNKNOWN, REPEATED = "extra_forbidden", "repeated"

# By endpoint, as many as there are routes: name → whether it may be repeated.
_known: dict[Any, Mapping[str, bool]] = {}


class UnfitParameters(Exception):
    """The request has parameters that its operation does not take, or not more than once."""

    def __init__(self, found: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.found = found  # (name, code)


def check(request: Request) -> None:
    """Raise 422 naming every parameter that the operation does not take, or not twice."""
    if not request.scope["query_string"]:
        return
    known = names_of(request.scope["route"])
    sent = Counter(name for name, _ in request.query_params.multi_items())
    unfit = [
        (name, UNKNOWN if name not in known else REPEATED)
        for name, times in sent.items()
        if name not in known or (times > 1 and not known[name])
    ]
    if unfit:
        raise UnfitParameters(unfit[:MOST_NAMED])


def names_of(route: Any) -> Mapping[str, bool]:
    """Return the query parameters of a route and of what it depends on."""
    found = _known.get(route.endpoint)
    if found is None:
        found = _known[route.endpoint] = {
            field.alias: field_annotation_is_sequence(field.field_info.annotation)
            for field in get_flat_params(route.dependant)
            if isinstance(field.field_info, params.Query)
        }
    return found


async def on_unfit(request: Request, error: Exception) -> Response:
    """Name the unfit parameters beside whatever else is wrong with the request."""
    assert isinstance(error, UnfitParameters)
    found = [{"type": code, "loc": ("query", name), "msg": ""} for name, code in error.found]
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
    app.add_exception_handler(UnfitParameters, on_unfit)
