"""Query parameters that an operation does not know are refused.

A misspelt filter would otherwise widen a list in silence, and a report made of it would be wrong.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request, params
from fastapi.dependencies.utils import get_flat_params

from api.errors import ApiError, Fault, shown_name

_known: dict[Any, frozenset[str]] = {}  # by endpoint; as many as there are routes


def check(request: Request) -> None:
    """Raise 422 naming every parameter that the operation does not take."""
    if not request.scope["query_string"]:
        return
    known = names_of(request.scope["route"])
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        faults = [
            Fault(f"query/{shown_name(name)}", "extra_forbidden", "is not known here")
            for name in unknown[:20]
        ]
        raise ApiError("validation_failed", faults=faults)


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
