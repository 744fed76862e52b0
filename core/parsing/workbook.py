"""XLSX, XLS and ODS → rows by calamine, which keeps one sheet in memory at a time.

Only after core.parsing.structure has measured the workbook: calamine aborts the process for some.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import python_calamine as calamine

from core.errors import FileRejected
from core.parsing.tables import Merge, Row

# Integers beyond this have no exact double, and a spreadsheet shows 15 digits.
_EXACT_INTEGER = 1e15
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?: .*)?|[0-9]{1,2}([.-])[0-9]{1,2}\1[0-9]{2,4}")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A visible worksheet: its name and its merged ranges."""

    name: str
    merges: tuple[Merge, ...]


class Workbook:
    """An open workbook. Raises FileRejected("workbook_damaged") where calamine cannot read it."""

    def __init__(self, path: Path) -> None:
        with _reading():
            self._book = calamine.load_workbook(str(path))
        self.hidden_sheets: list[str] = []
        self.sheet_names: list[str] = []
        for sheet in self._book.sheets_metadata:
            if sheet.typ != calamine.SheetTypeEnum.WorkSheet:
                continue
            visible = sheet.visible == calamine.SheetVisibleEnum.Visible
            (self.sheet_names if visible else self.hidden_sheets).append(sheet.name)

    def open_sheet(self, name: str) -> tuple[Sheet, Iterator[Row]]:
        """Return a sheet and its rows, numbered as a spreadsheet shows them."""
        with _reading():
            sheet = self._book.get_sheet_by_name(name)
            ranges = sheet.merged_cell_ranges or []
        merges = tuple(Merge(*first, *last) for first, last in ranges)
        return Sheet(name, merges), _rows(sheet, merges)


@contextmanager
def _reading() -> Iterator[None]:
    """Turn what calamine says about a file into a refusal, its panics too."""
    try:
        yield
    except calamine.PasswordError as error:
        raise FileRejected(
            "The workbook is encrypted. Save it without a password.", code="encrypted"
        ) from error
    except calamine.CalamineError as error:
        raise _damaged() from error
    except BaseException as error:
        # A slice out of range in Rust; it is no Exception, and its class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise _damaged() from error


def _damaged() -> FileRejected:
    return FileRejected(
        "The workbook cannot be read. Open it in a spreadsheet program and save it again.",
        code="workbook_damaged",
    )


def _rows(sheet: Any, merges: tuple[Merge, ...]) -> Iterator[Row]:
    if sheet.start is None:
        return
    offset = [""] * sheet.start[1]
    tall = _by_row(merges)
    carried: dict[int, tuple[int, str]] = {}  # column → (last row, text) of an open tall merge
    with _reading():
        records = sheet.iter_rows()
    for index, values in enumerate(records):
        row = _row(index + 1, offset, values)
        if tall or carried:
            _carry_down(index, row.cells, tall, carried)
        yield row


def _by_row(merges: tuple[Merge, ...]) -> dict[int, list[Merge]]:
    found: dict[int, list[Merge]] = {}
    for merge in merges:
        if merge.last_row > merge.first_row and merge.last_column == merge.first_column:
            found.setdefault(merge.first_row, []).append(merge)
    return found


def _carry_down(
    index: int,
    cells: list[str],
    tall: dict[int, list[Merge]],
    carried: dict[int, tuple[int, str]],
) -> None:
    """Give every row of a vertically merged cell its text; numbers are not repeated."""
    for column, (last_row, text) in list(carried.items()):
        if index > last_row:
            del carried[column]
        elif column < len(cells) and not cells[column] and any(cells):
            cells[column] = text
    for merge in tall.get(index, ()):
        text = cells[merge.first_column] if merge.first_column < len(cells) else ""
        if text and (_DAY.fullmatch(text) or not text.replace(".", "").replace("-", "").isdigit()):
            carried[merge.first_column] = (merge.last_row, text)


def _row(number: int, offset: list[str], values: list[Any]) -> Row:
    cells = list(offset)
    typed: list[int] = []
    for value in values:
        kind = type(value)
        if kind is str:
            cells.append(value)
        elif kind is float or kind is int:
            typed.append(len(cells))
            cells.append(_number_text(value))
        else:
            cells.append(_other_text(value))
    while cells and not cells[-1]:
        cells.pop()
    return Row(number, cells, tuple(typed))


def _number_text(value: float) -> str:
    """Return a number as the shortest text that reads back as the same double."""
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < _EXACT_INTEGER)
    return str(int(value)) if whole else repr(value)


def _other_text(value: object) -> str:
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time.min
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return "" if value is None else str(value)
