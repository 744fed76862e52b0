"""What a sheet is made of, before anybody knows where its tables are."""

from __future__ import annotations

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
