"""Rows that hold several figures: a column per month or year, or per kind of energy.

Such a row becomes one raw row a figure, whose column_number says which cell it was. Empty cells
hold no figure; a row without any figure stays one row, and is rejected for that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from core.dates import ActivityDate, DateOrder, month_of, read_date
from core.parsing.headings import Heading, fields_of, read_heading
from core.parsing.rows import Row
from core.records import Dimension, Field
from core.units import Unit, parse_unit

_EMPTY = frozenset({"", "-", "–", "—"})
_PERIOD_CHARACTERS = 80
_NAME_CHARACTERS = 200  # of an activity that are searched for its unit
_QUARTER = re.compile(r"[QqTt]([1-4])")
_MONTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}  # of a period
_YEAR = re.compile(r"(?:19|20)\d\d")
_SUM = re.compile(r"\b(?:total|sum|summe|gesamt|insgesamt|ytd|average|avg|mittel|somme|suma)\b")
# What was planned, compared or emitted in a period was not used in it.
_NOT_USED = re.compile(
    r"\b(?:budget(?:ed)?|plan(?:ned)?|forecast|target|prognosen?|soll|variance|changes?|delta|"
    r"diff(?:erence)?|abweichung|ziel|(?:k?g|t)?\s*co2e?|emissions?|emissionen|ghg|percent|share|"
    r"rates?|factor)\b|%"
)
# Words by which a column of figures says what was used, so that each is an activity of its own.
_SUPPLY = re.compile(
    r"\b(?:electricity|natural gas|gas|water|diesel|petrol|gasoline|heating oil|fuel oil|kerosene|"
    r"lpg|propane|steam|district heat(?:ing)?|coal|wood|biomass|strom|erdgas|wasser|heizol|"
    r"fernwarme|benzin|electricite|gaz|eau|gazole|fioul|essence|electricidad|agua|gasoleo|"
    r"gasolina|gas natural)\b"
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A column whose cells are figures, and what its heading says of each."""

    index: int
    date: str = ""  # as core.dates reads it; "" where the heading names no period
    month: str = ""  # a month or quarter without its year
    year: str = ""  # a year and nothing else: a column of months may complete it
    unit: str = ""
    money: str = ""
    name: str = ""
    rest: str = ""  # what else the heading says

    @property
    def is_period(self) -> bool:
        """Tell whether the heading names a time."""
        return bool(self.date or self.month)


@dataclass(frozen=True, slots=True)
class Wide:
    """The figures of each row of a table, and what they are."""

    figures: tuple[Figure, ...]
    field: Field  # VOLUME or AMOUNT
    width: int  # of the table; what is filled in stands behind
    dated: bool = True  # the headings name periods, or a column of months wants its year
    months_at: int | None = None  # a column of months
    years_at: int | None = None  # a column of years
    name_at: int | None = None
    year: str = ""  # completes months, where no column does
    units_in_names: bool = False  # "Electricity (kWh)" stands before its figures

    def fields(self) -> dict[Field, int]:
        """Return where `expand` puts what it fills in."""
        filled = {self.field: self.width}
        if self.dated:
            filled[Field.DATE] = self.width + 1
        if self.units_in_names or any(figure.unit for figure in self.figures):
            filled[Field.UNIT] = self.width + 2
        if any(figure.name for figure in self.figures):
            filled[Field.ACTIVITY_NAME] = self.width + 3
        return filled

    def expand(self, row: Row) -> Iterator[Row]:
        """Yield one row a figure."""
        cells = row.cells[: self.width] + [""] * (self.width - len(row.cells))
        found = False
        for figure in self.figures:
            text = cells[figure.index].strip()
            if text in _EMPTY:
                continue
            found = True
            name = self._name(figure, cells)
            unit = unit_in(name) if self.units_in_names else figure.unit
            more = [text, self._date(figure, cells), unit, name]
            typed = (self.width,) if figure.index in row.typed else ()
            yield Row(row.number, cells + more, row.typed + typed, figure.index + 1)
        if not found:
            name = cells[self.name_at] if self.name_at is not None else self.figures[0].name
            yield Row(row.number, [*cells, "", "", "", name], row.typed)

    def _date(self, figure: Figure, cells: Sequence[str]) -> str:
        month = figure.month
        if self.months_at is not None and not figure.date:
            month = cells[self.months_at].strip()
        if month:
            year = year_in(cells[self.years_at]) if self.years_at is not None else self.year
            return f"{month} {year}" if year and _is_month(month) else month
        if figure.year and self.months_at is not None:
            month = cells[self.months_at].strip()
            if _is_month(month):
                return f"{month} {figure.year}"
        return figure.date

    def _name(self, figure: Figure, cells: Sequence[str]) -> str:
        return figure.name or (cells[self.name_at] if self.name_at is not None else "")


def unit_in(name: str) -> str:
    """Return the unit, or currency, that the name of an activity carries, "" for none."""
    heading = read_heading(name[:_NAME_CHARACTERS])
    return heading.unit_text or heading.currency_text or ""


def carry_units(names: Collection[str]) -> bool:
    """Tell whether at least half of these names carry a unit that is no money."""
    carrying = sum(1 for name in names if read_heading(name[:_NAME_CHARACTERS]).unit_text)
    return 2 * carrying >= len(names) > 0


def _is_month(text: str) -> bool:
    return month_of(text) is not None or _QUARTER.fullmatch(text) is not None


def year_in(text: str) -> str:
    """Return the year that a text names, "" for "2023/24": its months are in either."""
    found = read_date(text)
    of_two = len(re.findall(r"\d+", text.removesuffix(".0"))) > 1
    if isinstance(found, ActivityDate) and found.on is None and of_two:
        return ""
    match = _YEAR.search(text)
    return match[0] if match else ""


def read_figure(index: int, heading: str) -> Figure:
    """Take a heading apart: "Jan 2024 (kWh)" → the month, the unit."""
    read = read_heading(heading)
    plain = " ".join(heading.split())
    if len(plain) > _PERIOD_CHARACTERS:
        return Figure(index)
    for text, unit, money in (
        (plain, "", ""),
        (_without(plain, read), read.unit_text or "", read.currency_text or ""),
    ):
        found = _period(text)
        if found is not None and (not found[3] or read.unit_text is None or unit):
            date, month, year, rest = found
            return Figure(index, date, month, year, unit, money, "", rest)
    return Figure(index, unit=read.unit_text or "", money=read.currency_text or "",
                  rest=read.words)  # fmt: skip


def _without(text: str, heading: Heading) -> str:
    carried = heading.unit_text or heading.currency_text
    if not carried:
        return text
    bracketed = rf"[(\[]\s*(?:in\s+)?{re.escape(carried)}\s*[)\]]"
    cut, count = re.subn(bracketed, " ", text)
    return (cut if count else text.replace(carried, " ")).strip(" ,-_/:")


@lru_cache(maxsize=4096)
def _period(text: str) -> tuple[str, str, str, str] | None:
    """Return (date, month, year, rest) of a text that names a period."""
    tokens = re.split(r"[\s_,:]+", text.strip())
    for size in range(min(3, len(tokens)), 0, -1):
        for start in range(len(tokens) - size + 1):
            part = " ".join(tokens[start : start + size])
            found = _read(part)
            if found is not None:
                rest = " ".join(tokens[:start] + tokens[start + size :]).casefold()
                return (*found, rest)
    return None


def _read(text: str) -> tuple[str, str, str] | None:
    if _is_month(text):
        return "", text, ""
    year = text.removesuffix(".0")
    if _YEAR.fullmatch(year):
        return year, "", year
    if not re.search(r"\d", text) or re.fullmatch(r"\d{5,}(?:\.\d+)?", text):
        return None
    found = read_date(text)
    if isinstance(found, ActivityDate) and found.period != "range":
        return text, "", ""
    return None


def is_period(cell: str) -> bool:
    """Tell whether a heading is a period and nothing else, its unit aside."""
    figure = read_figure(0, cell)
    return figure.is_period and not figure.rest


def find_periods(
    headings: Sequence[str], numeric: Sequence[bool], free: Sequence[bool]
) -> tuple[Figure, ...]:
    """Return the columns that hold one period each, () where it is no such table.

    `numeric` tells of each column whether its cells are numbers or empty. Of several kinds of
    figures for the same periods, one is read: quantities before money.
    """
    groups: dict[tuple[str, str, str], list[Figure]] = {}
    for index, text in enumerate(headings):
        if not (free[index] and numeric[index] and text.strip()):
            continue
        figure = read_figure(index, text)
        if not figure.is_period or _SUM.search(figure.rest) or _NOT_USED.search(figure.rest):
            continue
        groups.setdefault((figure.rest, figure.unit, figure.money), []).append(figure)
    sound = [group for group in groups.values() if _is_series(group)]
    return tuple(_without_sums(sorted(sound, key=_rank)[0])) if sound else ()


def _without_sums(group: Sequence[Figure]) -> list[Figure]:
    """Leave out the quarters, half years and years that hold shorter periods beside them.

    They are sums of these: with them, all would count twice.
    """
    spans = [_span(figure) for figure in group]
    return [
        figure
        for figure, span in zip(group, spans, strict=True)
        if not any(_holds(span, other) for other in spans)
    ]


def dated(
    figures: Sequence[Figure], fiscal: tuple[str, str] | None, year: str
) -> tuple[Figure, ...]:
    """Return months that run on into another year, April to March, with the year of each.

    Where one year is stated for all of them, they get that and no month: which of the two it is,
    nobody says.
    """
    months = [_span(figure).month for figure in figures]
    turns = [at for at in range(1, len(months)) if months[at] < months[at - 1]]
    without_year = all(figure.month and not figure.date for figure in figures)
    if not without_year or len(turns) != 1 or months[-1] >= months[0]:
        return tuple(figures)
    if fiscal is None:
        return tuple(replace(figure, month="", date=year) if year else figure for figure in figures)
    return tuple(
        replace(figure, month="", date=f"{figure.month} {fiscal[at >= turns[0]]}")
        for at, figure in enumerate(figures)
    )


def find_sums(headings: Sequence[str], figures: Sequence[Figure]) -> list[int]:
    """Return the columns of longer periods that `find_periods` left out beside these."""
    read = {figure.index for figure in figures}
    spans = [_span(figure) for figure in figures if figure.is_period]
    kinds = {(figure.rest, figure.unit, figure.money) for figure in figures}
    others = [read_figure(i, text) for i, text in enumerate(headings) if text and i not in read]
    return [
        figure.index
        for figure in others
        if figure.is_period
        and (figure.rest, figure.unit, figure.money) in kinds
        and any(_holds(_span(figure), span) for span in spans)
    ]


class _Span(NamedTuple):
    """A period: its year, 0 where none is named, its first month and how many they are."""

    year: int
    month: int
    months: int


def _span(figure: Figure) -> _Span:
    if figure.month:
        if quarter := _QUARTER.fullmatch(figure.month):
            return _Span(0, 3 * int(quarter[1]) - 2, 3)
        return _Span(0, month_of(figure.month) or 1, 1)
    found = read_date(figure.date, DateOrder.DAY_FIRST)
    if not isinstance(found, ActivityDate):
        return _Span(0, 1, 0)
    return _Span(found.year, found.on.month if found.on else 1, _MONTHS.get(found.period, 0))


def _holds(long: _Span, short: _Span) -> bool:
    """Tell whether a longer period is, in part at least, a sum of a shorter one."""
    return (
        long.months > short.months
        and (long.year == short.year or not (long.year and short.year))
        and long.month <= short.month < long.month + long.months
    )


def _is_series(group: Sequence[Figure]) -> bool:
    times = {figure.date or figure.month for figure in group}
    return len(times) == len(group) >= (2 if all(f.date for f in group) else 3)


def _rank(group: Sequence[Figure]) -> tuple[bool, bool, int]:
    first = group[0]
    named = fields_of(read_heading(first.rest)) if first.rest else {}
    money = bool(first.money) or named.get(Field.AMOUNT, 0) > named.get(Field.VOLUME, 0)
    return money, not first.unit, -len(group)


def is_money(figures: Sequence[Figure]) -> bool:
    """Tell whether the headings say that the figures are money."""
    return _rank(figures)[0]


def find_supplies(
    headings: Sequence[str], numeric: Sequence[bool], free: Sequence[bool]
) -> tuple[Figure, ...]:
    """Return the columns that each hold the use of one thing: "Electricity (kWh)", "Gas (kWh)"."""
    found = []
    for index, text in enumerate(headings):
        read = read_heading(text)
        if not (free[index] and numeric[index] and read.unit_text):
            continue
        unit = parse_unit(read.unit_text, region="US")
        physical = isinstance(unit, Unit) and unit.dimension is not Dimension.MONEY
        if physical and _SUPPLY.search(read.words) and not _SUM.search(read.words):
            name = re.sub(r"\s+", " ", _without(read.text, read)).strip()
            found.append(Figure(index, unit=read.unit_text, name=name))
    return tuple(found) if len({figure.name for figure in found}) > 1 else ()


def names_supply(text: str) -> bool:
    """Tell whether a title says what was used: "Electricity - Main building"."""
    return bool(_SUPPLY.search(read_heading(text).words)) or bool(
        _SUPPLY.search(" ".join(re.findall(r"\w+", text.casefold())))
    )
