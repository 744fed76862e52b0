"""Which of the rows below the headings tell what the columns hold: those of data alone.

A date column of a log in blocks holds titles, headings and the word "Subtotal" as well; counted
with the dates they would make it no date column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.parsing.report import RowKind
from core.parsing.rows import Row
from core.parsing.tables import RowClassifier, starts_table
from core.records import Field

Lines = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Body:
    """Rows below the headings in a sample; `titled` where blocks repeat them below a title."""

    rows: tuple[Row, ...]
    titled: bool


def body_of(
    sample: Sequence[Row],
    lines: Lines,
    fields: Mapping[Field, int],
    *,
    figures: Sequence[int] = (),
) -> Body:
    """Take the rows of data from a sample, up to where another table seems to begin.

    `lines` are the lines of headings, `fields` the columns as far as they are known. Without one
    row of data the whole sample is returned: it must say something.
    """
    classifier = RowClassifier(lines, fields, figures=figures, titled=True)
    rows: list[Row] = []
    titled = between = False
    last = RowKind.BLANK  # the last row that was not blank
    for row in sample:
        kind = classifier.kind(row.cells)
        if kind is RowKind.BLANK:
            between = True
            continue
        if kind is RowKind.DATA:
            if between and rows and starts_table(row):
                break
            rows.append(row)
        titled |= kind is RowKind.REPEATED_HEADER and last is RowKind.NOTE
        between, last = kind is not RowKind.DATA, kind
    return Body(tuple(rows) or tuple(sample), titled)
