"""Keyset paging: a page begins after the last row of the one before.

Unlike an offset it neither skips nor repeats rows while others are inserted. Ties are broken by id.

The cursor is compared as a row, (value, id) > (…, …): an index on both finds the place at once. The
same said with OR is a filter, and a page in the middle of a million reads half of them. Rows
without a value are a phase of their own, before or after the others, for the same reason.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, and_, literal, or_, tuple_
from sqlalchemy.orm import InstrumentedAttribute
from sqlmodel import Session

Row = TypeVar("Row")


class Kind(StrEnum):
    """How a sort value is written into a cursor."""

    TEXT = "text"
    TIME = "time"
    DATE = "date"
    NUMBER = "number"
    INTEGER = "integer"


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of rows: by `column`, then by id. Rows without a value come last unless said."""

    name: str
    column: Any
    kind: Kind
    descending: bool = False
    nullable: bool = False
    nulls_first: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """The last row a reader has seen: its sort value and its id."""

    value: Any
    id: UUID


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which rows are wanted: at most `limit`, after `after`, in the order of `sort`."""

    sort: Sort
    limit: int
    after: Position | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of one page, and where the next begins (None at the end)."""

    rows: Sequence[Row]
    next: Position | None


def order_by(sort: Sort, row_id: Any) -> list[ColumnElement[Any]]:
    """Return the ORDER BY of a sort; the tie-break runs in the same direction."""
    column = sort.column.desc() if sort.descending else sort.column.asc()
    if sort.nullable:
        column = column.nulls_first() if sort.nulls_first else column.nulls_last()
    return [column, row_id.desc() if sort.descending else row_id.asc()]


def after(request: PageRequest, row_id: Any) -> list[ColumnElement[bool]]:
    """Return the conditions that leave out every row up to and including the last one seen."""
    last, sort = request.after, request.sort
    if last is None:
        return []
    if not sort.nullable:
        return [_beyond(sort, row_id, last)]
    column = sort.column
    if last.value is None:
        rest = and_(column.is_(None), _beyond_id(sort, row_id, last))
        return [or_(rest, column.is_not(None)) if sort.nulls_first else rest]
    beyond = _beyond(sort, row_id, last)
    return [beyond if sort.nulls_first else or_(beyond, column.is_(None))]


def _beyond(sort: Sort, row_id: Any, last: Position) -> ColumnElement[bool]:
    seen = tuple_(literal(last.value, sort.column.type), literal(last.id, row_id.type))
    key = tuple_(sort.column, row_id)
    return key < seen if sort.descending else key > seen


def _beyond_id(sort: Sort, row_id: Any, last: Position) -> ColumnElement[bool]:
    found: ColumnElement[bool] = row_id < last.id if sort.descending else row_id > last.id
    return found


def phases(
    request: PageRequest, row_id: Any, valued_within: Sequence[ColumnElement[bool]] = ()
) -> list[tuple[list[ColumnElement[bool]], list[ColumnElement[Any]]]]:
    """Return (conditions, order) of each run of rows that one walk along an index yields.

    `valued_within` bounds the values of a sort: a walk begins where they begin.
    """
    last, sort = request.after, request.sort
    keys = (sort.column, row_id)
    order = [key.desc() if sort.descending else key.asc() for key in keys]
    if not sort.nullable:
        return [(after(request, row_id), order)]
    valued, empty = [sort.column.is_not(None), *valued_within], [sort.column.is_(None)]
    if last is not None and last.value is None:
        empty.append(_beyond_id(sort, row_id, last))
    elif last is not None:
        valued.append(_beyond(sort, row_id, last))
    seen_valued = last is not None and last.value is not None
    seen_empty = last is not None and last.value is None
    if sort.nulls_first:
        return [(valued, order)] if seen_valued else [(empty, order), (valued, order)]
    return [(empty, order)] if seen_empty else [(valued, order), (empty, order)]


def fetch(
    session: Session,
    query: Any,
    request: PageRequest,
    row_id: Any,
    valued_within: Sequence[ColumnElement[bool]] = (),
) -> list[Any]:
    """Return the rows of a page and one more, of a SELECT that has all but cursor and order."""
    found: list[Any] = []
    for conditions, order in phases(request, row_id, valued_within):
        wanted = request.limit + 1 - len(found)
        if wanted <= 0:
            break
        found += session.execute(query.where(*conditions).order_by(*order).limit(wanted)).all()
    return found


def cut(
    rows: Sequence[Row], request: PageRequest, key: InstrumentedAttribute[Any] | str
) -> Page[Row]:
    """Make a page of `limit` + 1 rows; the extra one only tells that there are more.

    `key` names the attribute of a row that holds the sort value.
    """
    name = key if isinstance(key, str) else key.key
    if len(rows) <= request.limit:
        return Page(rows, None)
    kept = rows[: request.limit]
    last: Any = kept[-1]
    return Page(kept, Position(getattr(last, name), last.id))


def to_text(kind: Kind, value: Any) -> str | None:
    """Write a sort value so that `from_text` reads the very same one back."""
    if value is None:
        return None
    if kind in (Kind.TIME, Kind.DATE):
        return str(value.isoformat())
    return repr(float(value)) if kind is Kind.NUMBER else str(value)


def from_text(kind: Kind, text: str | None) -> Any:
    """Read a sort value. Raises ValueError when it is none."""
    if text is None:
        return None
    if kind is Kind.TIME:
        return dt.datetime.fromisoformat(text)
    if kind is Kind.DATE:
        return dt.date.fromisoformat(text)
    if kind is Kind.INTEGER:
        return int(text)
    return float(text) if kind is Kind.NUMBER else text
