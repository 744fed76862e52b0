"""Many rows at once, as Arrow keeps them: what columns are cut from without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.parsing.rows import Row

Numbers: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Block:
    """Rows of any widths: all their cells in one array of texts, row after row.

    The cells of row i are values[offsets[i]:offsets[i + 1]]; `offsets` has one entry more than
    there are rows, `numbers` says which row or line of the file each one is.
    """

    values: Any  # pa.StringArray without nulls
    offsets: Numbers
    numbers: Numbers

    @classmethod
    def of(cls, cells: Sequence[Sequence[str]], numbers: Sequence[int] | Numbers) -> Block:
        """Build a block from rows of texts."""
        offsets = np.zeros(len(cells) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, cells), np.int64, len(cells)), out=offsets[1:])
        values = pa.array(list(chain.from_iterable(cells)), pa.string())
        return cls(values, offsets, np.array(numbers, np.int64))

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def widths(self) -> Numbers:
        """Return the number of cells of each row."""
        return np.diff(self.offsets)

    @cached_property
    def sizes(self) -> Numbers:
        """Return the number of characters of each row."""
        ends = np.zeros(len(self.values) + 1, np.int64)
        lengths = pc.utf8_length(self.values).to_numpy(zero_copy_only=False)
        np.cumsum(lengths, out=ends[1:])
        return np.diff(ends[self.offsets])

    def slice(self, start: int, stop: int) -> Block:
        """Return some of the rows, which share the texts of these."""
        if start == 0 and stop == len(self):
            return self
        return Block(self.values, self.offsets[start : stop + 1], self.numbers[start:stop])

    @cached_property
    def holds_nul(self) -> bool:
        """Tell whether one of the texts, or of those beside them, holds a NUL character."""
        texts = self.values.buffers()[2]
        return texts is not None and bool((np.frombuffer(texts, np.uint8) == 0).any())

    def take(self, rows: Numbers) -> Block:
        """Return a copy of the rows at these places."""
        widths = self.widths[rows]
        offsets = np.concatenate(([0], np.cumsum(widths)))
        shifts = np.repeat(self.offsets[:-1][rows] - offsets[:-1], widths)
        values = self.values.take(pa.array(np.arange(offsets[-1]) + shifts))
        return Block(values, offsets, self.numbers[rows])

    def column(self, index: int) -> Any:
        """Return one column, null where a row is too short to have it."""
        at = self.offsets[:-1] + index
        short = self.widths <= index
        return self.values.take(pa.array(at, mask=short if short.any() else None))

    def cells(self) -> Any:
        """Return the rows as an array of lists of texts."""
        first, last = int(self.offsets[0]), int(self.offsets[-1])
        offsets = pa.array((self.offsets - first).astype(np.int32))
        return pa.ListArray.from_arrays(offsets, self.values.slice(first, last - first))

    def rows(self) -> list[Row]:
        """Return the rows one by one."""
        return [
            Row(number, cells)
            for number, cells in zip(self.numbers.tolist(), self.cells().to_pylist(), strict=True)
        ]


def without_empty(column: Any) -> Any:
    """Return a column of texts with null for those that are empty; the texts are not copied."""
    filled = pc.fill_null(pc.not_equal(column, ""), False).to_numpy(zero_copy_only=False)
    if filled.all():
        return column
    _, ends, texts = column.buffers()
    bits = np.packbits(filled, bitorder="little")
    if column.offset:
        return pc.if_else(pa.array(filled), column, None)
    return pa.StringArray.from_buffers(
        len(column), ends, texts, pa.py_buffer(bits.tobytes()), int(len(filled) - filled.sum())
    )
