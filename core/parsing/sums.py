"""Does a row add up those above or below it? "Total electricity, 300, kWh" beside 100 and 200 does.

Its words and its unit are those of an activity, so only the figures can tell.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import tee

from core.numbers import Convention, NumberProblem, read_number, split_quantity
from core.parsing.block import Block

_MOST_ROWS = 1_000  # above a sum that are looked at
ROWS_BELOW = 50  # a sum that stands above its parts
_MOST_CELLS = 1_000_000  # of one table: where every row is called "Total …", none is a sum


class RecentRows:
    """The last rows of data of a table, by their columns of figures."""

    def __init__(self, columns: Sequence[int]) -> None:
        self._columns = columns
        self._last: deque[Sequence[str] | Block] = deque()
        self._count = 0
        self._looks = _MOST_CELLS

    def add(self, rows: Sequence[str] | Block) -> None:
        """Take note of one row, by its cells, or of many."""
        self._last.append(rows)
        self._count += _size(rows)
        while self._count - _size(self._last[0]) >= _MOST_ROWS:
            self._count -= _size(self._last.popleft())

    def add_up_to(self, cells: Sequence[str], below: Iterable[Sequence[str]] = ()) -> bool:
        """Tell whether the last rows, or the first of those `below`, add up to this one's figures.

        However many they are. A single one above is summed up by a row that says less than it: the
        second of two equal bills of "Total Gas & Power" says as much.
        """
        conventions = (Convention.POINT, Convention.COMMA)  # what they decide is not known yet
        return any(
            self._add_up(cells, convention, self._upwards(), single=True)
            or self._add_up(cells, convention, rows, single=False)
            for convention, rows in zip(conventions, tee(below), strict=True)
        )

    def _add_up(
        self,
        cells: Sequence[str],
        convention: Convention,
        rows: Iterable[Sequence[str]],
        *,
        single: bool,
    ) -> bool:
        wanted = {at: value for at in self._columns if (value := _number(cells, at, convention))}
        if not wanted:
            return False
        sums = dict.fromkeys(wanted, 0.0)
        for count, row in enumerate(rows, 1):
            self._looks -= len(sums)
            for at in sums:
                sums[at] += _number(row, at, convention)
            same = all(math.isclose(sums[at], wanted[at], rel_tol=1e-9) for at in wanted)
            if same and (count > 1 or (single and _filled(cells) < _filled(row))):
                return True
            if self._looks < 0 or any(abs(sums[at]) > 2 * abs(wanted[at]) for at in wanted):
                return False  # further on stands what is added up elsewhere
        return False

    def _upwards(self) -> Iterator[Sequence[str]]:
        left = _MOST_ROWS
        for rows in reversed(self._last):
            if not isinstance(rows, Block):
                yield rows
                left -= 1
                continue
            some = rows.slice(max(0, len(rows) - left), len(rows))
            yield from reversed(some.cells().to_pylist())
            left -= len(some)


def _size(rows: Sequence[str] | Block) -> int:
    return len(rows) if isinstance(rows, Block) else 1


def _filled(cells: Sequence[str]) -> int:
    return sum(1 for cell in cells if cell.strip())


def _number(cells: Sequence[str], at: int, convention: Convention) -> float:
    """Return the number of a cell, 0 where it holds none."""
    text = cells[at] if at < len(cells) else ""
    found = read_number(text, convention)
    if isinstance(found, NumberProblem) and (parts := split_quantity(text)):
        found = read_number(parts[0], convention)
    return 0.0 if isinstance(found, NumberProblem) else found
