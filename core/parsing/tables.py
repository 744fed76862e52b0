"""Where the table is on a sheet, and what each row below its header is."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from core.dates import month_of
from core.parsing import limits
from core.parsing.block import Block, Mask
from core.parsing.columns import mapped_columns
from core.parsing.headings import fields_of, fold_heading, read_heading
from core.parsing.profiles import is_number
from core.parsing.remembered import signature_of
from core.parsing.report import RowKind
from core.parsing.rows import Merge as Merge
from core.parsing.rows import Row as Row
from core.parsing.rows import letter_of
from core.parsing.wide import read_figure
from core.records import Field
from core.units import Unit, parse_unit

SEARCH_ROWS = 100  # a header further down than this is not looked for
_SEARCH_CELLS = 10_000  # of rows of words: a hundred of 500 columns take half a minute
_KNOWN = 5.0  # a heading that somebody confirmed
_LEAST_SCORE = 0.9  # about one heading that we know for certain


@dataclass(frozen=True, slots=True)
class Header:
    """The heading line or lines of a table. `at` and `lines` index the rows searched."""

    at: int
    lines: int
    headings: tuple[str, ...]
    unit_line: bool = False  # the second line holds only units


def find_header(
    rows: Sequence[Row],
    mapping: Mapping[str, str],
    merges: Sequence[Merge] = (),
    known: Collection[str] = (),
) -> Header | None:
    """Find the heading among the first rows of a sheet, None where there is no table.

    A heading is a row of words of which we know some, or one whose signature is `known`; two lines
    are read as one heading where the cells of the lower complete those of the upper. The best is
    taken, unless a table of its own stands above it: what is above the first heading is not read.
    """
    best, best_score = _best(rows, range(min(len(rows), SEARCH_ROWS)), mapping, merges, known)
    if best is None or best_score < _LEAST_SCORE:
        return _plain_header(rows, mapping)
    for at in range(best.at):
        if starts_table(rows[at]) and _is_figures(rows[at + 1 : best.at]):
            return _best(rows, range(at, at + 1), mapping, merges, known)[0]
    return best


def _best(
    rows: Sequence[Row],
    places: range,
    mapping: Mapping[str, str],
    merges: Sequence[Merge],
    known: Collection[str],
) -> tuple[Header | None, float]:
    best: Header | None = None
    best_score = 0.0
    looked = 0
    for at in places:
        above_months = _years(rows[at]) and at + 1 < len(rows) and _is_wordy(rows[at + 1])
        if not _is_wordy(rows[at]) and not above_months:
            continue
        looked += len(rows[at].cells)
        if looked > _SEARCH_CELLS:
            break
        for header in _readings(rows, at, merges):
            # A second line must add something; units under the headings always do.
            extra = 0.1 if header.unit_line else -0.05 * (header.lines - 1)
            score = _score(header.headings, mapping) + extra
            if known and signature_of(header.headings) in known:
                score += _KNOWN
            if score > best_score + 1e-9:
                best, best_score = header, score
    return best, best_score


def _is_figures(rows: Sequence[Row]) -> bool:
    """Tell whether the first of these rows that is not blank holds a number among other cells."""
    for row in rows:
        filled = [cell for cell in row.cells if cell.strip()]
        if filled:
            return len(filled) > 1 and any(is_number(cell) for cell in filled)
    return False


def unread_tables(above: Sequence[Row]) -> list[int]:
    """Return the rows above a table that may head another one, of which we are not sure enough."""
    return [
        row.number
        for at, row in enumerate(above)
        if _is_wordy(row)
        and not any(is_number(cell) for cell in row.cells if cell.strip())
        and _score(row.cells, {}) >= _LEAST_SCORE
        and _is_figures(above[at + 1 :])
    ]


def no_headings(rows: Sequence[Row], mapping: Mapping[str, str]) -> Header | None:
    """Return a table that begins with the first row, when the mapping names letters only."""
    letters = [key.strip().upper() for key in mapping]
    if not letters or not rows or not all(re.fullmatch("[A-Z]{1,3}", key) for key in letters):
        return None
    return Header(0, 0, ("",) * max(len(row.cells) for row in rows))


def heads(cells: Sequence[str]) -> tuple[str, ...]:
    """Return cells as headings, cut before anything is made of them: names may be very long."""
    return tuple(cell[: limits.HEADING_CHARACTERS] for cell in cells)


def _readings(rows: Sequence[Row], at: int, merges: Sequence[Merge]) -> list[Header]:
    upper = rows[at]
    found = [Header(at, 1, heads(upper.cells))]
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
    if _years(upper):
        spread = _spread_years(spread, lower.cells)
    width = max(len(upper.cells), len(lower.cells))
    gaps = any(not _at(upper.cells, i) or not _at(lower.cells, i) for i in range(width))
    if gaps and at + 2 <= len(rows):
        joined = _joined(spread, lower.cells)
        found.append(Header(at, 2, joined))
        third = rows[at + 2] if at + 2 < len(rows) else None
        units = [cell.strip() for cell in third.cells if cell.strip()] if third else []
        if third and units and not third.typed and all(map(_is_unit_mark, units)):
            found.append(Header(at, 3, _joined(joined, third.cells, bracket=True), True))
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


def _spread_years(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    """Return the upper line with each year repeated over the months below it, merged or not."""
    cells = list(upper) + [""] * (len(lower) - len(upper))
    for index in range(1, len(cells)):
        is_below = month_of(_at(lower, index)) or re.fullmatch(r"[QqTt][1-4]", _at(lower, index))
        if not cells[index].strip() and is_below and _YEAR.fullmatch(cells[index - 1].strip()):
            cells[index] = cells[index - 1]
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
    return heads(joined)


def _is_wordy(row: Row) -> bool:
    filled = [cell.strip() for cell in row.cells if cell.strip()]
    years = _years(row)
    if len(filled) < 2 or set(row.typed) - years or any(len(cell) > 120 for cell in filled):
        return False
    numbers = sum(is_number(cell) for cell in filled) - len(years)
    return numbers <= 0.2 * len(filled) and len(years) < len(filled)


def _years(row: Row) -> set[int]:
    """Return the columns of a run of years, which head columns although they are numbers."""
    found = [(i, int(c.strip()[:4])) for i, c in enumerate(row.cells) if _YEAR.fullmatch(c.strip())]
    steps = {after[1] - before[1] for before, after in pairwise(found)}
    return {index for index, _ in found} if steps in ({1}, {-1}) else set()


_YEAR = re.compile(r"(?:19|20)\d\d(?:\.0)?")


def _score(headings: Sequence[str], mapping: Mapping[str, str]) -> float:
    """Return how many different fields the headings name, weighted by how surely."""
    best: dict[Field, float] = {}
    for text in headings:
        named = fields_of(read_heading(text)) if text.strip() else {}
        if named:
            field = max(named, key=lambda f: named[f])
            best[field] = max(best.get(field, 0.0), named[field])
    if quantity := _period_score(headings):
        best[Field.VOLUME] = max(best.get(Field.VOLUME, 0.0), quantity)
    wanted = {fold_heading(key) for key in mapping}
    hits = sum(1 for text in headings if text.strip() and fold_heading(text) in wanted)
    return sum(best.values()) + 2.0 * hits


def _period_score(headings: Sequence[str]) -> float:
    """Return how surely the headings are a series of months, quarters or years."""
    figures = [read_figure(index, text) for index, text in enumerate(headings) if text.strip()]
    dated = {figure.date for figure in figures if figure.date}
    months = {figure.month for figure in figures if figure.month}
    if len(dated) >= 2:
        return 0.97
    return 0.85 if len(months) >= 3 else 0.0


def starts_table(row: Row) -> bool:
    """Tell whether a row within a table is likely the heading of another one below it."""
    if not _is_wordy(row) or any(c.strip() and is_number(c) for c in row.cells):
        return False
    names: dict[Field, float] = {}
    for text in row.cells:
        heading = read_heading(text) if text.strip() else None
        if heading is None or not heading.words:
            continue  # a bare unit stands in rows as well
        for field, score in fields_of(heading).items():
            names[field] = max(names.get(field, 0.0), score)
    quantities = (Field.VOLUME, Field.AMOUNT)
    measured = max((names.get(field, 0.0) for field in quantities), default=0.0)
    if measured < 0.7 and not _period_score(row.cells):
        return False
    return sum(score >= 0.7 for field, score in names.items() if field not in quantities) >= 1


def _plain_header(rows: Sequence[Row], mapping: Mapping[str, str]) -> Header | None:
    """Fall back on the first row of words above a row with numbers; its names say nothing."""
    for at in range(min(len(rows) - 1, SEARCH_ROWS)):
        if not _is_wordy(rows[at]) or any(is_number(c) for c in rows[at].cells if c.strip()):
            continue
        below = rows[at + 1]
        numbers = [cell for cell in below.cells if cell.strip() and is_number(cell)]
        header = Header(at, 1, heads(rows[at].cells))
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
_SUM_LABEL = re.compile(
    r"\S[\s\-:]+(?:(?:grand|sub)[\s-]*)?(?:totals?|summe|ergebnis|gesamt)$", re.IGNORECASE
)
_SUM_NAME = re.compile(
    r"(?:(?:grand|sub)[\s-]*)?totals?|(?:gesamt|zwischen|end)?summe|insgesamt|gesamt|sous-total",
    re.IGNORECASE,
)
_SUM_FINALS = frozenset("lLsSeEtT")
_SUM_CHARACTERS = 64  # at the end of a label: a long run of dashes is searched from each of them
_TOTAL_INITIALS = frozenset("tTsSgGzZeEiI")


class Doubts(NamedTuple):
    """Places in a block: of rows that are no data, and of data (with its cells) named as sums."""

    others: list[int]
    sums: list[tuple[int, list[str]]]


class RowClassifier:
    """Tells what each row below a header is."""

    def __init__(
        self,
        header_lines: Sequence[Sequence[str]],
        fields: Mapping[Field, int],
        *,
        figures: Sequence[int] = (),
        titled: bool = False,
    ) -> None:
        """`figures` are the columns of numbers where there are several; in a `titled` table each
        block has its name above it."""
        self._headers = [
            tuple(cell.strip().casefold() for cell in line if cell.strip()) for line in header_lines
        ]
        self._first = {line[0] for line in self._headers if line}
        self._width = max((len(line) for line in header_lines), default=0)
        self._note_width = 2 if titled else 3
        names = (Field.ACTIVITY_NAME, Field.ACTIVITY_TYPE, Field.ACTIVITY_DESCRIPTION)
        self._texts = [fields[f] for f in names if f in fields]
        self._numbers = [fields[f] for f in (Field.VOLUME, Field.AMOUNT) if f in fields]
        self._numbers += figures
        self.number_columns = tuple(self._numbers)
        self._date = fields.get(Field.DATE)
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
        if self._is_sum(label, cells):
            return RowKind.TOTAL
        if label.casefold() in self._first:
            folded = tuple(cell.strip().casefold() for cell in cells if cell.strip())
            if folded in self._headers:
                return RowKind.REPEATED_HEADER
        for index in self._numbers:
            if index < len(cells) and cells[index]:
                return RowKind.DATA
        if self._width >= self._note_width:
            filled = [cell for cell in cells if cell and not cell.isspace()]
            if len(filled) == 1 and not is_number(filled[0]):
                return RowKind.NOTE
        return RowKind.DATA

    def doubts(self, block: Block) -> Doubts:
        """Return which rows of a block are not DATA, and which may be sums, in their order.

        Looks at distinct texts, not at rows: at most as many rows are classified as may be odd.
        """
        odd = block.sizes > limits.CELL_CHARACTERS
        if block.holds_nul:
            odd[:] = True
        odd |= _odd(block.column(0), self._is_plain_label)
        for index in self._texts:
            odd |= _odd(block.column(index), self._is_plain_text)
        missing = ~odd
        for index in self._numbers:
            empty = pc.fill_null(pc.equal(block.column(index), ""), True)
            missing &= empty.to_numpy(zero_copy_only=False)
        suspects = np.flatnonzero(odd | missing)
        rows = zip(suspects.tolist(), block.take(suspects).cells().to_pylist(), strict=True)
        found = Doubts([], [])
        for index, cells in rows:
            if self.kind(cells) is not RowKind.DATA:
                found.others.append(index)
            elif self.reads_as_sum(cells):
                found.sums.append((index, cells))
        return found

    def reads_as_sum(self, cells: Sequence[str]) -> bool:
        """Tell whether a row of data is named as a sum is: "Total electricity", with a unit."""
        label = cells[0].strip() or next(filter(None, map(str.strip, cells)))
        return not self._is_plain_name(label) or any(
            not self._is_plain_name(cells[index].strip())
            for index in self._texts
            if index < len(cells)
        )

    def parts(self, rows: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
        """Yield the rows of data that may be parts of a sum above them, up to what is no data."""
        for cells in rows:
            if self.kind(cells) is not RowKind.DATA:
                return
            if not self.reads_as_sum(cells):
                yield cells

    @staticmethod
    def _is_plain_name(label: str) -> bool:
        return not label or not (
            (label[0] in _TOTAL_INITIALS and _TOTAL.fullmatch(label))
            or (label[-1] in _SUM_FINALS and _ends_as_sum(label))
        )

    def _is_plain_label(self, text: str) -> bool:
        """Tell whether a row that begins with this text is certainly no total, heading or note."""
        label = text.strip()
        return bool(label) and label.casefold() not in self._first and self._is_plain_name(label)

    def _is_plain_text(self, text: str) -> bool:
        return self._is_plain_name(text.strip()) and (
            text[:1] not in _TOTAL_INITIALS or not _SUM_NAME.fullmatch(text.strip())
        )

    def _is_sum(self, label: str, cells: Sequence[str]) -> bool:
        """Tell whether a row is "Site A Total", as spreadsheets write subtotals, or named so."""
        if self._others and label[-1] in _SUM_FINALS and _ends_as_sum(label):
            others = [c for i, c in enumerate(cells) if i not in self._numbers and c.strip()]
            return all(c.strip() == label or is_number(c) for c in others)
        for index in self._texts:
            text = cells[index] if index < len(cells) else ""
            if text[:1] in _TOTAL_INITIALS and _SUM_NAME.fullmatch(text.strip()):
                return True
        return False

    def _is_total(self, label: str, cells: Sequence[str]) -> bool:
        match = _TOTAL.fullmatch(label)
        if match is None:
            return False
        # A supplier called "Total" has an activity beside it; a total line has none.
        if any(_at(cells, index) not in ("", label) for index in self._texts):
            return False
        return not match["rest"] or (
            bool(self._others)
            and not any(
                (text := _at(cells, index)) and (index != self._date or text != label)
                for index in self._others
            )
        )


def _ends_as_sum(label: str) -> bool:
    return _SUM_LABEL.search(label[-_SUM_CHARACTERS:]) is not None


def _odd(column: Any, is_plain: Callable[[str], bool]) -> Mask:
    """Tell for each row whether its text, which counts as empty where there is none, is odd."""
    encoded = column.dictionary_encode("encode")
    texts = encoded.dictionary.to_pylist()
    odd = np.array([not is_plain(text or "") for text in texts], np.bool_)
    found: Mask = odd[encoded.indices.to_numpy(zero_copy_only=False)]
    return found


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
