"""One raw row of texts → one typed row, or the reason why not.

What is filled in is flagged on the row: region_defaulted, year_defaulted, currency_defaulted,
name_defaulted, unit_by_region, unit_from_activity, amount_used, credit_note, date_period;
region_unknown where a region was written that we do not know.

Everything but the number is read once for each distinct combination of texts: a million rows have
few. core.alike reads rows of plain numbers together, through the same settings and measures.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache

from core.activity_key import activity_key
from core.dates import ActivityDate, DateOrder, read_date, read_year
from core.money import currency_in, home_currency, parse_currency
from core.money_scale import PREFIXES
from core.numbers import (
    Convention,
    NumberProblem,
    read_number,
    region_convention,
    split_quantity,
)
from core.parsing.report import TableReport
from core.readings import Activity, Measure, Quantity, RowProblem, Setting, Texts, TypedRow
from core.records import Dimension, Field, RowIssue, Severity
from core.regions import RegionProblem, parse_region
from core.short_cache import short_cache
from core.units import Unit, UnitProblem, parse_unit, unit

_VALUE_CHARACTERS = 200
# Names and types are indexed, and PostgreSQL takes 2,704 bytes of an index entry: 600 characters
# of four bytes each, an id and a time fit. Beyond, the whole file could not be stored.
NAME_CHARACTERS = 600
_REMEMBERED_CHARACTERS = 300
# Over a thousand times the energy used on Earth in a year, in MJ. Far larger ones overflow a double
# on their way through units, factors and sums, and infinity is no figure.
LARGEST_QUANTITY = 1e18
_HOMEWORKING = re.compile(
    r"home[\s-]?work|work(?:ing)?\s+(?:from|at)\s+home|\bwfh\b|tele-?work|telecommut|telearbeit|"
    r"home[\s-]?office|t[eé]l[eé]travail|teletrabajo",
    re.IGNORECASE,
)
# Digits with nothing but signs of grouping and decimals: no currency can be in them.
_PLAIN = re.compile(r"[-+(]?[0-9][0-9.,' ]*\)?")
_MESSAGES = {
    "activity_missing": "No activity is named; say what was bought, used or travelled.",
    "number_missing": "No quantity is given; fill it in, 0 included.",
    "negative_quantity": "A quantity below zero is only taken for money, as a credit note. Take a "
    "correction off the row that it corrects; correct the sign where it is a slip.",
    "text_too_long": f"The activity's name or type has more than {NAME_CHARACTERS} characters. "
    "Shorten it, and put what is left into a description.",
    "quantity_too_large": "No real quantity is that large; correct the number.",
    "currency_missing": "No currency is given anywhere. Add a column Currency, or upload the file "
    "with its region or with currency in the mapping.",
    "currency_conflict": "The sign at the amount and the column of currencies disagree. Keep one.",
}


class RowReader:
    """Reads the rows of one table; problems go to `issues`."""

    def __init__(
        self,
        table: TableReport,
        region: str | None,
        year: int | None,
        issues: list[RowIssue],
    ) -> None:
        self._table = table
        self._region = region
        self._year = year
        self._issues = issues
        self._has_volume = table.has(Field.VOLUME)
        self._has_amount = table.has(Field.AMOUNT)
        self._headings = {f: table.heading_of(f) or f.value for f in Field}
        self._column = 0  # of the figure, where the row holds several
        self._setting = short_cache(65_536)(self._read_setting)
        self._money = short_cache(4_096)(self._find_money)
        self._measure = short_cache(4_096)(self._find_measure)

    def read(self, number: int, column: int, typed: list[str], cells: list[str]) -> TypedRow | None:
        """Return a typed row, None when it is rejected; issues say why."""
        self._column = column
        texts = Texts(*cells)
        name = texts.name or texts.description or texts.kind
        problem = _problem_of_names(name, texts.kind)
        setting = self._setting(texts.region, texts.date, texts.year)
        quantity = self._quantity(texts, typed, setting)
        if problem is not None or isinstance(quantity, RowProblem):
            self._reject(number, texts, setting, problem, quantity)
            return None
        for warning in setting.warnings:
            self._issue(number, warning, Severity.WARNING)
        measure = quantity.measure
        activity = _activity(
            name, texts.kind or None, texts.description or None, measure.unit, setting.region,
            setting.year,
        )  # fmt: skip
        flags = setting.flags + measure.flags + activity.flags
        if not texts.name:
            flags = ("name_defaulted", *flags)
        if quantity.value < 0:
            flags = (*flags, "credit_note")
        return TypedRow(
            self._table.sheet, number, column, activity.key, name, texts.kind or None,
            texts.description or None, quantity.text, measure.text, texts.region or None,
            texts.date or texts.year or None, quantity.value, activity.unit.code,
            activity.unit.dimension.value,
            activity.unit.basis.value if activity.unit.basis else None, setting.region,
            setting.on, setting.year, activity.unit.currency, flags,
        )  # fmt: skip

    @property
    def sheet(self) -> str:
        """Return the sheet of the table."""
        return self._table.sheet

    def setting(self, region_text: str, date_text: str, year_text: str) -> Setting:
        """Read where and when, once for each combination of texts."""
        return self._setting(region_text, date_text, year_text)

    def plain_measure(
        self, unit_text: str, currency_text: str, region: str | None, *, from_volume: bool
    ) -> Measure | None:
        """Find the unit of a number that carries no sign, None where that is a problem."""
        if from_volume:
            found = self._measure(unit_text, currency_text, "", region)
        else:
            found = self._money(currency_text, unit_text, "", False, region)
        return None if isinstance(found, RowProblem) else found

    def activity(
        self, name: str, kind: str, description: str, measured: Unit, setting: Setting
    ) -> Activity | None:
        """Return what is matched, None where the texts are a problem."""
        if _problem_of_names(name or description or kind, kind) is not None:
            return None
        return _activity(name or description or kind, kind or None, description or None,
                              measured, setting.region, setting.year)  # fmt: skip

    def _read_setting(self, region_text: str, date_text: str, year_text: str) -> Setting:
        flags: list[str] = []
        warnings: list[RowProblem] = []
        region = self._region
        if region_text:
            found = parse_region(region_text, us_states=self._table.us_states)
            region = found if isinstance(found, str) else None
            if isinstance(found, RegionProblem):
                flags.append(found.code)
                warnings.append(RowProblem(found.code, Field.REGION, found.message, region_text))
        elif region:
            flags.append("region_defaulted")
        on, year = self._when(date_text, year_text, region, flags, warnings)
        usual = region_convention(region)
        conventions = {field: by[usual] for field, by in self._table.decimals.items()}
        return Setting(region, on, year, tuple(flags), tuple(warnings), conventions)

    def _when(
        self,
        date_text: str,
        year_text: str,
        region: str | None,
        flags: list[str],
        warnings: list[RowProblem],
    ) -> tuple[dt.date | None, int | None]:
        """Read day and year; what cannot be read is a warning."""
        on: dt.date | None = None
        year: int | None = None
        if date_text:
            found = read_date(date_text, self._table.date_order, region=region)
            if isinstance(found, ActivityDate):
                on, year = found.on, found.year
                if found.period not in ("day", "year"):
                    flags.append("date_period")
            elif found.code != "date_missing":
                warnings.append(RowProblem(found.code, Field.DATE, found.message, date_text))
                # Whichever number is the month, the year is mostly the same.
                year = _year_either_way(date_text)
        if year is None and year_text:
            named = read_year(year_text)
            if isinstance(named, int):
                year = named
            elif named.code != "date_missing":
                warnings.append(RowProblem(named.code, Field.YEAR, named.message, year_text))
        if year is None and self._year is not None:
            year = self._year
            flags.append("year_defaulted")
        return on, year

    def _quantity(self, texts: Texts, typed: list[str], setting: Setting) -> Quantity | RowProblem:
        """Read the quantity with its unit; the amount of money where there is no quantity."""
        volume = texts.volume
        number = self._number(volume, Field.VOLUME, typed, setting)
        if not isinstance(number, NumberProblem) or number.code != "number_missing":
            return self._volume(texts, typed, number, setting)
        if texts.amount:
            return self._amount(texts, typed, setting)
        where = Field.VOLUME if self._has_volume else Field.AMOUNT
        return RowProblem("number_missing", where, _MESSAGES["number_missing"], volume or None)

    def _number(
        self, text: str, where: Field, typed: list[str], setting: Setting
    ) -> float | NumberProblem:
        if typed and where.value in typed:
            return read_number(text, Convention.POINT)
        convention = setting.conventions.get(where, Convention.BY_REGION)
        return read_number(text, convention, region=setting.region)

    def _volume(
        self, texts: Texts, typed: list[str], number: float | NumberProblem, setting: Setting
    ) -> Quantity | RowProblem:
        text, unit_text, region = texts.volume, texts.unit, setting.region
        if isinstance(number, NumberProblem) and (parts := split_quantity(text)):
            # "1,200 kWh" in one cell; a unit of its own elsewhere must then say the same.
            inner = self._number(parts[0], Field.VOLUME, typed, setting)
            own = parse_unit(parts[1], region=region)
            if isinstance(own, Unit) and not isinstance(inner, NumberProblem):
                if unit_text and parse_unit(unit_text, region=region) != own:
                    return RowProblem(number.code, Field.VOLUME, number.message, text)
                number, unit_text = inner, parts[1]
        if isinstance(number, NumberProblem) or abs(number) > LARGEST_QUANTITY:
            return _number_problem(number, Field.VOLUME, text)
        sign = None if _PLAIN.fullmatch(text) else currency_in(text, region=region)
        own_sign = sign if isinstance(sign, str) else ""
        measure = self._measure(unit_text, texts.currency, own_sign, region)
        if isinstance(measure, RowProblem):
            return measure
        if number < 0 and measure.unit.dimension is not Dimension.MONEY:
            message = _MESSAGES["negative_quantity"]
            return RowProblem("negative_quantity", Field.VOLUME, message, text)
        return Quantity(number, text, measure)

    def _find_measure(
        self, unit_text: str, currency_text: str, sign: str, region: str | None
    ) -> Measure | RowProblem:
        """Find the unit of a quantity: its own, the sign at the number, the whole column's."""
        text = unit_text or sign or self._table.unit_text or ""
        if not text and not self._has_amount:
            text = currency_text
        if text and self._table.quantity_scale:
            text = f"{self._table.quantity_scale} {text}"
        found = parse_unit(text, region=region)
        if isinstance(found, UnitProblem) and found.code == "unit_ambiguous":
            money = parse_currency(currency_text, region=region)
            if isinstance(money, str) and currency_in(text, region="US"):
                found = unit(money)  # "$" beside a column that says which
        if isinstance(found, UnitProblem):
            return RowProblem(found.code, Field.UNIT, found.message, text or None)
        chosen = isinstance(parse_unit(text), UnitProblem)
        return Measure(found, text, ("unit_by_region",) if chosen else ())

    def _amount(self, texts: Texts, typed: list[str], setting: Setting) -> Quantity | RowProblem:
        text, region = texts.amount, setting.region
        number = self._number(text, Field.AMOUNT, typed, setting)
        if isinstance(number, NumberProblem) or abs(number) > LARGEST_QUANTITY:
            return _number_problem(number, Field.AMOUNT, text)
        sign, is_open = "", False
        if not _PLAIN.fullmatch(text):
            found = currency_in(text, region=region)
            sign = found if isinstance(found, str) else ""
            is_open = found is not None and not sign  # a "$" that could be several
        measure = self._money(texts.currency, texts.unit, sign, is_open, region)
        if isinstance(measure, RowProblem):
            return measure
        return Quantity(number, text, measure)

    def _find_money(
        self, written: str, unit_text: str, sign: str, is_open: bool, region: str | None
    ) -> Measure | RowProblem:
        """Find the currency, in thousands or millions where the table is stated to be."""
        found = self._find_currency(written, unit_text, sign, is_open, region)
        prefix = PREFIXES[self._table.money_scale]
        if isinstance(found, RowProblem) or found.unit.code != found.unit.currency or not prefix:
            return found
        return Measure(unit(prefix + found.unit.code), found.text, found.flags)

    def _find_currency(
        self, written: str, unit_text: str, sign: str, is_open: bool, region: str | None
    ) -> Measure | RowProblem:
        """Find the currency: its column, the sign at the amount, the table's, the region's."""
        used = ("amount_used",) if self._has_volume else ()
        if written:
            named = _money_of(written, region)
            if named is None:
                problem = parse_currency(written, region=region)
                assert not isinstance(problem, str)
                return RowProblem(problem.code, Field.CURRENCY, problem.message, written)
            if sign and sign != named.currency:
                message = _MESSAGES["currency_conflict"]
                return RowProblem("currency_conflict", Field.AMOUNT, message, written)
            return Measure(named, written, used)
        if sign:
            return Measure(unit(sign), sign, used)
        for whole in (self._table.currency_text, unit_text, self._table.unit_text):
            if whole and (named := _money_of(whole, region)):
                return Measure(named, whole, used)
        home = home_currency(region)
        if home is None or is_open:
            return RowProblem("currency_missing", Field.CURRENCY, _MESSAGES["currency_missing"])
        return Measure(unit(home), "", (*used, "currency_defaulted"))

    def _reject(
        self,
        number: int,
        texts: Texts,
        setting: Setting,
        problem: RowProblem | None,
        quantity: Quantity | RowProblem,
    ) -> None:
        """Reject a row for the first fault and list the others as warnings, so that one correction
        of the file is enough."""
        found = [] if problem is None else [problem]
        if isinstance(quantity, RowProblem):
            found.append(quantity)
            if texts.unit and quantity.field is Field.VOLUME:
                measure = self._measure(texts.unit, texts.currency, "", setting.region)
                found += [measure] if isinstance(measure, RowProblem) else []
        first, *others = (*found, *setting.warnings)
        self._issue(number, first, Severity.REJECTED)
        for other in others:
            self._issue(number, other, Severity.WARNING)

    def _issue(self, number: int, problem: RowProblem, severity: Severity) -> None:
        at, column = self._column, self._headings[problem.field]
        if at and problem.field in (Field.VOLUME, Field.AMOUNT):
            column = self._table.name_of(at - 1)
        message = f'Row {number}, column "{column[:60]}": {problem.message}'
        value = problem.value[:_VALUE_CHARACTERS] if problem.value else None
        self._issues.append(
            RowIssue(self._table.sheet, number, column, problem.code, severity, message, value, at)
        )


def _year_either_way(date_text: str) -> int | None:
    found = {
        read.year if isinstance(read, ActivityDate) else None
        for read in (read_date(date_text, order) for order in
                     (DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST))
    }  # fmt: skip
    return found.pop() if len(found) == 1 else None


def _problem_of_names(name: str, kind: str) -> RowProblem | None:
    where, code = Field.ACTIVITY_NAME, "text_too_long"
    if not name:
        code = "activity_missing"
    elif len(kind) > NAME_CHARACTERS:
        where = Field.ACTIVITY_TYPE
    elif len(name) <= NAME_CHARACTERS:
        return None
    return RowProblem(code, where, _MESSAGES[code], name)


def _number_problem(number: float | NumberProblem, where: Field, text: str) -> RowProblem:
    if isinstance(number, NumberProblem):
        return RowProblem(number.code, where, number.message, text)
    return RowProblem("quantity_too_large", where, _MESSAGES["quantity_too_large"], text)


def _money_of(text: str, region: str | None) -> Unit | None:
    """Return the currency that a text is or holds: "EUR", "k€", "Amount in EUR"."""
    found = parse_unit(text, region=region)
    if isinstance(found, Unit) and found.dimension is Dimension.MONEY:
        return found
    inner = parse_currency(text, region=region)
    if not isinstance(inner, str):
        inner = currency_in(text, region=region) or inner
    return unit(inner) if isinstance(inner, str) else None


def _activity(
    name: str,
    kind: str | None,
    description: str | None,
    measured: Unit,
    region: str | None,
    year: int | None,
) -> Activity:
    # The parts of a file mostly hold the same activities, and their keys are the dearest part of
    # reading. What is kept from one file to the next must be small, whatever the texts.
    short = len(name) + len(description or "") <= _REMEMBERED_CHARACTERS
    find = _remembered_activity if short else _find_activity
    return find(name, kind, description, measured, region, year)


def _find_activity(
    name: str,
    kind: str | None,
    description: str | None,
    measured: Unit,
    region: str | None,
    year: int | None,
) -> Activity:
    flags: tuple[str, ...] = ()
    texts = (name, kind or "", description or "")
    if measured.code == "h" and any(_HOMEWORKING.search(text) for text in texts):
        measured, flags = unit("fte_hour"), ("unit_from_activity",)
    key = activity_key(
        name=name, type=kind, description=description, dimension=measured.dimension,
        basis=measured.basis, currency=measured.currency, region=region, year=year,
    )  # fmt: skip
    return Activity(key, measured, flags)


_remembered_activity = lru_cache(maxsize=32_768)(_find_activity)
