"""Reports as CSV (RFC 4180): one table whose first column says what a row is.

`inventory` rows, of the layout that has one, and `group` rows carry sums, `total` the sum of
everything, `emission` one figure, `note` what an auditor wants to know. All have the same columns,
so a filter on the first one gives clean data, and nothing stands above the header.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from core.reporting import (
    DETAIL_COLUMNS,
    MEDIA_TYPES,
    Cell,
    Column,
    ColumnKind,
    ReportContent,
    ReportFormat,
    Totals,
    harmless,
    plain_number,
)

FIGURES = (
    Column("emissions", ColumnKind.INTEGER),  # how many figures are in a sum
    Column("kg_co2e", ColumnKind.NUMBER),
    Column("biogenic_kg_co2", ColumnKind.NUMBER),
)


class CsvRenderer:
    """core.ports.ReportRenderer for CSV."""

    content_type = MEDIA_TYPES[ReportFormat.CSV]
    wants_overview = False

    def render(self, content: ReportContent, target: BinaryIO) -> None:
        """Write totals first, then every figure if wanted, then the notes.

        The byte order mark makes spreadsheet programs read UTF-8 instead of the machine's code
        page. `target` stays open.
        """
        text = io.TextIOWrapper(target, encoding="utf-8-sig", newline="", write_through=False)
        writer = csv.writer(text, lineterminator="\r\n")
        names = columns_of(content)
        writer.writerow(names)
        for record in records(content, names):
            writer.writerow(record)
        text.flush()
        text.detach()


def columns_of(content: ReportContent) -> list[str]:
    """Return the header."""
    own = [c.name for c in FIGURES]
    if content.with_details:
        return ["record", own[0], *(c.name for c in DETAIL_COLUMNS)]
    return ["record", "name", *content.group_columns, *own]


def records(content: ReportContent, names: list[str]) -> Iterator[list[str]]:
    """Yield every row below the header as texts."""

    def placed(record: str, name: str, cells: dict[str, str]) -> list[str]:
        filled = {"record": record, "name": harmless(name), **cells}
        return [filled.get(column, "") for column in names]

    for line in content.inventory:
        sums = figures(line.totals) if line.totals.count else {}  # empty: not reported
        yield placed("inventory", line.label, sums)
    for group in content.groups:
        keys = dict(zip(content.group_columns, map(cell, group.keys), strict=True))
        shown = group_name(content.group_columns, group.keys)
        yield placed("group", shown, keys | figures(group.totals))
    yield placed("total", "Total", figures(content.totals))
    if content.with_details:
        for detail in content.details:
            yield ["emission", "1", *detail_cells(detail)]
    for note in content.notes:
        yield placed("note", f"{note.label}: {note.text}", {})


def group_name(columns: tuple[str, ...], keys: tuple[str | None, ...]) -> str:
    """Return a group as people call it: "Scope 1 / Fuels"; ids stand in their own columns."""
    parts = []
    for column, key in zip(columns, keys, strict=True):
        if column == "scope" and key and key.isdigit():
            parts.append(f"Scope {key}")
        elif not column.endswith("_id"):
            parts.append(key or "–")
    return " / ".join(parts)


def figures(totals: Totals) -> dict[str, str]:
    """Return the sums as cells."""
    values: tuple[Cell, ...] = (totals.count, totals.kg_co2e, totals.biogenic_kg_co2)
    return {column.name: cell(value) for column, value in zip(FIGURES, values, strict=True)}


def cell(value: Cell) -> str:
    """Write one cell; a number keeps its sign, a text never starts a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    return plain_number(value)


# One look at a column instead of one at each of its cells: half the time of a large report.
WRITERS: dict[ColumnKind, Callable[[Any], str]] = {
    ColumnKind.TEXT: harmless,
    ColumnKind.INTEGER: str,
    ColumnKind.NUMBER: plain_number,
    ColumnKind.DATE: dt.date.isoformat,
}
DETAIL_WRITERS = tuple(WRITERS[column.kind] for column in DETAIL_COLUMNS)


def detail_cells(detail: tuple[Cell, ...]) -> list[str]:
    """Write one figure."""
    pairs = zip(detail, DETAIL_WRITERS, strict=True)
    return ["" if value is None else write(value) for value, write in pairs]
