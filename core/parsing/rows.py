"""What a sheet is made of, before anybody knows where its tables are."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class Row(NamedTuple):
    """A row as read: its number in the file, its cells as text, the columns held as numbers.

    `column` is the 1-based column of the figure where a row with several was taken apart.
    """

    number: int
    cells: list[str]
    typed: tuple[int, ...] = ()
    column: int = 0


class Merge(NamedTuple):
    """A merged range, 0-based and inclusive."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int


@lru_cache(maxsize=1024)
def letter_of(index: int) -> str:
    """Return a 0-based column index as a spreadsheet shows it: 0 → "A", 26 → "AA"."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
