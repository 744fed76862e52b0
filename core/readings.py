"""What a row is read as, and the steps on the way there."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple

from core.numbers import Convention, region_convention
from core.records import Field
from core.units import Unit

_SIGNS = {Convention.POINT: ".", Convention.COMMA: ","}


class TypedRow(NamedTuple):
    """One row of TYPED_SCHEMA, in its order."""

    sheet: str
    row_number: int
    column_number: int
    activity_key: str
    activity_name: str
    activity_type: str | None
    activity_description: str | None
    volume_text: str
    unit_text: str
    region_text: str | None
    date_text: str | None
    volume: float
    unit: str
    dimension: str
    basis: str | None
    region: str | None
    activity_on: dt.date | None
    year: int | None
    currency: str | None
    flags: tuple[str, ...]


class Texts(NamedTuple):
    """The cells of a row by Field, in its order, without outer blanks; "" where there is none."""

    name: str
    kind: str
    description: str
    volume: str
    unit: str
    region: str
    date: str
    year: str
    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with a row, and in which field."""

    code: str
    field: Field
    message: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and when, and how numbers are written there."""

    region: str | None
    on: dt.date | None
    year: int | None
    flags: tuple[str, ...]
    warnings: tuple[RowProblem, ...]
    conventions: dict[Field, Convention]

    def decimal_sign(self, field: Field) -> str:
        """Return by which sign a number that reads either way has decimals, "" for none."""
        convention = self.conventions.get(field, Convention.BY_REGION)
        if convention is Convention.BY_REGION:
            convention = region_convention(self.region)
        return _SIGNS.get(convention, "")


@dataclass(frozen=True, slots=True)
class Measure:
    """A unit and the text it was read from."""

    unit: Unit
    text: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit and the text it was read from."""

    value: float
    text: str
    measure: Measure


@dataclass(frozen=True, slots=True)
class Activity:
    """What is matched, and the unit after a look at the activity."""

    key: str
    unit: Unit
    flags: tuple[str, ...]
