"""An upload with the outcome of every row beside it: the rows as written, and what became of them.

A row that holds several figures is a line each. What stands outside of the tables, headings and
lines above them, is there too, as skipped: all other lines are those that the file's counts count.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.parsing.report import OutsideRow, ParseReport, TableReport
from core.parsing.rows import letter_of
from core.records import Field

Place = tuple[str, int, int]  # sheet, row, 1-based column of the figure or 0

COLUMNS = (
    "sheet", "row", "column", "outcome", "code", "message", "kg_co2e", "biogenic_kg_co2",
    "factor_name", "factor_release", "factor_source_id",
)  # fmt: skip
_READ = ("sheet", "row_number", "column_number", "typed", "cells")
_QUANTITIES = (Field.VOLUME.value, Field.AMOUNT.value)
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?")


class RowOutcome(StrEnum):
    """What became of a row, or of one figure of it."""

    CALCULATED = "calculated"
    IN_REVIEW = "in_review"
    REJECTED = "rejected"
    SKIPPED = "skipped"  # in no count: no part of a table, or of a file that failed


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as parsed; `numbers` are the columns that a workbook held as numbers."""

    place: Place
    cells: Sequence[str]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Note:
    """Codes and sentences about a row."""

    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """The figure of a row, in kg CO2e (kg CO2 where biogenic), and its factor."""

    kg: float
    biogenic: bool
    factor_name: str = ""
    factor_release: str = ""  # "" for an organization's own
    factor_source_id: str = ""
    review: Note | None = None  # listed for a person although there is a figure


@dataclass(frozen=True, slots=True)
class Issue(Note):
    """What is wrong with a row."""

    rejected: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the download."""

    row: RawRow
    outcome: RowOutcome
    note: Note
    figure: Figure | None = None


def names_of(tables: Sequence[TableReport]) -> list[str]:
    """Return the names of the upload's columns: its headings, letters where tables differ."""
    width = max((table.width for table in tables), default=0)
    if len(tables) != 1:
        return [letter_of(index) for index in range(width)]
    return [tables[0].name_of(index) for index in range(width)]


def read_rows(part: bytes, report: ParseReport, batch_rows: int) -> Iterator[list[RawRow]]:
    """Yield the rows of a raw part (RAW_SCHEMA) in batches."""
    fields: dict[int, dict[str, int]] = {}
    # Here and not above: an API process that nobody asks for this goes without the library.
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(io.BytesIO(part)).iter_batches(batch_rows, columns=list(_READ)):
        columns = (batch.column(name).to_pylist() for name in _READ)
        rows = []
        for sheet, number, column, typed, cells in zip(*columns, strict=True):
            numbers = _NONE
            if typed:
                table = report.table(sheet, number)
                if (places := fields.get(id(table))) is None:
                    places = fields[id(table)] = _places(table)
                numbers = _numbers(typed, column, places)
            rows.append(RawRow((sheet, number, column), cells or (), numbers))
        yield rows


_NONE: frozenset[int] = frozenset()


def _places(table: TableReport) -> dict[str, int]:
    return {column.field.value: column.index for column in table.columns if column.field}


def _numbers(typed: Sequence[str], column: int, places: Mapping[str, int]) -> frozenset[int]:
    found = {places[name] for name in typed if name in places and not
             (column and name in _QUANTITIES)}  # fmt: skip
    if column and any(name in _QUANTITIES for name in typed):
        found.add(column - 1)
    return frozenset(found)


def annotate(
    rows: Sequence[RawRow],
    figures: Mapping[Place, Figure],
    issues: Mapping[Place, Issue],
    waiting: Mapping[Place, Note],
    failed: Note | None,
) -> Iterator[Record]:
    """Yield every row with its outcome.

    `waiting` says of rows without figure or rejection why; `failed` why a whole file has none.
    """
    for row in rows:
        figure, issue = figures.get(row.place), issues.get(row.place)
        if figure is not None:
            note = joined(figure.review, issue)
            yield Record(row, RowOutcome.CALCULATED, note, figure)
        elif issue is not None and issue.rejected:
            yield Record(row, RowOutcome.REJECTED, issue)
        elif failed is not None:
            yield Record(row, RowOutcome.SKIPPED, joined(failed, issue))
        else:
            note = joined(waiting.get(row.place, _WAITS), issue)
            yield Record(row, RowOutcome.IN_REVIEW, note)


_WAITS = Note("review", "Waits for a person: see the reviews of this file.")


def joined(*notes: Note | None) -> Note:
    """Return several notes as one."""
    found = [note for note in notes if note is not None and note.code]
    return Note("; ".join(n.code for n in found), " ".join(n.message for n in found))


class Outside:
    """The lines that are no part of a table, each when its turn comes."""

    def __init__(self, report: ParseReport) -> None:
        self._lines: dict[str, list[OutsideRow]] = {}
        for table in report.tables:
            self._lines.setdefault(table.sheet, []).extend(table.outside)

    def before(self, sheet: str, number: int = 1 << 31) -> Iterator[Record]:
        """Yield those of a sheet that stand above a row, and were not yielded before."""
        lines = self._lines.get(sheet, [])
        while lines and lines[0].number <= number:
            yield _skipped(sheet, lines.pop(0))


def _skipped(sheet: str, line: OutsideRow) -> Record:
    note = _HEADING if line.heading else _ABOVE
    return Record(RawRow((sheet, line.number, 0), line.cells), RowOutcome.SKIPPED, note)


_HEADING = Note("heading", "Headings of a table.")
_ABOVE = Note("not_in_table", "Stands above the headings; no part of the table.")


def is_plain_number(text: str) -> bool:
    """Tell whether a text is a number as programs write it, with a point or none.

    One that no double can hold ("1e999") is none that a workbook can.
    """
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))
