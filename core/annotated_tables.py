"""Annotated rows as CSV (RFC 4180) and as a workbook, in pieces: never held as a whole."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from core.annotated import COLUMNS, Record, RowOutcome, is_plain_number, names_of
from core.parsing.report import ParseReport
from core.reporting import harmless, plain_number
from core.spreadsheet import Cell, Look, workbook_chunks

_CHUNK_CHARACTERS = 1 << 17
# Digits and what may group, sign or end them: no formula can be made of these. Anything else that
# begins like a formula is no number.
_FIGURES = re.compile(r"[-+]?\(?[0-9][0-9.,'\u2019\u00a0 ]*\)?\s?%?")

# In the order of COLUMNS; pale, so that black text stays readable.
_LOOK = Look(
    frozen_columns=4,
    widths=(12, 7, 8, 12, 22, 60, 14, 14, 44, 18, 20),
    other_width=16,
    filtered=True,
    filled_column=COLUMNS.index("outcome"),
    fills={
        RowOutcome.CALCULATED.value: "DDEFE0",
        RowOutcome.IN_REVIEW.value: "FFF0CC",
        RowOutcome.REJECTED.value: "F8D7DA",
        RowOutcome.SKIPPED.value: "E7E7E7",
    },
)


def csv_chunks(report: ParseReport, records: Iterable[Record]) -> Iterator[bytes]:
    """Yield the table with a byte order mark, so that spreadsheet programs read UTF-8."""
    names = [*COLUMNS, *map(harmless, names_of(report.tables))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    text.write("\ufeff")
    writer.writerow(names)
    for record in records:
        cells = [*_own_texts(record), *map(shown, record.row.cells)]
        writer.writerow(cells + [""] * (len(names) - len(cells)))
        if text.tell() > _CHUNK_CHARACTERS:
            yield text.getvalue().encode("utf-8", "replace")
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode("utf-8", "replace")


def _own_texts(record: Record) -> list[str]:
    texts = (plain_number(c) if isinstance(c, int | float) else harmless(c or "")
             for c in own_cells(record))  # fmt: skip
    return list(texts)


def own_cells(record: Record) -> Sequence[Cell]:
    """Return the cells of COLUMNS."""
    (sheet, number, column), figure = record.row.place, record.figure
    own: list[Cell] = [
        sheet, number, column or None, record.outcome.value, record.note.code, record.note.message,
    ]  # fmt: skip
    if figure is None:
        return own + [None] * (len(COLUMNS) - len(own))
    kg, biogenic = (None, figure.kg) if figure.biogenic else (figure.kg, None)
    return [*own, kg, biogenic, figure.factor_name, figure.factor_release, figure.factor_source_id]


def shown(text: str) -> str:
    """Return a cell of the upload as no program takes it for a formula; numbers stay numbers."""
    return text if _FIGURES.fullmatch(text) else harmless(text)


def sheet_chunks(report: ParseReport, records: Iterable[Record]) -> Iterator[bytes]:
    """Yield a workbook with a sheet for each sheet of the upload. Texts stay texts; numbers are
    those cells that were numbers."""

    def tables() -> Iterator[tuple[str, Sequence[str], Iterator[Sequence[Cell]]]]:
        for sheet, group in groupby(records, key=lambda record: record.row.place[0]):
            of_sheet = [table for table in report.tables if table.sheet == sheet]
            yield sheet or "Rows", [*COLUMNS, *names_of(of_sheet)], map(_cells, group)

    return workbook_chunks(tables(), look=_LOOK)


def _cells(record: Record) -> list[Cell]:
    numbers = record.row.numbers
    cells: list[Cell] = list(record.row.cells)
    for index in numbers:
        text = record.row.cells[index].strip() if index < len(cells) else ""
        if is_plain_number(text):
            cells[index] = float(text)
    return [*own_cells(record), *cells]
