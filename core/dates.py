"""Dates and periods as people write them, without guessing which number is the month.

"03/04/2024" is 3 April or March 4: the order is decided for a whole column from those of its
values that fit one way only, then by the region of the row; otherwise `date_ambiguous`. A week,
a month, a quarter or a half year is read as its first day and marked as a period; a year has none.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from core.money import country_of
from core.normal_form import normal
from core.short_cache import short_cache

FIRST_YEAR, LAST_YEAR = 1970, 2100  # outside of these it is a typing error, or no date
_LONGEST, _LONGEST_FOLDED = 200, 60  # characters; beyond, to look for a time takes too long


class DateOrder(StrEnum):
    """Which of two numbers is the month in a column."""

    DAY_FIRST = "day_first"
    MONTH_FIRST = "month_first"
    BY_REGION = "by_region"  # the values do not decide, or contradict each other


@dataclass(frozen=True, slots=True)
class ActivityDate:
    """When something happened: the day (the first one of a period; None for a year), the year."""

    on: dt.date | None
    year: int
    period: Literal["day", "week", "month", "quarter", "half_year", "year", "range"] = "day"


@dataclass(frozen=True, slots=True)
class DateProblem:
    """Why a text is no date."""

    code: Literal["date_invalid", "date_ambiguous", "date_missing"]
    message: str


MISSING = DateProblem("date_missing", "No date is given.")
INVALID = DateProblem(
    "date_invalid", "This is not a date; write it as 2024-08-31, 2024-08 or 2024."
)
AMBIGUOUS = DateProblem(
    "date_ambiguous",
    "Day and month could be either way round; write the date as 2024-08-31, give the region, "
    'or set date_order in the mapping ("dmy" or "mdy").',
)

_MONTHS = {
    1: "jan january januar janner jaenner janv janvier enero ene",
    2: "feb february februar feber fev fevr fevrier febrero",
    3: "mar march marz maerz mrz mars marzo",
    4: "apr april avr avril abril abr",
    5: "may mai mayo",
    6: "jun june juni juin junio",
    7: "jul july juli juil juillet julio",
    8: "aug august aout agosto ago",
    9: "sep sept september septembre septiembre setiembre set",
    10: "oct october okt oktober octobre octubre",
    11: "nov november novembre noviembre",
    12: "dec december dez dezember decembre diciembre dic",
}
_MONTH = {name: number for number, names in _MONTHS.items() for name in names.split()}
_NAME = r"(?P<name>[a-z]{3,10})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.|º)?"
_YEAR = r"(?P<year>\d{4}|'?\d{2})"

_ISO = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_COMPACT = re.compile(r"((?:19|20)\d{2})(0[1-9]|1[0-2])([0-2]\d|3[01])?")
_NUMERIC = re.compile(r"(\d{1,2})([-/. ])\s?(\d{1,2})\2\s?(\d{4}|\d{2})")
_NAMED = (
    re.compile(rf"{_DAY}[\s\-/]*(?:(?:of|de)\s+)?{_NAME}[\s\-/,]*(?:de|del)?[\s\-/]*{_YEAR}"),
    re.compile(rf"{_NAME}\s*{_DAY},?\s+(?P<year>\d{{4}})"),
    re.compile(rf"(?P<year>\d{{4}})[\s\-/]+{_NAME}[\s\-/]+{_DAY}"),
)
_NAMED_MONTH = (
    re.compile(rf"{_NAME}[\s\-/,]*(?:de|del)?[\s\-/]*{_YEAR}"),
    re.compile(rf"(?P<year>\d{{4}})[\s\-/]+{_NAME}"),
)
_MONTH_YEAR = re.compile(r"(\d{1,2})[-/.](\d{4})")
_YEAR_MONTH = re.compile(r"(\d{4})[-/.](\d{1,2})")
_QUARTER = re.compile(
    r"(?:[qt](?P<a>[1-4])[\s\-/.,']*(?:(?:de|of)\s+)?(?P<y1>\d{4}|\d{2})"
    r"|(?P<y2>\d{4})[\s\-/.]*[qt](?P<b>[1-4])"
    r"|(?P<c>[1-4])[qt][\s\-/']*(?P<y3>\d{4}|\d{2})"
    r"|(?P<d>[1-4])\.?\s*(?:er|e|eme|st|nd|rd|th)?\s*(?:quartal|quarter|trimestre)\s*"
    r"(?:(?:de|of)\s+)?(?P<y4>\d{4}))"
)
_HALF = re.compile(r"[hs]([12])[\s\-/]*(\d{4})|(\d{4})[\s\-/]*[hs]([12])")
_WEEK_MARK = r"(?:w|wk|week|kw|cw|woche|kalenderwoche|semaine|sem|semana)"
_WEEK = re.compile(
    rf"(?P<y1>\d{{4}})[\s\-/]*{_WEEK_MARK}\.?[\s\-]*(?P<w1>\d{{1,2}})(?:-(?P<day>[1-7]))?"
    rf"|{_WEEK_MARK}\.?[\s\-]*(?P<w2>\d{{1,2}})[\s\-/,]*(?:(?:de|of)\s+)?(?P<y2>\d{{4}})"
)
_FISCAL = re.compile(
    r"(?P<mark>fy|financial year|fiscal year|gj|wj|exercice|ejercicio)?\s*'?(?P<first>\d{4}|\d{2})"
    r"\s*[-/]\s*'?(?P<second>\d{4}|\d{2})"
)
_ONE_YEAR = re.compile(
    r"(?:fy|cy|year|jahr|annee|ano|financial year|fiscal year|gj|exercice|ejercicio)?\s*'?"
    r"(\d{4})(?:\.0)?"
)
_TIME = re.compile(
    r"[t\s]+\d{1,2}[:.h]\d{2}(?:[:.]\d{2}(?:[.,]\d{1,9})?)?\s*(?:[ap]\.?m\.?)?\s*(?:z|utc|uhr|"
    r"[+-]\d{2}:?\d{2})?$"
)
_WEEKDAY = re.compile(
    r"^(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun|mo|di|mi|do|fr|sa|so)(?:day|tag)?"
    r"[.,]\s*|^(?:mon|tues|wednes|thurs|fri|satur|sun)day\s+"
)
_SERIAL = re.compile(r"(\d{5})(?:\.\d+)?")
# Without blanks only between days such as 01.01.2024-31.01.2024.
_RANGE = re.compile(
    r"(.{4,}?)\s*(?:\s[-–—]\s|–|(?<=\d)-(?=\d{1,2}[./]\d{1,2}[./]\d)|"
    r"\bto\b|\bbis\b|\bau\b|\bal\b|\bhasta\b)\s*(.{4,})"
)

_MONTH_FIRST = frozenset({"US", "PH", "PR", "GU", "VI", "AS", "MP", "FM", "MH", "PW"})
_TWO_MINDS = frozenset({"CA", "KE", "GH", "PA"})
_SERIAL_EPOCH = dt.date(1899, 12, 30)  # Excel's day 0, after its leap-year error of 1900


def region_order(region: str | None) -> DateOrder:
    """Return the order of a region, BY_REGION where it is unknown or in two minds."""
    country = country_of(region)
    if country is None or country in _TWO_MINDS:
        return DateOrder.BY_REGION
    return DateOrder.MONTH_FIRST if country in _MONTH_FIRST else DateOrder.DAY_FIRST


def _fold(text: str) -> str:
    decomposed = normal("NFKD", text.translate({0x2019: "'", 0x2011: "-"}))
    plain = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
    folded = _TIME.sub("", " ".join(plain.split()))
    return _WEEKDAY.sub("", folded).strip(" ,")


def month_of(text: str) -> int | None:
    """Return the number of a month that is named without its year: "Jan", "März", "févr."."""
    return _MONTH.get(_fold(text).rstrip(".")) if len(text) <= _LONGEST else None


def _full_year(digits: str) -> int:
    digits = digits.strip("'")
    if len(digits) == 4:
        return int(digits)
    return int(digits) + (1900 if int(digits) >= 80 else 2000)


def _date(year: int, month: int, day: int) -> ActivityDate | DateProblem:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return INVALID
    try:
        return ActivityDate(dt.date(year, month, day), year)
    except ValueError:
        return INVALID


def _period(
    year: int, month: int, period: Literal["month", "quarter", "half_year"]
) -> ActivityDate | DateProblem:
    if not FIRST_YEAR <= year <= LAST_YEAR or not 1 <= month <= 12:
        return INVALID
    return ActivityDate(dt.date(year, month, 1), year, period)


def _week(match: re.Match[str]) -> ActivityDate | DateProblem:
    """Read an ISO week as its Monday; the year is the one that the week is counted in."""
    year, week = int(match["y1"] or match["y2"]), int(match["w1"] or match["w2"])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return INVALID
    try:
        on = dt.date.fromisocalendar(year, week, int(match["day"] or 1))
    except ValueError:
        return INVALID
    return ActivityDate(on, year, "day" if match["day"] else "week")


@short_cache(65_536)
def evidence(text: str) -> DateOrder | None:
    """Return the order that this one value proves, None when it proves neither."""
    match = _NUMERIC.fullmatch(_fold(text)) if len(text) <= _LONGEST else None
    if match is None or match[2] == ".":
        return None  # dots are day first everywhere, and say nothing of slashes
    first, second = int(match[1]), int(match[3])
    if _may_begin_with_year(match):
        return None
    if first > 12 >= second >= 1:
        return DateOrder.DAY_FIRST
    return DateOrder.MONTH_FIRST if second > 12 >= first >= 1 else None


def decide_order(texts: Iterable[str], *, region: str | None = None) -> DateOrder:
    """Decide the order of day and month in a column from all its values.

    `region` is that of every row, when there is one; it decides only where no value does.
    """
    return order_of(Counter(filter(None, map(evidence, texts))), region=region)


def order_of(seen: Counter[DateOrder], *, region: str | None = None) -> DateOrder:
    """Decide as `decide_order` does, from how often each order was proved."""
    if seen[DateOrder.DAY_FIRST] and seen[DateOrder.MONTH_FIRST]:
        return DateOrder.BY_REGION
    if seen[DateOrder.DAY_FIRST]:
        return DateOrder.DAY_FIRST
    if seen[DateOrder.MONTH_FIRST]:
        return DateOrder.MONTH_FIRST
    return region_order(region)


@short_cache(65_536)
def read_date(
    text: str | None, order: DateOrder = DateOrder.BY_REGION, *, region: str | None = None
) -> ActivityDate | DateProblem:
    """Read a day, week, month, quarter, half year, year, financial year or range of days.

    A financial year counts as the year in which it begins; a range as the day on which it does.
    """
    if len(text or "") > _LONGEST:
        return INVALID
    folded = _fold(text or "")
    if not folded or folded in ("-", "n/a", "na", "none", "null"):
        return MISSING
    if len(folded) > _LONGEST_FOLDED:
        return INVALID
    for reader in (_read_numeric_day, _read_named, _read_period, _read_year, _read_range):
        found = reader(folded, order, region)
        if found is not None:
            return found
    return INVALID


_Found = ActivityDate | DateProblem | None


def _read_numeric_day(text: str, order: DateOrder, region: str | None) -> _Found:
    if match := _ISO.fullmatch(text):
        return _date(int(match[1]), int(match[3]), int(match[4]))
    if (match := _COMPACT.fullmatch(text)) and match[3]:
        return _date(int(match[1]), int(match[2]), int(match[3]))
    if match := _NUMERIC.fullmatch(text):
        return _read_ordered(match, order, region)
    if match := _SERIAL.fullmatch(text):
        day = _SERIAL_EPOCH + dt.timedelta(days=int(match[1]))
        return _date(day.year, day.month, day.day)
    return None


def _may_begin_with_year(match: re.Match[str]) -> bool:
    """Tell whether a date could be one as 22-08-08: the eighth of August, or the 22nd."""
    first, second, last = int(match[1]), int(match[3]), match[4]
    return (
        len(last) == 2 and match[2] == "-" and first > 12 and 1 <= second <= 12
        and 1 <= int(last) <= 31
    )  # fmt: skip


def _read_ordered(match: re.Match[str], order: DateOrder, region: str | None) -> _Found:
    first, separator, second, year = int(match[1]), match[2], int(match[3]), match[4]
    if _may_begin_with_year(match) and order is not DateOrder.DAY_FIRST:
        return AMBIGUOUS
    day_first = _date(_full_year(year), second, first)
    month_first = _date(_full_year(year), first, second)
    if isinstance(day_first, DateProblem) or day_first == month_first:
        return month_first
    if isinstance(month_first, DateProblem) or separator == ".":
        return day_first  # nobody writes month.day.year
    decided = region_order(region) if order is DateOrder.BY_REGION else order
    if decided is DateOrder.BY_REGION:
        return AMBIGUOUS
    return day_first if decided is DateOrder.DAY_FIRST else month_first


def _read_named(text: str, _order: DateOrder, _region: str | None) -> _Found:
    for pattern in _NAMED_MONTH:
        if (match := pattern.fullmatch(text)) and match["name"] in _MONTH:
            return _period(_full_year(match["year"]), _MONTH[match["name"]], "month")
    for pattern in _NAMED:
        if (match := pattern.fullmatch(text)) and match["name"] in _MONTH:
            return _date(_full_year(match["year"]), _MONTH[match["name"]], int(match["day"]))
    return None


def _read_period(text: str, _order: DateOrder, _region: str | None) -> _Found:
    if match := _QUARTER.fullmatch(text):
        quarter = match["a"] or match["b"] or match["c"] or match["d"]
        year = match["y1"] or match["y2"] or match["y3"] or match["y4"]
        return _period(_full_year(year), 3 * int(quarter) - 2, "quarter")
    if match := _WEEK.fullmatch(text):
        return _week(match)
    if match := _HALF.fullmatch(text):
        return _period(int(match[2] or match[3]), 6 * int(match[1] or match[4]) - 5, "half_year")
    if (match := _COMPACT.fullmatch(text)) and not match[3]:
        return _period(int(match[1]), int(match[2]), "month")
    if match := _MONTH_YEAR.fullmatch(text):
        return _period(int(match[2]), int(match[1]), "month")
    if (match := _YEAR_MONTH.fullmatch(text)) and 1 <= int(match[2]) <= 12:
        if int(match[2]) == int(match[1]) % 100 + 1 and "-" not in text:
            return AMBIGUOUS  # 2010/11 is November 2010 or the financial year
        return _period(int(match[1]), int(match[2]), "month")
    return None


def _read_year(text: str, _order: DateOrder, _region: str | None) -> _Found:
    match = _FISCAL.fullmatch(text)
    if match and (match["mark"] or len(match["first"]) == 4):
        first, second = _full_year(match["first"]), _full_year(match["second"])
        if second == first + 1 and FIRST_YEAR <= first <= LAST_YEAR:
            return ActivityDate(None, first, "year")
        return INVALID
    if match := _ONE_YEAR.fullmatch(text):
        year = int(match[1])
        return ActivityDate(None, year, "year") if FIRST_YEAR <= year <= LAST_YEAR else INVALID
    if match := re.fullmatch(r"(?:fy|cy)\s*'?(\d{2})", text):
        return ActivityDate(None, _full_year(match[1]), "year")
    return None


def _read_range(text: str, order: DateOrder, region: str | None) -> _Found:
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    first, last = (read_date(part, order, region=region) for part in match.groups())
    for end in (first, last):
        if isinstance(end, DateProblem):
            return end
    assert isinstance(first, ActivityDate)
    assert isinstance(last, ActivityDate)
    if first.on is None or last.on is None or last.on < first.on:
        return INVALID
    return ActivityDate(first.on, first.year, "range")


def read_year(text: str | None) -> int | DateProblem:
    """Read the year of a year column; whole dates and financial years count too."""
    found = read_date(text)
    return found.year if isinstance(found, ActivityDate) else found
