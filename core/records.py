"""The things the domain talks about: an activity, an emission factor, a decision.

Plain frozen dataclasses that parsing, matching, calculation, SQL and tests share. No I/O here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class Field(StrEnum):
    """A column of an activity table that we understand; the keys of an upload's `mapping`."""

    ACTIVITY_NAME = "activity_name"
    ACTIVITY_TYPE = "activity_type"
    ACTIVITY_DESCRIPTION = "activity_description"
    VOLUME = "volume"
    UNIT = "unit"
    REGION = "region"
    DATE = "date"
    YEAR = "year"
    AMOUNT = "amount"
    CURRENCY = "currency"


class Dimension(StrEnum):
    """What a unit measures. Two units of different dimensions never meet in a match."""

    ENERGY = "energy"
    VOLUME = "volume"
    MASS = "mass"
    DISTANCE = "distance"  # vehicle-km
    PASSENGER_DISTANCE = "passenger_distance"
    FREIGHT_DISTANCE = "freight_distance"  # tonne-km
    MONEY = "money"
    ROOM_NIGHT = "room_night"
    WORK_HOUR = "work_hour"  # per FTE working hour
    ITEM = "item"
    AREA = "area"
    TIME = "time"


class Basis(StrEnum):
    """Calorific value basis of an energy figure."""

    GROSS = "gross"  # higher heating value
    NET = "net"  # lower heating value


@dataclass(frozen=True, slots=True)
class ActivityQuery:
    """One distinct activity of a file: what is matched, whatever the number of its rows."""

    key: str  # sha256 hex of the normalized fields below
    name: str
    type: str | None
    description: str | None
    unit: str  # canonical unit code, see core.units
    dimension: Dimension
    basis: Basis | None
    region: str | None  # ISO 3166-1 alpha-2, or with a subdivision, "US-CAMX"
    year: int | None
    currency: str | None = None  # ISO 4217 when the dimension is money


@dataclass(frozen=True, slots=True)
class GasPart:
    """kg CO2e of one gas per unit of the factor; kg of the gas itself where the source gives it."""

    gas: str  # "CO2", "CH4", "N2O", "other"
    kg_co2e: float
    kg_gas: float | None = None


@dataclass(frozen=True, slots=True)
class EmissionFactor:
    """One row of a factor release, or an organization's own factor."""

    id: UUID
    release: str  # "desnz-2025"
    source_id: str  # the publisher's own id or code
    name: str
    category: str
    unit: str  # canonical unit code of the denominator
    dimension: Dimension
    value_per_unit: float  # kg CO2e per unit
    region: str | None  # None is global
    scope: int | None  # 1, 2, 3; None for "outside of scopes"
    scope3_category: int | None
    activity_kind: str  # the library's coarse kind, e.g. "electricity", "business_travel_air"
    data_year: int  # the year the figure describes
    source_year: int  # the year it was published
    source: str  # citation: publisher, title, version
    licence: str
    basis: Basis | None = None
    currency: str | None = None  # money factors: currency and price year of the denominator
    price_year: int | None = None
    gwp_set: str | None = None  # "AR5", "AR6"; None when the source only gives CO2e without saying
    gases: tuple[GasPart, ...] = ()
    biogenic: bool = False
    levels: tuple[str, ...] = ()  # the publisher's heading path, coarse to fine
    search_texts: tuple[str, ...] = ()  # index entries, synonyms
    source_row: str = ""  # sheet and row in the publisher's file
    organization_id: UUID | None = None
    note: str = ""
    valid_from_year: int | None = None  # years for which the source says that it may be used
    valid_to_year: int | None = None


class Method(StrEnum):
    """How a factor was decided upon."""

    OFFLINE = "offline"  # our own ranker
    MODEL = "model"  # a language model chose among our candidates
    FALLBACK = "fallback"  # the model was away, our own ranker stood in
    MEMORY = "memory"  # the organization decided so before
    REVIEW = "review"  # a person decided on this very activity


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a decision came out as it did: a stable code and one sentence for people."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Fallback:
    """Something that was asked for and not available, and what was used instead."""

    kind: str  # "region", "year", "basis", "proxy"
    requested: str
    used: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A factor that was considered, with the parts of its score."""

    factor_id: UUID
    source_id: str
    release: str
    name: str
    value_per_unit: float
    unit: str
    score: float
    signals: dict[str, float] = field(default_factory=dict)


class Outcome(StrEnum):
    """What happens to the rows of an activity."""

    MATCHED = "matched"  # calculated
    FLAGGED = "flagged"  # calculated, and listed for review: confidence < review_below
    HELD = "held"  # no figure until a person decides
    REJECTED = "rejected"  # a person decided that no factor fits


@dataclass(frozen=True, slots=True)
class Decision:
    """The factor chosen for one distinct activity, or why none was."""

    activity_key: str
    outcome: Outcome
    method: Method
    factor_id: UUID | None
    confidence: float  # in [0, 1], calibrated; 0.0 without a factor
    candidates: tuple[Candidate, ...] = ()
    reasons: tuple[Reason, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    remembered_id: UUID | None = None  # the remembered decision that this one follows
    question_hash: str | None = None  # under which a language model's answer is kept


@dataclass(frozen=True, slots=True)
class Thresholds:
    """An organization's confidence limits, both in [0, 1]."""

    review_below: float = 0.6
    hold_below: float = 0.3


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """One validated row of an upload: the texts as written, and what they were read as."""

    sheet: str
    row_number: int  # 1-based, as a spreadsheet program shows it
    column_number: int  # 0, or the 1-based column when one row holds several figures
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
    dimension: Dimension
    basis: Basis | None
    region: str | None
    activity_on: dt.date | None
    year: int | None
    currency: str | None
    flags: tuple[str, ...] = ()  # "credit_note", "region_defaulted", "year_defaulted", …


class Severity(StrEnum):
    """Whether an issue took the row out of the file or only marks it."""

    REJECTED = "rejected"
    WARNING = "warning"


# Issues of rejected rows that are no activity at all: nothing is missing from the figures.
NO_ACTIVITY = ("row_blank", "row_total", "header_repeated", "row_note")


@dataclass(frozen=True, slots=True)
class RowIssue:
    """Something wrong with one row, in words its author can act on."""

    sheet: str
    row_number: int
    column: str | None  # the heading as written, or the field
    code: str
    severity: Severity
    message: str  # names the remedy
    value_text: str | None = None  # cut to 200 characters
    column_number: int = 0  # as in ActivityRow
