"""Where the table is on a sheet, and what each row below its header is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.parsing import limits
from core.parsing.columns import is_number, letter_of, mapped_columns
from core.parsing.headings import fields_of, fold_heading, read_heading
from core.parsing.report import RowKind
from core.records import Field
from core.units import Unit, parse_unit

SEARCH_ROWS = 100  # a header further down than this is not looked for
_LEAST_SCORE = 0.9  # about one heading that we know for certain


class Row(NamedTuple):
    """A row as read: its number in the file, its cells as text, the columns held as numbers."""

    number: int
    cells: list[str]
    typed: tuple[int, ...] = ()


class Merge(NamedTuple):
    """A merged range, 0-based and inclusive."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int


@dataclass(frozen=True, slots=True)
class Header:
    """The heading line or lines of a table. `at` and `lines` index the rows searched."""

    at: int
    lines: int
    headings: tuple[str, ...]
    unit_line: bool = False  # the second line holds only units


def find_header(
    rows: Sequence[Row], mapping: Mapping[str, str], merges: Sequence[Merge] = ()
) -> Header | None:
    """Find the heading among the first rows of a sheet, None where there is no table.

    A heading is a row of words of which we know some; two lines are read as one heading where the
    cells of the lower complete those of the upper.
    """
    best: Header | None = None
    best_score = 0.0
    for at in range(min(len(rows), SEARCH_ROWS)):
        if not _is_wordy(rows[at]):
            continue
        for header in _readings(rows, at, merges):
            # A second line must add something; units under the headings always do.
            extra = 0.1 if header.unit_line else -0.05 * (header.lines - 1)
            score = _score(header.headings, mapping) + extra
            if score > best_score + 1e-9:
                best, best_score = header, score
    if best is not None and best_score >= _LEAST_SCORE:
        return best
    return _plain_header(rows, mapping)


def _readings(rows: Sequence[Row], at: int, merges: Sequence[Merge]) -> list[Header]:
    upper = rows[at]
    found = [Header(at, 1, tuple(upper.cells))]
    if at + 1 >= len(rows):
        return found
    lower = rows[at + 1]
    filled_lower = [cell.strip() for cell in lower.cells if cell.strip()]
    if not filled_lower or lower.typed or any(is_number(cell) for cell in filled_lower):
        return found
    if all(_is_unit_mark(cell) for cell in filled_lower):
        found.append(Header(at, 2, _joined(upper.cells, lower.cells, bracket=True), True))
        return found
    spread = _spread(upper, merges)
    width = max(len(upper.cells), len(lower.cells))
    gaps = any(not _at(upper.cells, i) or not _at(lower.cells, i) for i in range(width))
    if gaps and at + 2 <= len(rows):
        found.append(Header(at, 2, _joined(spread, lower.cells)))
    return found


def _is_unit_mark(cell: str) -> bool:
    return isinstance(parse_unit(cell.strip("()[] "), region="US"), Unit)


def _at(cells: Sequence[str], index: int) -> str:
    return cells[index].strip() if index < len(cells) else ""


def _spread(row: Row, merges: Sequence[Merge]) -> list[str]:
    """Return the cells of a group heading, each repeated over the columns it is merged across."""
    cells = list(row.cells)
    for merge in merges:
        if merge.first_row == row.number - 1 and merge.last_column > merge.first_column:
            text = _at(cells, merge.first_column)
            cells += [""] * (merge.last_column + 1 - len(cells))
            for column in range(merge.first_column, merge.last_column + 1):
                cells[column] = text
    return cells


def _joined(
    upper: Sequence[str], lower: Sequence[str], *, bracket: bool = False
) -> tuple[str, ...]:
    joined = []
    for index in range(max(len(upper), len(lower))):
        above, below = _at(upper, index), _at(lower, index)
        if bracket and above and below:
            below = f"({below.strip('()[] ')})"
        # A heading merged over both lines stands in each of them.
        joined.append(above if above == below else " ".join(filter(None, (above, below))))
    return tuple(joined)


def _is_wordy(row: Row) -> bool:
    filled = [cell.strip() for cell in row.cells if cell.strip()]
    if len(filled) < 2 or row.typed or any(len(cell) > 120 for cell in filled):
        return False
    return sum(is_number(cell) for cell in filled) <= 0.2 * len(filled)


def _score(headings: Sequence[str], mapping: Mapping[str, str]) -> float:
    """Return how many different fields the headings name, weighted by how surely."""
    best: dict[Field, float] = {}
    for text in headings:
        named = fields_of(read_heading(text)) if text.strip() else {}
        if named:
            field = max(named, key=lambda f: named[f])
            best[field] = max(best.get(field, 0.0), named[field])
    wanted = {fold_heading(key) for key in mapping}
    hits = sum(1 for text in headings if text.strip() and fold_heading(text) in wanted)
    return sum(best.values()) + 2.0 * hits


def _plain_header(rows: Sequence[Row], mapping: Mapping[str, str]) -> Header | None:
    """Fall back on the first row of words above a row with numbers; its names say nothing."""
    for at in range(min(len(rows) - 1, SEARCH_ROWS)):
        if not _is_wordy(rows[at]) or any(is_number(c) for c in rows[at].cells if c.strip()):
            continue
        below = rows[at + 1]
        numbers = [cell for cell in below.cells if cell.strip() and is_number(cell)]
        header = Header(at, 1, tuple(rows[at].cells))
        if numbers and len(numbers) < sum(1 for cell in below.cells if cell.strip()):
            return header
        if mapped_columns(header.headings, mapping):
            return header
    return None


_TOTAL = re.compile(
    r"(?:grand[\s-]*total|sub[\s-]*totals?|totals?|totaux|sum|summe|gesamt(?:summe|ergebnis)?|"
    r"zwischensumme|endsumme|insgesamt|total\s+g[eé]n[eé]ral|sous-total|somme|"
    r"suma(?:\s+total)?|total\s+general)\b\s*:?\s*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_TOTAL_INITIALS = frozenset("tTsSgGzZeEiI")


class RowClassifier:
    """Tells what each row below a header is."""

    def __init__(self, header_lines: Sequence[Sequence[str]], fields: Mapping[Field, int]) -> None:
        self._headers = [
            tuple(cell.strip().casefold() for cell in line if cell.strip()) for line in header_lines
        ]
        self._first = {line[0] for line in self._headers if line}
        self._width = max(len(line) for line in header_lines)
        names = (Field.ACTIVITY_NAME, Field.ACTIVITY_TYPE, Field.ACTIVITY_DESCRIPTION)
        self._texts = [fields[f] for f in names if f in fields]
        self._numbers = [fields[f] for f in (Field.VOLUME, Field.AMOUNT) if f in fields]
        others = (Field.UNIT, Field.DATE, Field.ACTIVITY_TYPE, Field.REGION)
        self._others = [fields[f] for f in others if f in fields]

    def kind(self, cells: Sequence[str]) -> RowKind:
        """Classify one row by its cells; the cheapest tests come first."""
        text = "".join(cells)
        if not text or text.isspace():
            return RowKind.BLANK
        if len(text) > limits.CELL_CHARACTERS and max(map(len, cells)) > limits.CELL_CHARACTERS:
            return RowKind.CELL_TOO_LARGE
        if "\x00" in text:
            return RowKind.BAD_CHARACTER
        label = cells[0].strip() or next(filter(None, map(str.strip, cells)))
        if label[0] in _TOTAL_INITIALS and self._is_total(label, cells):
            return RowKind.TOTAL
        if label.casefold() in self._first:
            folded = tuple(cell.strip().casefold() for cell in cells if cell.strip())
            if folded in self._headers:
                return RowKind.REPEATED_HEADER
        for index in self._numbers:
            if index < len(cells) and cells[index]:
                return RowKind.DATA
        if self._width >= 3:
            filled = [cell for cell in cells if cell and not cell.isspace()]
            if len(filled) == 1 and not is_number(filled[0]):
                return RowKind.NOTE
        return RowKind.DATA

    def _is_total(self, label: str, cells: Sequence[str]) -> bool:
        match = _TOTAL.fullmatch(label)
        if match is None:
            return False
        # A supplier called "Total" has an activity beside it; a total line has none.
        if any(_at(cells, index) not in ("", label) for index in self._texts):
            return False
        return not match["rest"] or (
            bool(self._others) and not any(_at(cells, index) for index in self._others)
        )


def duplicate_headings(headings: Sequence[str]) -> list[str]:
    """Return one sentence for each heading that occurs more than once."""
    seen: dict[str, list[str]] = {}
    for index, text in enumerate(headings):
        if text.strip():
            seen.setdefault(text.strip(), []).append(letter_of(index))
    return [
        f'The heading "{text[:60]}" occurs in columns {", ".join(letters)}.'
        for text, letters in seen.items()
        if len(letters) > 1
    ]
