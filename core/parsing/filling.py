"""What rows leave to the lines around them: the year of a month, the meter that a block is of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.dates import month_of
from core.parsing.rows import Row
from core.parsing.wide import names_supply
from core.records import Field

_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(slots=True)
class Filling:
    """Completes the rows of a table with one figure a row. `title` changes from block to block."""

    width: int
    months_at: int | None = None  # a column of months without their year
    years_at: int | None = None
    year: str = ""
    titled: bool = False  # no column names the activity: the title of the block does
    title: str = ""
    _named: bool = False  # the present title names a supply

    def fields(self) -> dict[Field, int]:
        """Return where `expand` puts what it fills in."""
        filled = {Field.DATE: self.width} if self.months_at is not None else {}
        return filled | ({Field.ACTIVITY_NAME: self.width + 1} if self.titled else {})

    def expand(self, row: Row) -> Iterator[Row]:
        """Yield the row with what it leaves open."""
        cells = row.cells[: self.width] + [""] * (self.width - len(row.cells))
        date = self._date(cells) if self.months_at is not None else ""
        self._named = False  # what follows next is another block's title
        yield Row(row.number, [*cells, date, self.title], row.typed)

    def begin_block(self, text: str) -> None:
        """Take note of a title; of several lines, the one that names a supply."""
        if names_supply(text) or not self._named:
            self.title = text.strip()
            self._named = names_supply(text)

    def _date(self, cells: list[str]) -> str:
        assert self.months_at is not None
        text = cells[self.months_at].strip()
        if month_of(text) is None:
            return text
        written = cells[self.years_at] if self.years_at is not None else self.year
        match = _YEAR.search(written)
        return f"{text} {match[0]}" if match else text
