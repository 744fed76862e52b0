"""What was recognized of a file, cut down to what an answer or a later stage may have to hold.

A few hundred kilobytes of text can hold 20,000 columns. All of a usual file is listed; of a larger
one as much as fits, and how much is not listed. Nothing is cut that decides how rows are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.parsing import limits
from core.parsing.report import ColumnReport, OutsideRow, ParseReport, TableReport

KEPT_BYTES = 8_000_000  # for the stages after parsing
SHOWN_BYTES = 256_000  # for GET /v1/files/{id}, and each of its readers
_NOTE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class _Level:
    """How much is listed: of a file, a table, a heading; lines outside of tables by their cells."""

    tables: int
    columns: int
    characters: int
    notes: int
    cells: int = 0
    cell_characters: int = 0


# Each is tried until one fits. The last of each always does, by the limits of parsing: 200 tables
# of 25 columns, 10 tables of 12.
_KEPT = (
    _Level(limits.TABLES, limits.RECORD_COLUMNS, 200, 500, limits.RECORD_COLUMNS, 200),
    _Level(limits.TABLES, limits.RECORD_COLUMNS, 60, 200, 100, 60),
    _Level(limits.TABLES, 25, 60, 200, 20, 20),
    _Level(limits.TABLES, 25, 60, 200),
)
_SHOWN = (
    _Level(limits.TABLES, limits.RECORD_COLUMNS, 200, 200),
    _Level(100, 100, 120, 100),
    _Level(50, 40, 60, 50),
    _Level(25, 12, 40, 20),
    _Level(10, 12, 40, 20),
)


def kept(report: ParseReport) -> ParseReport:
    """Return what the stages after parsing need: every table, the first column of every field."""
    return _fitting(report, _KEPT, KEPT_BYTES)


def shown(report: ParseReport) -> ParseReport:
    """Return what is answered: without the lines outside of the tables."""
    return _fitting(report, _SHOWN, SHOWN_BYTES)


def _fitting(report: ParseReport, levels: Sequence[_Level], most_bytes: int) -> ParseReport:
    for level in levels:
        found = _cut(report, level)
        if len(found.model_dump_json().encode()) <= most_bytes:
            break
    return found


def _cut(report: ParseReport, level: _Level) -> ParseReport:
    tables, notes = report.tables[: level.tables], report.notes[: level.notes]
    return report.model_copy(
        update={
            "tables": tuple(_table(table, level) for table in tables),
            "tables_not_listed": report.tables_not_listed + len(report.tables) - len(tables),
            "notes": tuple(note[:_NOTE_CHARACTERS] for note in notes),
            "notes_not_listed": report.notes_not_listed + len(report.notes) - len(notes),
        }
    )


def _table(table: TableReport, level: _Level) -> TableReport:
    columns = _columns(table.columns, level.columns)
    return table.model_copy(
        update={
            "columns": tuple(
                column.model_copy(update={"heading": column.heading[: level.characters]})
                for column in columns
            ),
            "columns_not_listed": table.columns_not_listed + len(table.columns) - len(columns),
            "outside": tuple(_line(line, level) for line in table.outside) if level.cells else (),
        }
    )


def _columns(columns: Sequence[ColumnReport], most: int) -> Sequence[ColumnReport]:
    """Return the first column of each field, then others in their order, by their place."""
    if len(columns) <= most:
        return columns
    first: dict[object, ColumnReport] = {}
    for column in columns:
        if column.field is not None:
            first.setdefault(column.field, column)
    wanted = {column.index for column in first.values()}
    room = most - len(wanted)
    wanted |= {c.index for c in [c for c in columns if c.index not in wanted][:room]}
    return [column for column in columns if column.index in wanted]


def _line(line: OutsideRow, level: _Level) -> OutsideRow:
    cells = tuple(cell[: level.cell_characters] for cell in line.cells[: level.cells])
    return line.model_copy(update={"cells": cells})
