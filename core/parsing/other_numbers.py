"""Columns of numbers that could be the quantity as well as the one that was taken."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from core.parsing.headings import fields_of, read_heading
from core.parsing.profiles import Profile
from core.parsing.report import ColumnReport
from core.records import Field

_NUMBERS = 0.8  # share of a column's filled cells
_AS_GOOD = 0.1  # by how much a heading may be weaker than that of the column taken
_NAMED = 3  # columns in one note


def other_numbers(
    columns: Sequence[ColumnReport],
    headings: Sequence[str],
    profiles: Sequence[Profile],
    mapped: Collection[int],
) -> list[str]:
    """Return the note that names them; none where a person said which column it is."""
    taken = [column for column in columns if column.field is Field.VOLUME]
    if len(taken) != 1 or taken[0].index in mapped:
        return []
    best = _by_heading(headings[taken[0].index])
    rivals = [
        column
        for column in columns
        if column.field is None
        and column.index not in mapped
        and profiles[column.index].number >= _NUMBERS
        and 0 < best <= _by_heading(headings[column.index]) + _AS_GOOD
    ]
    if not rivals:
        return []
    named = ", ".join(f'{column.letter} ("{column.heading[:60]}")' for column in rivals[:_NAMED])
    more = f" and {len(rivals) - _NAMED} more" if len(rivals) > _NAMED else ""
    several = len(rivals) > 1
    return [
        f'Column {taken[0].letter} ("{taken[0].heading[:60]}") was taken as the quantity; '
        f"{'columns' if several else 'column'} {named}{more} {'hold' if several else 'holds'} "
        "numbers too and could be it. Say in the mapping which one counts."
    ]


def _by_heading(text: str) -> float:
    """Return how much a heading speaks for a quantity."""
    return fields_of(read_heading(text)).get(Field.VOLUME, 0.0)
