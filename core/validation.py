"""Raw rows → typed rows and issues. Every raw row gives one typed row or a rejection, never none.

A rejection names what to change. A warning goes with a typed row: a date that cannot be read costs
the date, a region that is not known costs the region, not the figure. What was filled in is flagged
on the row: region_defaulted, year_defaulted, currency_defaulted, name_defaulted, unit_by_region,
unit_from_activity, amount_used, credit_note, date_period.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import pyarrow as pa

from core.activity_key import activity_key
from core.dates import ActivityDate, DateOrder, DateProblem, read_date, read_year
from core.money import currency_in, home_currency, parse_currency
from core.numbers import (
    Convention,
    NumberProblem,
    read_number,
    region_convention,
    split_quantity,
)
from core.parsing.report import RAW_SCHEMA, ParseOptions, ParseReport, RowKind, TableReport
from core.records import ActivityRow, Basis, Dimension, Field, RowIssue, Severity
from core.regions import RegionProblem, parse_region
from core.units import Unit, UnitProblem, parse_unit, unit

TYPED_SCHEMA = pa.schema(
    [
        pa.field("sheet", pa.string(), nullable=False),
        pa.field("row_number", pa.int32(), nullable=False),
        pa.field("column_number", pa.int32(), nullable=False),
        pa.field("activity_key", pa.string(), nullable=False),
        pa.field("activity_name", pa.string(), nullable=False),
        pa.field("activity_type", pa.string()),
        pa.field("activity_description", pa.string()),
        pa.field("volume_text", pa.string(), nullable=False),
        pa.field("unit_text", pa.string(), nullable=False),
        pa.field("region_text", pa.string()),
        pa.field("date_text", pa.string()),
        pa.field("volume", pa.float64(), nullable=False),
        pa.field("unit", pa.string(), nullable=False),
        pa.field("dimension", pa.string(), nullable=False),
        pa.field("basis", pa.string()),
        pa.field("region", pa.string()),
        pa.field("activity_on", pa.date32()),
        pa.field("year", pa.int32()),
        pa.field("currency", pa.string()),
        pa.field("flags", pa.list_(pa.string()), nullable=False),
    ]
)

_VALUE_CHARACTERS = 200
_KINDS: dict[str, tuple[str, str]] = {
    RowKind.BLANK: ("row_blank", "The row is empty; nothing was read."),
    RowKind.TOTAL: ("row_total", "The row is a total of others; counting it would count twice."),
    RowKind.REPEATED_HEADER: ("header_repeated", "The row repeats the headings."),
    RowKind.NOTE: (
        "row_note",
        "The row holds one text and no quantity; it was taken for a heading or note. Add a "
        "quantity if it is an activity.",
    ),
    RowKind.CELL_TOO_LARGE: (
        "cell_too_large",
        "A cell holds more than 32,767 characters, more than a spreadsheet can. Shorten it.",
    ),
    RowKind.BAD_CHARACTER: (
        "bad_character",
        "A cell holds a NUL character, which is no text. Remove it.",
    ),
}
_HOMEWORKING = re.compile(
    r"home[\s-]?work|work(?:ing)?\s+(?:from|at)\s+home|\bwfh\b|tele-?work|telecommut|telearbeit|"
    r"home[\s-]?office|t[eé]l[eé]travail|teletrabajo",
    re.IGNORECASE,
)
_MESSAGES = {
    "activity_missing": "No activity is named; say what was bought, used or travelled.",
    "number_missing": "No quantity is given; fill it in, 0 included.",
    "negative_quantity": "A quantity below zero is only taken for money, as a credit note. "
    "Correct the sign.",
    "currency_missing": "No currency is given anywhere. Add a column Currency, or upload the file "
    "with its region or with currency in the mapping.",
    "currency_conflict": "The sign at the amount and the column of currencies disagree. Keep one.",
}


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """What holds for a whole file: the parser's report and the defaults of the upload."""

    report: ParseReport
    region: str | None = None  # for rows without one
    year: int | None = None  # likewise

    @classmethod
    def of(cls, report: ParseReport, options: ParseOptions) -> ValidationContext:
        """Build the context from what the parser was told and what it found."""
        return cls(report, options.region, options.reporting_year)


@dataclass(frozen=True, slots=True)
class _Problem:
    code: str
    field: Field
    message: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class _Quantity:
    """Number, unit and the texts they came from."""

    value: float
    unit: Unit
    value_text: str
    unit_text: str
    flags: tuple[str, ...]


@dataclass(slots=True)
class _Raw:
    """One raw row as texts; a missing cell is the empty string."""

    row_number: int
    column_number: int
    typed: list[str]
    texts: dict[Field, str]


@dataclass(slots=True)
class _Output:
    columns: dict[str, list[object]] = field(
        default_factory=lambda: {name: [] for name in TYPED_SCHEMA.names}
    )
    issues: list[RowIssue] = field(default_factory=list)


def validate_part(table: pa.Table, context: ValidationContext) -> tuple[pa.Table, list[RowIssue]]:
    """Type the rows of one raw part (RAW_SCHEMA).

    Returns a table of TYPED_SCHEMA in the order of the rows, and the issues: for each raw row that
    is not in the table exactly one of severity rejected, for rows in it warnings only.
    """
    if table.schema.names != RAW_SCHEMA.names:
        raise ValueError("not a raw part")
    output = _Output()
    readers: dict[str, _TableReader] = {}
    texts = [table.column(str(name)).to_pylist() for name in Field]
    fields = list(Field)
    for sheet, number, column, kind, typed, *values in zip(
        *(table.column(n).to_pylist() for n in ("sheet", "row_number", "column_number", "kind",
                                                "typed")),
        *texts,
        strict=True,
    ):  # fmt: skip
        reader = readers.get(sheet)
        if reader is None:
            reader = readers[sheet] = _TableReader(context, context.report.table(sheet), output)
        if kind != RowKind.DATA:
            code, message = _KINDS[kind]
            output.issues.append(
                RowIssue(sheet, number, None, code, Severity.REJECTED, f"Row {number}: {message}")
            )
            continue
        stripped = [value.strip() if value else "" for value in values]
        reader.read(_Raw(number, column, typed, dict(zip(fields, stripped, strict=True))))
    return pa.table(output.columns, schema=TYPED_SCHEMA), output.issues


class _TableReader:
    """Reads the rows of one table."""

    def __init__(self, context: ValidationContext, table: TableReport, output: _Output) -> None:
        self._context = context
        self._table = table
        self._output = output
        self._headings = {f: table.heading_of(f) or f.value for f in Field}
        self._homeworking = lru_cache(maxsize=65_536)(_speaks_of_homeworking)
        self._key = lru_cache(maxsize=262_144)(activity_key)

    def read(self, raw: _Raw) -> None:
        """Add a typed row or a rejection, and warnings, to the output."""
        texts, flags = raw.texts, list[str]()
        name = self._name(texts, flags)
        if not name:
            problem = _Problem("activity_missing", Field.ACTIVITY_NAME,
                               _MESSAGES["activity_missing"])  # fmt: skip
            return self._reject(raw, problem)
        region, region_problem = self._region(texts, flags)
        quantity = self._quantity(raw, region)
        if isinstance(quantity, _Problem):
            return self._reject(raw, quantity)
        flags += quantity.flags
        unit_read = quantity.unit
        if unit_read.code == "h" and self._homeworking(
            name, texts[Field.ACTIVITY_TYPE], texts[Field.ACTIVITY_DESCRIPTION]
        ):
            unit_read = unit("fte_hour")
            flags.append("unit_from_activity")
        on, year = self._when(raw, region, flags)
        if region_problem is not None:
            self._issue(raw, region_problem, Severity.WARNING)
        self._add(raw, name, quantity, unit_read, region, on, year, flags)
        return None

    def _name(self, texts: dict[Field, str], flags: list[str]) -> str:
        name = texts[Field.ACTIVITY_NAME]
        if not name:
            name = texts[Field.ACTIVITY_DESCRIPTION] or texts[Field.ACTIVITY_TYPE]
            flags.append("name_defaulted")
        return name

    def _region(
        self, texts: dict[Field, str], flags: list[str]
    ) -> tuple[str | None, _Problem | None]:
        text = texts[Field.REGION]
        if not text:
            if self._context.region:
                flags.append("region_defaulted")
            return self._context.region, None
        found = parse_region(text, us_states=self._table.us_states)
        if isinstance(found, RegionProblem):
            flags.append(found.code)
            return None, _Problem(found.code, Field.REGION, found.message, text)
        return found, None

    def _quantity(self, raw: _Raw, region: str | None) -> _Quantity | _Problem:
        """Read the quantity with its unit; the amount of money where there is no quantity."""
        volume, amount = raw.texts[Field.VOLUME], raw.texts[Field.AMOUNT]
        number = self._number(volume, Field.VOLUME, raw.typed, region)
        if not isinstance(number, NumberProblem) or number.code != "number_missing":
            return self._volume(raw, volume, number, region)
        if amount:
            return self._amount(raw, amount, region)
        where = Field.VOLUME if self._table.has(Field.VOLUME) else Field.AMOUNT
        return _Problem("number_missing", where, _MESSAGES["number_missing"], volume or None)

    def _number(
        self, text: str, where: Field, typed: list[str], region: str | None
    ) -> float | NumberProblem:
        if where.value in typed:
            return read_number(text, Convention.POINT)
        usual = region_convention(region)
        convention = self._table.decimals.get(where, {}).get(usual, Convention.BY_REGION)
        return read_number(text, convention, region=region)

    def _volume(
        self, raw: _Raw, text: str, number: float | NumberProblem, region: str | None
    ) -> _Quantity | _Problem:
        unit_text, flags = raw.texts[Field.UNIT], tuple[str, ...]()
        if isinstance(number, NumberProblem) and (parts := split_quantity(text)):
            # "1,200 kWh" in one cell; a unit of its own elsewhere must then say the same.
            inner = self._number(parts[0], Field.VOLUME, raw.typed, region)
            if isinstance(parse_unit(parts[1], region=region), Unit) and not isinstance(
                inner, NumberProblem
            ):
                if unit_text and parse_unit(unit_text, region=region) != parse_unit(
                    parts[1], region=region
                ):
                    return _Problem(number.code, Field.VOLUME, number.message, text)
                number, unit_text = inner, parts[1]
        if isinstance(number, NumberProblem):
            return _Problem(number.code, Field.VOLUME, number.message, text)
        if not unit_text:
            sign = currency_in(text, region=region) if not text.isdigit() else None
            own = sign if isinstance(sign, str) else None
            unit_text = own or self._table.unit_text or ""
            if not unit_text and not self._table.has(Field.AMOUNT):
                unit_text = raw.texts[Field.CURRENCY]
        found = parse_unit(unit_text, region=region)
        if isinstance(found, UnitProblem) and found.code == "unit_ambiguous":
            money = parse_currency(raw.texts[Field.CURRENCY], region=region)
            if isinstance(money, str) and currency_in(unit_text, region="US"):
                found = unit(money)
        if isinstance(found, UnitProblem):
            return _Problem(found.code, Field.UNIT, found.message, unit_text or None)
        if isinstance(parse_unit(unit_text), UnitProblem):
            flags = ("unit_by_region",)
        return self._signed(_Quantity(number, found, text, unit_text, flags), Field.VOLUME)

    def _amount(self, raw: _Raw, text: str, region: str | None) -> _Quantity | _Problem:
        number = self._number(text, Field.AMOUNT, raw.typed, region)
        if isinstance(number, NumberProblem):
            return _Problem(number.code, Field.AMOUNT, number.message, text)
        found = self._currency(raw, text, region)
        if isinstance(found, _Problem):
            return found
        money, unit_text, flags = found
        if self._table.has(Field.VOLUME):
            flags = (*flags, "amount_used")
        return self._signed(_Quantity(number, money, text, unit_text, flags), Field.AMOUNT)

    def _currency(
        self, raw: _Raw, text: str, region: str | None
    ) -> tuple[Unit, str, tuple[str, ...]] | _Problem:
        """Find the currency: column, sign at the amount, whole column, then the region's own."""
        sign = None if text.isascii() and _is_plain(text) else currency_in(text, region=region)
        written = raw.texts[Field.CURRENCY]
        if written:
            named = parse_unit(written, region=region)
            if isinstance(named, UnitProblem) or named.dimension is not Dimension.MONEY:
                problem = parse_currency(written, region=region)
                if isinstance(problem, str):
                    return unit(problem), written, ()
                return _Problem(problem.code, Field.CURRENCY, problem.message, written)
            if isinstance(sign, str) and sign != named.currency:
                return _Problem("currency_conflict", Field.AMOUNT,
                                _MESSAGES["currency_conflict"], text)  # fmt: skip
            return named, written, ()
        if isinstance(sign, str):
            return unit(sign), sign, ()
        for whole in (self._table.currency_text, raw.texts[Field.UNIT], self._table.unit_text):
            if not whole:
                continue
            named = parse_unit(whole, region=region)
            if isinstance(named, Unit) and named.dimension is Dimension.MONEY:
                return named, whole, ()
            inner = currency_in(whole, region=region)
            if isinstance(inner, str):
                return unit(inner), whole, ()
        home = home_currency(region)
        if home is None or sign is not None:
            return _Problem("currency_missing", Field.CURRENCY, _MESSAGES["currency_missing"])
        return unit(home), "", ("currency_defaulted",)

    def _signed(self, quantity: _Quantity, where: Field) -> _Quantity | _Problem:
        """Let credit notes through, and no other negative quantity."""
        if quantity.value >= 0:
            return quantity
        if quantity.unit.dimension is not Dimension.MONEY:
            message = _MESSAGES["negative_quantity"]
            return _Problem("negative_quantity", where, message, quantity.value_text)
        return _Quantity(quantity.value, quantity.unit, quantity.value_text, quantity.unit_text,
                         (*quantity.flags, "credit_note"))  # fmt: skip

    def _when(
        self, raw: _Raw, region: str | None, flags: list[str]
    ) -> tuple[dt.date | None, int | None]:
        """Read day and year; what cannot be read is a warning."""
        on: dt.date | None = None
        year: int | None = None
        date_text, year_text = raw.texts[Field.DATE], raw.texts[Field.YEAR]
        if date_text:
            found = read_date(date_text, self._table.date_order, region=region)
            if isinstance(found, ActivityDate):
                on, year = found.on, found.year
                if found.period not in ("day", "year"):
                    flags.append("date_period")
            elif found.code != "date_missing":
                self._warn_date(raw, Field.DATE, found, date_text)
                # Whichever number is the month, the year is the same.
                either = read_date(date_text, DateOrder.DAY_FIRST)
                year = either.year if isinstance(either, ActivityDate) else None
        if year is None and year_text:
            named = read_year(year_text)
            if isinstance(named, int):
                year = named
            elif named.code != "date_missing":
                self._warn_date(raw, Field.YEAR, named, year_text)
        if year is None and self._context.year is not None:
            year = self._context.year
            flags.append("year_defaulted")
        return on, year

    def _warn_date(self, raw: _Raw, where: Field, problem: DateProblem, text: str) -> None:
        self._issue(raw, _Problem(problem.code, where, problem.message, text), Severity.WARNING)

    def _reject(self, raw: _Raw, problem: _Problem) -> None:
        self._issue(raw, problem, Severity.REJECTED)

    def _issue(self, raw: _Raw, problem: _Problem, severity: Severity) -> None:
        column = self._headings[problem.field]
        message = f'Row {raw.row_number}, column "{column[:60]}": {problem.message}'
        value = problem.value[:_VALUE_CHARACTERS] if problem.value else None
        self._output.issues.append(
            RowIssue(self._table.sheet, raw.row_number, column, problem.code, severity, message,
                     value)
        )  # fmt: skip

    def _add(
        self,
        raw: _Raw,
        name: str,
        quantity: _Quantity,
        unit_read: Unit,
        region: str | None,
        on: dt.date | None,
        year: int | None,
        flags: list[str],
    ) -> None:
        texts = raw.texts
        kind = texts[Field.ACTIVITY_TYPE] or None
        description = texts[Field.ACTIVITY_DESCRIPTION] or None
        key = self._key(
            name=name, type=kind, description=description, dimension=unit_read.dimension,
            basis=unit_read.basis, currency=unit_read.currency, region=region, year=year,
        )  # fmt: skip
        row = (
            self._table.sheet, raw.row_number, raw.column_number, key, name, kind, description,
            quantity.value_text, quantity.unit_text, texts[Field.REGION] or None,
            texts[Field.DATE] or texts[Field.YEAR] or None, quantity.value, unit_read.code,
            unit_read.dimension.value, unit_read.basis.value if unit_read.basis else None, region,
            on, year, unit_read.currency, flags,
        )  # fmt: skip
        for column, value in zip(self._output.columns.values(), row, strict=True):
            column.append(value)


def _speaks_of_homeworking(*texts: str) -> bool:
    return any(_HOMEWORKING.search(text) for text in texts)


def _is_plain(text: str) -> bool:
    return not any(c.isalpha() or c == "$" for c in text)


def rows_of(table: pa.Table) -> Iterator[ActivityRow]:
    """Yield the rows of a typed part."""
    for row in table.to_pylist():
        row["dimension"] = Dimension(row["dimension"])
        row["basis"] = Basis(row["basis"]) if row["basis"] else None
        row["flags"] = tuple(row["flags"])
        yield ActivityRow(**row)
