"""Editions: the same factor in several releases, and which of them an activity's year takes.

An organization may pin desnz-2024 and desnz-2025 together. domain.md §3: the activity's year, else
the nearest earlier, else the nearest later; without a year the newest. Only one edition is left to
the ranking, so that last year's figure is neither a rival that lowers the confidence nor a
candidate that wins by a hair.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable
from uuid import UUID

from core.records import EmissionFactor

_YEAR_OF_RELEASE = re.compile(r"[-_.]?(?:19|20)\d\d.*$")


def is_valid(factor: EmissionFactor, year: int | None) -> bool:
    """Tell whether the source allows a factor for a year; it does where it states no years."""
    if year is None:
        return True
    first, last = factor.valid_from_year, factor.valid_to_year
    return (first is None or first <= year) and (last is None or year <= last)


def covers(factor: EmissionFactor, year: int) -> bool:
    """Tell whether a factor is one of this very year: nothing to disclose."""
    stated = factor.valid_from_year is not None or factor.valid_to_year is not None
    return year == factor.data_year or (stated and is_valid(factor, year))


class Editions:
    """Which factors of a library are editions of one another. Immutable; safe to share."""

    def __init__(self, factors: Iterable[EmissionFactor]) -> None:
        groups: dict[Hashable, list[EmissionFactor]] = defaultdict(list)
        for factor in factors:
            for key in _keys(factor):
                groups[key].append(factor)
        self._siblings: dict[UUID, tuple[EmissionFactor, ...]] = {}
        for group in groups.values():
            if len({(f.release, f.data_year) for f in group}) > 1:
                for factor in group:
                    known = self._siblings.get(factor.id, ())
                    self._siblings[factor.id] = (*known, *(f for f in group if f not in known))
        self._chosen: dict[tuple[UUID, int | None], bool] = {}

    def current(self, factor: EmissionFactor, year: int | None) -> bool:
        """Tell whether `factor` is valid for a year, and the edition of it to use then."""
        if not is_valid(factor, year):
            return False
        siblings = self._siblings.get(factor.id)
        if siblings is None:
            return True
        key = (factor.id, year)
        if key not in self._chosen:
            best = _best(siblings, year)
            self._chosen[key] = (factor.release, factor.data_year) == best
        return self._chosen[key]


def _best(group: Iterable[EmissionFactor], year: int | None) -> tuple[str, int]:
    """Return release and data year of the edition to use."""
    found = [f for f in group if is_valid(f, year)]
    if year is not None:
        stated = [f for f in found if covers(f, year)]
        earlier = [f for f in found if f.data_year <= year]
        if stated or earlier:
            found = stated or earlier
        else:
            nearest = min(f.data_year for f in found)
            found = [f for f in found if f.data_year == nearest]
    newest = max(found, key=lambda f: (f.data_year, f.source_year, f.release))
    return newest.release, newest.data_year


def _keys(factor: EmissionFactor) -> list[Hashable]:
    """Return what is equal between editions: the description, and the publisher's id."""
    measured = (factor.unit, factor.basis, factor.region, factor.scope, factor.biogenic)
    if factor.organization_id is not None:
        return [("own", factor.name.casefold(), *measured)]
    levels = factor.levels if factor.levels else (factor.category,)
    described = ("named", factor.category, factor.name, levels, factor.activity_kind, *measured)
    series = _YEAR_OF_RELEASE.sub("", factor.release)
    if series == factor.release:
        return [described]
    return [described, ("id", series, factor.source_id, *measured)]
