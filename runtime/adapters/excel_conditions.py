"""Sums of figures as live formulas: SUMIFS whose conditions find a key exactly, or no formula.

Conditions know wildcards and comparisons, and no quotes; they compare without case, and take "01"
for 1 and "true" for no text at all. A key that one could mistake stays a value.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence

from core.reporting import NO_SCOPE, OUTSIDE_SCOPES

Conditions = tuple[tuple[str, str], ...]
NO_CONDITIONS = ("not stated", "no date", "true", "false")
NO_KEY = "="  # finds cells that hold nothing
LONGEST = 200  # of a key; Excel takes 255
FORMULA = 8_000  # letters that Excel takes, nearly


def condition(column: str, key: str | None) -> str | None:
    """Return the condition that finds a key in a column and nothing else; None when none does."""
    if key is None:
        return NO_KEY
    if column == "scope" or column.endswith("_id"):
        return key  # our own words
    plain = all(c.isalnum() or c in " -,.()/&:;" for c in key)
    begins = key[:1].isalpha() or (column == "month" and len(key) in (4, 7))
    if not plain or not begins or len(key) > LONGEST or key.lower() in NO_CONDITIONS:
        return None
    return key


def conditions(keys: Mapping[str, str | None]) -> tuple[tuple[str, str], ...] | None:
    """Return (column, condition) of a group; a name that comes with its id needs none."""
    found = []
    for column, key in keys.items():
        if f"{column.removesuffix('_name')}_id" in keys:
            continue
        made = condition(column, key)
        if made is None:
            return None
        found.append((column, made))
    return tuple(found)


def folded(label: str) -> str:
    """Return a label as a condition compares it: without case."""
    return unicodedata.normalize("NFKD", label).casefold()


class Listed:
    """The sheets of figures, and formulas over them."""

    def __init__(self, columns: Sequence[str]) -> None:
        from xlsxwriter.utility import xl_col_to_name

        self.letters = {name: xl_col_to_name(place) for place, name in enumerate(columns)}
        self.sheets: list[tuple[str, int]] = []  # with their last row

    def __bool__(self) -> bool:
        return bool(self.sheets)

    def add(self, sheet: str, last: int) -> None:
        """Note a sheet of figures."""
        self.sheets.append((sheet, last))

    def summed(self, column: str, wanted: Sequence[tuple[str, str]]) -> str | None:
        """Return the sum of a column's figures that meet all conditions; None when that is too
        long for a cell."""
        made = "=" + "+".join(
            f"SUMIFS({self.span(sheet, column, last)},"
            + ",".join(f'{self.span(sheet, name, last)},"{key}"' for name, key in wanted)
            + ")"
            for sheet, last in self.sheets
        )
        return made if len(made) <= FORMULA else None

    def span(self, sheet: str, column: str, last: int) -> str:
        """Return the range of a column of figures."""
        letter = self.letters[column]
        return f"'{sheet}'!${letter}$2:${letter}${max(last, 2)}"


def of_scope(label: str) -> Conditions | None:
    """Return the condition of a scope's line."""
    keys = {
        "Scope 1": "1", "Scope 2": "2", "Scope 3": "3", "Not assigned": NO_SCOPE,
    }  # fmt: skip
    return (("scope", keys.get(label, OUTSIDE_SCOPES)),)


def of_column(column: str) -> Callable[[str], Conditions | None]:
    """Return the conditions of lines whose label is the key in a column."""

    def made(label: str) -> Conditions | None:
        found = condition(column, label)
        return ((column, found),) if found else None

    return made
