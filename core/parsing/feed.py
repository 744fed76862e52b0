"""Rows on their way through a sheet: one by one, in blocks, and back again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.parsing.block import Block
from core.parsing.rows import Row

_WINDOW_ROWS = 256  # of a block that are taken apart at once, where rows are asked for singly


class Feed:
    """Rows of which some may be looked at and put back, and many be taken at once."""

    def __init__(self, rows: Iterator[Row | Block]) -> None:
        self._rows = rows
        self._back: list[Row] = []
        self._window: list[Row] = []  # of the block, in reverse order; `_at` is behind them
        self._block: Block | None = None
        self._at = 0

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        if self._back:
            return self._back.pop()
        if self._window:
            return self._window.pop()
        if self._block is None or self._at >= len(self._block):
            found = next(self._rows)
            if isinstance(found, Row):
                self._block = None
                return found
            self._block, self._at = found, 0
        stop = self._at + _WINDOW_ROWS
        self._window = self._block.slice(self._at, stop).rows()[::-1]
        self._at += len(self._window)
        return self._window.pop()

    def put_back(self, rows: Sequence[Row]) -> None:
        """Let these rows come next."""
        self._back += reversed(rows)

    def block(self) -> tuple[Block, int] | None:
        """Return the block whose row at this place comes next, None where a single row does."""
        if self._back or self._block is None:
            return None
        at = self._at - len(self._window)
        return (self._block, at) if at < len(self._block) else None

    def skip_to(self, at: int) -> None:
        """Go on with another row of the block that `block` returned."""
        self._window, self._at = [], at
