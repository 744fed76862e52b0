"""Remembering what short texts mean, and only short ones.

Cells repeat, so their readings are kept by the ten thousand. A cell may hold 32,767 characters:
thousands of those, each different, would fill the memory of a worker that serves everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

LONGEST = 100  # characters of a text that is remembered


def short_cache(maxsize: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator as functools.lru_cache, which passes over calls with a long text."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        remembered = lru_cache(maxsize)(function)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for value in args:
                if isinstance(value, str) and len(value) > LONGEST:
                    return function(*args, **kwargs)
            return remembered(*args, **kwargs)  # type: ignore[arg-type]

        return call

    return decorate
