"""Which figures are wanted, as conditions on figures, on their rollups and on the tenant views."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Numeric, Text, and_, cast, column, func, or_, select, table

from core.contracts import FileStatus
from core.permissions import Reach
from core.regions import asked_region
from db.models import Emission, File
from db.queries.search import search_query

EMISSION: Any = Emission
FILE: Any = File


def _view(name: str, *columns: str) -> Any:
    return table(name, *(column(each) for each in columns)).c


# The tenant views, for what row-level security keeps from an index: docs/search.md.
FIGURES: Any = _view(
    "tenant_emissions", "organization_id", "id", "file_id", "project_id", "activity_name",
    "activity_type", "region", "activity_on", "activity_year", "scope", "category", "biogenic",
    "calculated_emission", "upstream_emission", "outside_of_scopes_emission", "confidence_score",
    "search_vector", "deleted_at",
)  # fmt: skip
TEXTS: Any = _view(
    "tenant_emission_texts", "organization_id", "file_id", "project_id", "activity_type", "region",
    "scope", "category", "biogenic", "confidence_score", "activity_name", "search_vector",
    "figures", "kg", "upstream_kg", "outside_kg",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EmissionFilter:
    """Which figures are wanted. Also the criteria of a report.

    Dates bound the activity's date, both ends included. A row that only says its year is within
    the bounds when the whole year is.
    """

    q: str | None = None  # full text, as people type it into a search box
    name: str | None = None  # beginning of the activity's name
    type: str | None = None
    scope: tuple[int, ...] = ()
    category: str | None = None
    file_id: UUID | None = None
    project_id: UUID | None = None
    region: str | None = None
    date_from: dt.date | None = None
    date_to: dt.date | None = None
    min_confidence: float | None = None


def conditions(
    organization_id: UUID, reach: Reach, wanted: EmissionFilter, rows: Any = EMISSION
) -> list[Any]:
    """Return the WHERE of a filter as a membership sees it.

    `rows` are emissions or a view of them: the columns have the same names.
    """
    return [
        rows.deleted_at.is_(None),
        *shared_conditions(organization_id, reach, wanted, rows),
        *text_conditions(search_query(organization_id, wanted.q or ""), wanted, rows),
        *date_conditions(wanted, rows),
    ]


def text_conditions(query: ColumnElement[Any], wanted: EmissionFilter, rows: Any) -> list[Any]:
    """Return the conditions on texts; `query` is the tsquery of wanted.q."""
    found: list[Any] = []
    if wanted.q:
        found.append(rows.search_vector.op("@@")(query))
    if wanted.name:
        found.append(begins(rows.activity_name, wanted.name))
    return found


def begins(texts: Any, typed: str) -> ColumnElement[bool]:
    """Return that a text begins as typed, in any case; the way that the rollup's index knows."""
    found: ColumnElement[bool] = func.lower(texts).like(func.lower(beginning(typed)))
    return found


def beginning(typed: str) -> str:
    """Return the LIKE pattern of texts that begin as typed."""
    escaped = re.sub(r"([\\\\%_])", r"\\\1", typed)
    return f"{escaped}%"


def shared_conditions(
    organization_id: UUID, reach: Reach, wanted: EmissionFilter, rows: Any
) -> list[Any]:
    """Return the conditions that figures and rollups have in common.

    Figures count once their whole file does: half a file is in no sum, a list's or a report's.
    """
    complete = select(FILE.id).where(
        FILE.organization_id == organization_id,
        FILE.status == FileStatus.COMPLETED.value,
        FILE.deleted_at.is_(None),
    )
    found = [rows.organization_id == organization_id]
    if rows is not FIGURES and rows is not TEXTS:  # these show what counts and nothing else
        found.append(rows.file_id.in_(complete))
    if reach.projects is not None:
        found.append(rows.project_id.in_(reach.projects))
    if wanted.scope:
        found.append(rows.scope.in_(wanted.scope))
    exact = (
        (rows.activity_type, wanted.type),
        (rows.category, wanted.category),
        (rows.file_id, wanted.file_id),
        (rows.project_id, wanted.project_id),
        (rows.region, wanted.region and asked_region(wanted.region)),
    )
    found += [own == value for own, value in exact if value is not None]
    if wanted.min_confidence is not None:
        found.append(rows.confidence_score >= wanted.min_confidence)
    return found


def date_conditions(wanted: EmissionFilter, rows: Any) -> list[Any]:
    """Return the conditions of a period on dates, and on rows that only say their year.

    A period without a whole year in it is a plain range, which an index knows.
    """
    first, last = wanted.date_from, wanted.date_to
    if first is None and last is None:
        return []
    from_year = None if first is None else first_whole_year(first)
    to_year = None if last is None else last_whole_year(last)
    dated = within(rows.activity_on, first, last)
    if from_year is not None and to_year is not None and from_year > to_year:
        return dated
    undated = and_(rows.activity_on.is_(None), *within(rows.activity_year, from_year, to_year))
    return [or_(and_(*dated), undated)]


def within(column: Any, first: Any, last: Any) -> list[Any]:
    """Return the conditions of a range, both ends included; None is no end."""
    found = [] if first is None else [column >= first]
    return found if last is None else [*found, column <= last]


def first_whole_year(date_from: dt.date) -> int:
    """Return the first year that lies within a period from its first day on."""
    return date_from.year + (date_from.timetuple().tm_yday > 1)


def last_whole_year(date_to: dt.date) -> int:
    """Return the last year that lies within a period to its last day."""
    return date_to.year - ((date_to.month, date_to.day) != (12, 31))


def exact_sum(kg: Any) -> ColumnElement[Decimal]:
    """Return the sum of a float column as an exact decimal of the digits that are stored.

    A sum of floats depends on the order of the rows, and so would the last digits of a total. The
    way by text is the only one that keeps all 17: a plain cast to numeric rounds to 15.
    """
    return func.coalesce(func.sum(cast(cast(kg, Text), Numeric)), 0)
