"""Delimited text → rows, streaming: pieces of it as blocks, the odd ones record by record.

The csv module says what a record is. A piece of text whose quotation marks all stand where they
should is cut up by its bytes instead, which is several times as fast; every other piece goes
through the module.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TextIO, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.errors import FileRejected
from core.parsing import limits
from core.parsing.block import Block, Mask, Numbers
from core.parsing.rows import Row
from core.parsing.sniff import DELIMITERS, Dialect

_FIRST_CHARACTERS = 1 << 17  # what stands above a table may be odd, and little of it is looked at
_PIECE_CHARACTERS = 1 << 22
Octets: TypeAlias = npt.NDArray[np.uint8]
_LINE, _QUOTE = ord("\n"), ord('"')


@contextmanager
def _field_limit() -> Iterator[None]:
    """Raise the csv module's limit, which is the process's, and put it back."""
    before = csv.field_size_limit(limits.FIELD_CHARACTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def read_rows(path: Path, encoding: str, dialect: Dialect) -> Iterator[Row | Block]:
    """Yield every record with the physical line on which it starts; blank lines are empty records.

    Raises FileRejected: cell_too_large for a quote that is never closed, too_many_columns.
    """
    with _field_limit(), path.open(encoding=encoding, newline="") as source:
        for _ in range(dialect.skip_lines):
            source.readline()
        line, size = dialect.skip_lines + 1, _FIRST_CHARACTERS
        while text := source.read(size):
            text += source.readline()
            size = _PIECE_CHARACTERS
            lines = _count_lines(text)
            block = cut(text, dialect.delimiter, line)
            if block is not None:
                yield block
                line += lines
            else:
                line = yield from _by_record(text, source, dialect.delimiter, line, lines)


def _count_lines(text: str) -> int:
    ends = text.count("\n") + text.count("\r") - text.count("\r\n")
    return ends + (not text.endswith(("\n", "\r")))


def _by_record(
    text: str, source: TextIO, delimiter: str, first: int, lines: int
) -> Generator[Row, None, int]:
    """Yield the records that begin in `text`; the last may end beyond it. Return the next line."""
    reader = csv.reader(chain(io.StringIO(text, newline=""), source), delimiter=delimiter)
    line = first
    try:
        for cells in reader:
            if len(cells) > limits.RECORD_COLUMNS and any(cells[limits.RECORD_COLUMNS :]):
                raise FileRejected(
                    f"Line {line} has more than {limits.RECORD_COLUMNS} columns. Remove the "
                    "columns that hold no activity.",
                    code="too_many_columns",
                )
            yield Row(line, cells)
            line = first + reader.line_num
            if reader.line_num >= lines:
                break
    except csv.Error as error:
        raise FileRejected(
            f"The record that starts on line {line} holds more than one million characters. "
            "Perhaps a quotation mark is not closed.",
            code="cell_too_large",
        ) from error
    return line


def cut(text: str, delimiter: str, line: int) -> Block | None:
    """Return the records of whole lines of text, of which the first is `line`.

    None where only the csv module can tell, or where it would refuse a record.
    """
    returns = text.count("\r")
    if returns != text.count("\r\n") or delimiter not in DELIMITERS:
        return None
    data = (text.replace("\r\n", "\n") if returns else text).encode()
    if not data.endswith(b"\n"):
        data += b"\n"
    octets = np.frombuffer(data, np.uint8)
    ends = (octets == ord(delimiter)) | (octets == _LINE)
    broken = False  # a line ends within quotation marks
    if _QUOTE in data:
        quoted = _quoted(octets, ord(delimiter))
        if quoted is None:
            return None
        inside, dropped = quoted
        broken = bool((inside & (octets == _LINE)).any())
        if broken and returns:
            return None  # the text within has lost what ended its lines
        ends &= ~inside
        dropped |= ends
        gone = np.flatnonzero(dropped)
        before = np.flatnonzero(ends[gone])  # how much is gone before the end of each field
        at = gone[before]
        texts, stops = octets[~dropped].tobytes(), at - before
    else:
        at = np.flatnonzero(ends)
        texts = data.translate(None, delimiter.encode() + b"\n")
        stops = at - np.arange(len(at))
    return _block(octets, at, texts, stops, line, broken)


def _quoted(octets: Octets, delimiter: int) -> tuple[Mask, Mask] | None:
    """Return what is within quotation marks, and the marks that are no part of a text.

    None where one stands in the middle of a field, or is left open.
    """
    marks = np.flatnonzero(octets == _QUOTE)
    if len(marks) % 2:
        return None
    opening, closing = marks[::2], marks[1::2]
    # The text ends with a line: before the first octet stands the end of one, too.
    around = np.concatenate((octets[opening - 1], octets[closing + 1]))
    if not ((around == delimiter) | (around == _LINE) | (around == _QUOTE)).all():
        return None
    steps = np.zeros(len(octets), np.int8)
    steps[opening], steps[closing] = 1, -1
    dropped = np.zeros(len(octets), np.bool_)
    dropped[marks] = True
    # Of two marks within, the second is the text's own.
    dropped[opening[1:][opening[1:] == closing[:-1] + 1]] = False
    return np.cumsum(steps, dtype=np.int8).astype(np.bool_), dropped


def _block(
    octets: Octets, at: Numbers, texts: bytes, stops: Numbers, line: int, broken: bool
) -> Block | None:
    """Put fields that end at `at` in the text, and at `stops` among all texts, into rows."""
    rows = np.flatnonzero(octets[at] == _LINE)  # the last field of each
    starts = np.concatenate(([0], at[rows][:-1] + 1))
    if broken:
        numbers = line + np.searchsorted(np.flatnonzero(octets == _LINE), starts)
    else:
        numbers = np.arange(line, line + len(rows))
    offsets = np.concatenate(([0], rows + 1))
    empty = at[rows] == starts  # a line with nothing on it has no field
    if empty.any():
        stops = np.delete(stops, rows[empty])
        offsets = offsets - np.concatenate(([0], np.cumsum(empty)))
    ends = np.concatenate(([0], stops))
    if np.diff(offsets).max() > limits.RECORD_COLUMNS or (
        len(stops) and np.diff(ends).max() > limits.FIELD_CHARACTERS
    ):
        return None
    values = pa.StringArray.from_buffers(
        len(stops), pa.py_buffer(ends.astype(np.int32).tobytes()), pa.py_buffer(texts)
    )
    return Block(values, offsets, numbers)
