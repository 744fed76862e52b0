"""How the rows of one table are read: its columns, what stands around it, what is filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.dates import month_of
from core.errors import FileRejected
from core.money_scale import Scale, scale_of_heading
from core.parsing.above import (
    currency_above,
    fiscal_year_above,
    line_above,
    scale_above,
    title_above,
    unit_above,
    year_above,
)
from core.parsing.body import Body, Lines, body_of
from core.parsing.columns import assign, is_other, mapped_columns, tells_credits, why_not
from core.parsing.filling import Filling
from core.parsing.headings import fields_of, read_heading
from core.parsing.other_numbers import other_numbers
from core.parsing.profiles import profiles_of
from core.parsing.remembered import RememberedMapping, signature_of
from core.parsing.report import ColumnReport, ParseOptions
from core.parsing.rows import Row, letter_of
from core.parsing.tables import Header, duplicate_headings
from core.parsing.wide import (
    Figure,
    Wide,
    carry_units,
    dated,
    find_periods,
    find_sums,
    find_supplies,
    is_money,
)
from core.records import Field

_QUANTITIES = (Field.VOLUME, Field.AMOUNT)
_NAMES = (Field.ACTIVITY_NAME, Field.ACTIVITY_TYPE, Field.ACTIVITY_DESCRIPTION)


@dataclass(slots=True)
class Plan:
    """One table: its columns, where the parts find each field, and what holds for all rows."""

    header: Header
    columns: tuple[ColumnReport, ...]
    fields: dict[Field, int]
    options: ParseOptions
    signature: str
    remembered: RememberedMapping | None
    filler: Wide | Filling | None = None
    unit: tuple[str | None, str | None] = (None, None)
    currency: tuple[str | None, str | None] = (None, None)
    quantity_scale: Scale = ""
    money_scale: Scale = ""
    notes: list[str] = field(default_factory=list)

    def heading_of(self, name: Field) -> str:
        """Return the heading of the column that holds a field, "" where none of the table does."""
        at = self.own_fields.get(name)
        return "" if at is None else self.header.headings[at]

    @property
    def own_fields(self) -> dict[Field, int]:
        """Return the fields that columns of the table itself hold."""
        width = len(self.header.headings)
        return {name: index for name, index in self.fields.items() if index < width}


def make_plan(
    header: Header,
    sample: Sequence[Row],
    above: Sequence[Row],
    sheet: str,
    options: ParseOptions,
    lines: Lines = (),
) -> Plan:
    """Decide how a table is read; `lines` are those of its headings, as they may be repeated.

    Raises FileRejected("no_quantity_column").
    """
    signature = signature_of(header.headings)
    remembered = None if options.mapping else options.remembered.get(signature)
    if remembered is not None:
        told = ParseOptions.from_upload(mapping=remembered.mapping)
        settings = ("mapping", "decimal_separator", "date_order", "unit", "currency")
        missing = {name: getattr(told, name) for name in settings if not getattr(options, name)}
        options = options.model_copy(update=missing)
    return _Planner(header, sample, above, sheet, options, signature, remembered, lines).plan()


class _Planner:
    def __init__(
        self,
        header: Header,
        sample: Sequence[Row],
        above: Sequence[Row],
        sheet: str,
        options: ParseOptions,
        signature: str,
        remembered: RememberedMapping | None,
        lines: Lines,
    ) -> None:
        self._header, self._above, self._sheet = header, above, sheet
        self._options, self._signature, self._remembered = options, signature, remembered
        self._sample, self._lines = sample, lines or [header.headings]
        self._unit = unit_above(above)
        self._take(body_of(sample, self._lines, {}))
        self._mapped = mapped_columns(header.headings, options.mapping)
        self._year = year_above(above, sheet) or str(options.reporting_year or "")

    def _take(self, body: Body) -> None:
        """Judge the columns by these rows."""
        self._body = body
        self._cells = [row.cells for row in body.rows]
        self._profiles = profiles_of(self._header.headings, self._cells)

    def _read(self, unit: str | None) -> tuple[tuple[Figure, ...], Field, tuple[ColumnReport, ...]]:
        figures, kind = self._figures(unit)
        return figures, kind, self._assign([figure.index for figure in figures])

    def plan(self) -> Plan:
        unit = self._unit
        figures, kind, columns = self._read(unit)
        # A subtotal is told from a row of data by the columns, and counts for none of them.
        known = {c.field: c.index for c in columns if c.field}
        indices = [figure.index for figure in figures]
        body = body_of(self._sample, self._lines, known, figures=indices)
        if body.rows != self._body.rows:
            self._take(body)
            figures, kind, columns = self._read(unit)
        filler: Wide | Filling | None
        if figures:
            columns = tuple(_drop_quantity(column) for column in columns)
            if figures[0].name:
                columns = tuple(_without_name(c, "the headings say it") for c in columns)
            filler = self._wide(figures, kind, columns)
            columns = tuple(_as_figure(c, filler) for c in columns)
        else:
            columns = self._with_units_in_names(columns)
            filler = self._filling(columns)
            if filler is not None and filler.titled:
                why = "the title above the block says what it is"
                columns = tuple(_without_name(column, why) for column in columns)
        fields = {c.field: c.index for c in columns if c.field}
        fields |= filler.fields() if filler else {}
        plan = Plan(self._header, columns, fields, self._options, self._signature,
                    self._remembered, filler)  # fmt: skip
        self._whole(plan, unit)
        self._check(plan)
        return plan

    def _assign(self, apart: Sequence[int]) -> tuple[ColumnReport, ...]:
        why = self._remembered.why() if self._remembered else "named in the upload's mapping"
        return assign(self._header.headings, self._cells, self._options.mapping,
                      profiles=self._profiles, why=why, apart=apart,
                      measured=bool(self._unit or self._options.unit))  # fmt: skip

    def _figures(self, unit: str | None) -> tuple[tuple[Figure, ...], Field]:
        """Return the columns of figures where rows hold several, and what they are."""
        quantities = {field for field in self._mapped.values() if field in _QUANTITIES}
        if quantities:
            return (), Field.VOLUME  # the uploader said which column counts
        headings = self._header.headings
        free = [index not in self._mapped for index in range(len(headings))]
        numeric = [not seen.count or seen.number >= 0.5 for seen in self._profiles]
        periods = find_periods(headings, numeric, free)
        if periods:
            columns = self._assign([figure.index for figure in periods])
            measured = unit or periods[0].unit or any(c.field is Field.UNIT for c in columns)
            measured = measured or self._options.unit or self._names_with_units(columns) is not None
            money = is_money(periods) or not measured
            return periods, Field.AMOUNT if money else Field.VOLUME
        columns = self._assign([])
        named = any(c.field is Field.ACTIVITY_NAME and c.confidence >= 0.7 for c in columns)
        if named or any(c.field is Field.UNIT for c in columns):
            return (), Field.VOLUME
        return find_supplies(headings, numeric, free), Field.VOLUME

    def _names_with_units(self, columns: Sequence[ColumnReport]) -> int | None:
        """Return the column of names, where they say in what the figures beside them are."""
        at = {c.field: c.index for c in columns if c.field}
        name = at.get(Field.ACTIVITY_NAME)
        told = self._unit or self._options.unit or self._options.currency
        if name is None or told or {Field.UNIT, Field.CURRENCY} & at.keys():
            return None
        names = {row[name].strip() for row in self._cells if name < len(row)} - {""}
        return name if carry_units(names) else None

    def _with_units_in_names(self, columns: tuple[ColumnReport, ...]) -> tuple[ColumnReport, ...]:
        """Take "Amount" for quantities beside names such as "Electricity (kWh)"."""
        by_field = {c.field: c for c in columns if c.field}
        amount = by_field.get(Field.AMOUNT)
        if amount is None or Field.VOLUME in by_field or amount.index in self._mapped:
            return columns
        heading = read_heading(self._header.headings[amount.index])
        is_open = heading.currency_text is None and Field.VOLUME in fields_of(heading)
        if not is_open or self._names_with_units(columns) is None:
            return columns
        why = f"{amount.why}; the names beside it say in what unit"
        volume = amount.model_copy(update={"field": Field.VOLUME, "why": why})
        return tuple(volume if column is amount else column for column in columns)

    def _wide(
        self, figures: tuple[Figure, ...], kind: Field, columns: Sequence[ColumnReport]
    ) -> Wide:
        at = {c.field: c.index for c in columns if c.field}
        months = at.get(Field.DATE)
        if months is not None and not self._holds_months(months):
            months = None
        if months is None and Field.YEAR not in at:
            fiscal = fiscal_year_above(self._above, self._sheet)
            figures = dated(figures, fiscal, self._year)
        return Wide(
            figures=figures,
            field=kind,
            width=len(self._header.headings),
            months_at=months,
            years_at=at.get(Field.YEAR),
            dated=months is not None or any(figure.is_period for figure in figures),
            name_at=None if figures[0].name else at.get(Field.ACTIVITY_NAME),
            year=self._year,
            units_in_names=kind is Field.VOLUME
            and not any(figure.unit for figure in figures)
            and self._names_with_units(columns) is not None,
        )

    def _filling(self, columns: Sequence[ColumnReport]) -> Filling | None:
        by_field = {c.field: c for c in columns if c.field}
        date = by_field.get(Field.DATE)
        months = date is not None and self._holds_months(date.index)
        title = title_above(self._above, self._sheet)
        names = [by_field[name] for name in _NAMES if name in by_field]
        weak = all(
            column.index not in self._mapped
            and column.confidence < 0.5
            and is_other(column.heading)
            for column in names
        )
        titled = weak and bool(title or not names)
        blocks = self._body.titled
        described = blocks and not titled and Field.ACTIVITY_DESCRIPTION not in by_field
        volume = by_field.get(Field.VOLUME)
        united = volume and not read_heading(self._header.headings[volume.index]).unit_text
        names_at = self._names_with_units(columns) if united else None
        if not months and not titled and not described and names_at is None:
            return None
        return Filling(
            width=len(self._header.headings),
            months_at=date.index if months and date is not None else None,
            years_at=by_field[Field.YEAR].index if Field.YEAR in by_field else None,
            year=self._year,
            titled=titled,
            described=described,
            title=line_above(self._above) if described or (blocks and not title) else title,
            names_at=None if titled else names_at,
        )

    def _holds_months(self, index: int) -> bool:
        """Tell whether most of a column are months without their year."""
        texts = [row[index].strip() for row in self._cells if index < len(row)]
        months = sum(1 for text in texts if month_of(text))
        return months > 0 and months >= 0.5 * sum(1 for text in texts if text)

    def _whole(self, plan: Plan, unit: str | None) -> None:
        """Find unit and currency that hold for the whole table, each with its reason."""
        options = self._options
        if options.unit:
            plan.unit = options.unit, "given with the upload"
        if options.currency:
            plan.currency = options.currency, "given with the upload"
        for column in plan.columns:
            heading = read_heading(self._header.headings[column.index])
            why = f'heading "{column.heading[:60]}"'
            carried = heading.unit_text or heading.currency_text
            if column.field is Field.VOLUME and not options.unit and carried:
                plan.unit = carried, why
            if column.field is Field.AMOUNT and not options.currency and heading.currency_text:
                plan.currency = heading.currency_text, why
            if column.field is Field.VOLUME and not carried:
                plan.quantity_scale = plan.quantity_scale or scale_of_heading(heading.text)
            if column.field is Field.AMOUNT:
                plan.money_scale = plan.money_scale or scale_of_heading(heading.text)
        if unit and plan.unit[0] is None and Field.VOLUME in plan.fields:
            plan.unit = unit, "stated above the table"
        if plan.currency[0] is None:
            currency = currency_above(self._above, options.region)
            plan.currency = currency, "stated above the table" if currency else None
        plan.money_scale = plan.money_scale or scale_above(self._above)

    def _check(self, plan: Plan) -> None:
        fields = plan.fields
        if Field.VOLUME not in fields and Field.AMOUNT not in fields:
            raise FileRejected(
                "No column of quantities was found: neither amounts with a unit nor money. Name "
                "one Quantity or Amount, or say in the mapping which column it is.",
                code="no_quantity_column",
            )
        where = f'Sheet "{self._sheet[:60]}": ' if self._sheet else ""
        plan.notes += [where + note for note in duplicate_headings(self._header.headings)]
        plan.notes += [where + note for note in self._left_out(plan)]
        known = self._header.headings, self._profiles, self._mapped
        plan.notes += [where + note for note in other_numbers(plan.columns, *known)]
        plan.notes += [
            f"{where}{what} were read as {scale}s, as is stated."
            for what, scale, field_read in (
                ("Quantities", plan.quantity_scale, Field.VOLUME),
                ("Amounts", plan.money_scale, Field.AMOUNT),
            )
            if scale and field_read in fields
        ]
        if isinstance(plan.filler, Filling) and plan.filler.described:
            plan.notes.append(f"{where}The titles above its blocks describe the rows below them.")
        others = [
            column.letter
            for column in plan.columns
            if column.field is None and read_heading(column.heading).unit_text
            and column.heading and Field.VOLUME in fields and Field.UNIT not in fields
        ]  # fmt: skip
        if others:
            one = len(others) == 1
            carry = f"Column {others[0]} also carries" if one else (
                f"Columns {', '.join(others)} also carry"
            )  # fmt: skip
            plan.notes.append(
                f"{where}{carry} a unit and {'was' if one else 'were'} not read; put "
                "each quantity on a row of its own, or map the column that counts."
            )
        if isinstance(plan.filler, Wide):
            plan.notes += [where + note for note in self._sums(plan.filler)]
            plan.notes.append(
                f"{where}Each row holds up to {len(plan.filler.figures)} figures; each filled cell "
                "is a row of its own in the counts."
            )

    def _sums(self, wide: Wide) -> list[str]:
        """Return which columns add up others of the table."""
        letters = ", ".join(map(letter_of, find_sums(self._header.headings, wide.figures)))
        if not letters:
            return []
        return [f"Not read, since they add up shorter periods beside them: columns {letters}."]

    def _left_out(self, plan: Plan) -> list[str]:
        """Return what the columns leave open, although a heading announces it or it matters."""
        fields, headings = plan.fields, self._header.headings
        found = [
            f"Column {column.letter} was not read: {why}."
            for column in plan.columns
            if column.field is None
            and column.index not in self._mapped
            and (why := why_not(headings[column.index], self._profiles[column.index], fields))
        ]
        if Field.AMOUNT in fields:
            found += [
                f"Column {column.letter} tells debits from credits and was not read: credits count "
                "like debits. Give them a minus sign."
                for column in plan.columns
                if column.field is None
                and tells_credits(
                    {row[column.index] for row in self._cells if column.index < len(row)}
                )
            ]
        if not {Field.DATE, Field.YEAR} & fields.keys() and not self._options.reporting_year:
            found.append(
                "No column of dates or years was read, and no reporting_year was given: the "
                "figures are in no period, and their factors are the newest."
            )
        return found


def _drop_quantity(column: ColumnReport) -> ColumnReport:
    """A total beside the months counts what they count."""
    if column.field not in _QUANTITIES:
        return column
    why = "not read: the columns of figures beside it hold the same"
    return column.model_copy(update={"field": None, "confidence": 0.0, "why": why})


def _as_figure(column: ColumnReport, wide: Wide) -> ColumnReport:
    found = next((f for f in wide.figures if f.index == column.index), None)
    if found is None:
        return column
    what = found.date or found.month or found.name
    why = f'one of {len(wide.figures)} columns of figures: "{what[:60]}"'
    return column.model_copy(update={"field": wide.field, "confidence": 0.9, "why": why})


def _without_name(column: ColumnReport, why: str) -> ColumnReport:
    if column.field not in _NAMES:
        return column
    return column.model_copy(update={"field": None, "confidence": 0.0, "why": why})
