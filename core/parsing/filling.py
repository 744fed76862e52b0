"""What rows leave to the lines around them: the year of a month, the meter that a block is of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.dates import month_of
from core.parsing.rows import Row
from core.parsing.wide import names_supply, unit_in, year_in
from core.records import Field

# What is printed above headings that a new page repeats, and is no block's title.
_PAGE = re.compile(r"(?:page|seite|blatt|p[aá]gina|pagina|sheet|continued|fortsetzung)\b.*", re.I)


@dataclass(slots=True)
class Filling:
    """Completes the rows of a table with one figure a row. `title` changes from block to block.

    A title names the activity where no column does (`titled`), else it describes it (`described`).
    """

    width: int
    months_at: int | None = None  # a column of months without their year
    years_at: int | None = None
    year: str = ""
    titled: bool = False  # no column names the activity: the title of the block does
    described: bool = False  # columns name it, and headings are repeated below each title
    title: str = ""
    names_at: int | None = None  # a column of names that carry the units
    _named: bool = False  # the present title names a supply
    _next: str = ""  # what may be a title, once headings follow

    def fields(self) -> dict[Field, int]:
        """Return where `expand` puts what it fills in."""
        filled = {Field.DATE: self.width} if self.months_at is not None else {}
        if self.titled or self.described:
            named = Field.ACTIVITY_NAME if self.titled else Field.ACTIVITY_DESCRIPTION
            filled[named] = self.width + 1
        if self.names_at is not None:
            filled[Field.UNIT] = self.width + 2
        return filled

    def expand(self, row: Row) -> Iterator[Row]:
        """Yield the row with what it leaves open."""
        cells = row.cells[: self.width] + [""] * (self.width - len(row.cells))
        date = self._date(cells) if self.months_at is not None else ""
        self._next = ""
        self._named = False  # what follows next is another block's title
        unit = unit_in(cells[self.names_at]) if self.names_at is not None else ""
        yield Row(row.number, [*cells, date, self.title, unit], row.typed)

    def begin_block(self, text: str) -> None:
        """Take note of a title; of several lines, the one that names a supply."""
        self._next = text.strip()
        if not self.titled:
            return
        if names_supply(text) or not self._named:
            self.title = text.strip()
            self._named = names_supply(text)

    def repeat_headings(self) -> None:
        """Take the line above headings that are repeated for the title of what follows."""
        if self.described and not _PAGE.fullmatch(self._next):
            self.title, self._next = self._next or self.title, ""

    def _date(self, cells: list[str]) -> str:
        assert self.months_at is not None
        text = cells[self.months_at].strip()
        if month_of(text) is None:
            return text
        year = year_in(cells[self.years_at] if self.years_at is not None else self.year)
        return f"{text} {year}" if year else text
