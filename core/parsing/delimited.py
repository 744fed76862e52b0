"""Delimited text → rows, streaming."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import FileRejected
from core.parsing import limits
from core.parsing.sniff import Dialect
from core.parsing.tables import Row


@contextmanager
def _field_limit() -> Iterator[None]:
    """Raise the csv module's limit, which is the process's, and put it back."""
    before = csv.field_size_limit(limits.FIELD_CHARACTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def read_rows(path: Path, encoding: str, dialect: Dialect) -> Iterator[Row]:
    """Yield every record with the physical line on which it starts; blank lines are empty records.

    Raises FileRejected: cell_too_large for a quote that is never closed, too_many_columns.
    """
    with _field_limit(), path.open(encoding=encoding, newline="") as source:
        for _ in range(dialect.skip_lines):
            source.readline()
        reader = csv.reader(source, delimiter=dialect.delimiter)
        line = dialect.skip_lines + 1
        try:
            for cells in reader:
                if len(cells) > limits.RECORD_COLUMNS and any(cells[limits.RECORD_COLUMNS :]):
                    raise FileRejected(
                        f"Line {line} has more than {limits.RECORD_COLUMNS} columns. Remove the "
                        "columns that hold no activity.",
                        code="too_many_columns",
                    )
                yield Row(line, cells)
                line = dialect.skip_lines + reader.line_num + 1
        except csv.Error as error:
            raise FileRejected(
                f"The record that starts on line {line} holds more than one million characters. "
                "Perhaps a quotation mark is not closed.",
                code="cell_too_large",
            ) from error
