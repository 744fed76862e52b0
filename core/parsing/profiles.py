"""What a column holds, told by a sample of its cells: which share are numbers, dates, units."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from core.activity_key import fold
from core.dates import ActivityDate, month_of, read_date
from core.money import ISO_4217, parse_currency
from core.numbers import NumberProblem, read_number, split_quantity
from core.regions import parse_region
from core.short_cache import short_cache
from core.units import Unit, parse_unit

_FEW_CELLS = 8


@dataclass(frozen=True, slots=True)
class Profile:
    """What a sample of one column looks like; shares are of the filled cells."""

    filled: float  # of all cells
    distinct: int
    count: int
    number: float
    unit: float
    currency: float
    money: float  # currencies that are surely such: "ALL" is a word, too
    date: float
    serial: float  # dates that are but the number of a day, as any number of five digits may be
    year: float
    region: float
    place: float  # regions that are surely such: not "No", "NA" or "IN"
    reference: float  # mostly digits: document numbers, codes
    accounting: bool  # only says revenue or capital
    words: float  # mean number of words


@short_cache(65_536)
def is_number(text: str) -> bool:
    """Tell whether a text is a number, if only after choosing the decimal sign."""
    found = read_number(text)
    if not isinstance(found, NumberProblem) or found.code == "number_ambiguous":
        return True
    parts = split_quantity(text)
    if parts is None or isinstance(read_number(parts[0]), NumberProblem):
        return False
    return isinstance(parse_unit(parts[1], region="US"), Unit)


def _is_unit(text: str) -> bool:
    found = parse_unit(text)
    return isinstance(found, Unit) or found.code == "unit_ambiguous"


def _is_currency(text: str) -> bool:
    return isinstance(parse_currency(text, region="US"), str) or text in ISO_4217


def _is_date(text: str) -> bool:
    found = read_date(text)
    if isinstance(found, ActivityDate) or found.code == "date_ambiguous":
        return True
    return month_of(text) is not None


def _is_region(text: str) -> bool:
    return isinstance(parse_region(text, us_states=True), str)


_WORDS = frozenset({"ALL", "TOP", "TRY", "MAD", "CUP", "PEN", "MOP", "GEL", "BAM", "ANG"})
_SERIAL = re.compile(r"\d{5}(?:\.\d+)?")
_REFERENCE = re.compile(r"\d{4,}|^(?=[\s./\\-]*\d)[\d\s./\\-]+$")
_YEAR = re.compile(r"(?:FY\s*)?(?:19|20)\d\d(?:\s*[-/]\s*(?:20)?\d\d)?(?:\.0)?", re.IGNORECASE)
_ACCOUNTING_LIST = "revenue capital r c rev cap debit credit d k s h soll haben"
_ACCOUNTING = frozenset(_ACCOUNTING_LIST.split())


def profile(filled: Sequence[str], rows: int) -> Profile:
    """Describe a sample of one column: its filled cells, without outer blanks, of so many rows."""
    if not filled:
        return Profile(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, False, 0)
    distinct = set(filled)

    def share(test: Callable[[str], object]) -> float:
        passed = {value for value in distinct if test(value)}
        return sum(value in passed for value in filled) / len(filled)

    return Profile(
        filled=len(filled) / rows,
        distinct=len({fold(value) for value in distinct}),
        count=len(filled),
        number=share(is_number),
        unit=share(_is_unit),
        currency=share(_is_currency),
        money=share(lambda value: value not in _WORDS and _is_currency(value)),
        date=share(_is_date),
        serial=share(_SERIAL.fullmatch),
        year=share(_YEAR.fullmatch),
        region=share(_is_region),
        place=share(lambda value: len(value) > 2 and _is_region(value)),
        reference=share(_REFERENCE.search),
        accounting={fold(value) for value in distinct} <= _ACCOUNTING,
        words=sum(len(value.split()) for value in filled) / len(filled),
    )


# Of the small tables of one file many columns hold the same.
_profile_of_few = lru_cache(maxsize=4096)(profile)


def profiles_of(headings: Sequence[str], sample: Sequence[Sequence[str]]) -> list[Profile]:
    """Describe the columns of a table by some rows below its header."""
    columns: list[list[str]] = [[] for _ in headings]
    for row in sample:  # by what is there: many rows may have none of many columns
        for filled, cell in zip(columns, row, strict=False):
            if text := cell.strip():
                filled.append(text)
    return [
        _profile_of_few(tuple(filled), len(sample))
        if len(filled) <= _FEW_CELLS
        else profile(filled, len(sample))
        for filled in columns
    ]
