"""Emission factors as the API reads and writes them: search, facets, one factor, own factors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import (
    ColumnElement,
    and_,
    any_,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import REGCONFIG
from sqlalchemy.orm import aliased, defer
from sqlmodel import Session

from core.regions import asked_region
from db.models import EmissionFactor, FactorRelease, Organization
from db.queries import paging
from db.queries.search import query_in, search_query

FACTOR: Any = EmissionFactor
RELEASE: Any = FactorRelease
ORGANIZATION: Any = Organization

OWN = "own"  # stands for the organization's own factors where a release's name could
FACET_VALUES = 50  # shown of each facet, most frequent first
_WORDS = 12  # of a search; what is typed beyond them narrows nothing
# The beginning of nearly every word: of several of these an index must read nearly everything. The
# last word may still be in the making.
_SHORT = 3

SORTS = {
    "name": paging.Sort("name", FACTOR.name, paging.Kind.TEXT),
    "category": paging.Sort("category", FACTOR.category, paging.Kind.TEXT),
    "value": paging.Sort("value_per_unit", FACTOR.value_per_unit, paging.Kind.NUMBER),
    "year": paging.Sort("data_year", FACTOR.data_year, paging.Kind.INTEGER, nullable=True),
}
WITHOUT_INDEXES = tuple(
    defer(column, raiseload=True)
    for column in (FACTOR.search_vector, FACTOR.search_words, FACTOR.embedding)
)
FACETS: Mapping[str, Any] = {
    "category": FACTOR.category,
    "region": FACTOR.region,
    "year": FACTOR.data_year,
    "release": func.coalesce(FACTOR.release, OWN),
    "unit": FACTOR.unit,
    "scope": FACTOR.scope,
    "dimension": FACTOR.dimension,
}


@dataclass(frozen=True, slots=True)
class FactorFilter:
    """Which factors are wanted. Without releases: the pinned ones and the organization's own."""

    q: str | None = None  # words of name and category, or beginnings of words
    category: str | None = None
    region: str | None = None  # with its subregions; "global" for factors that hold everywhere
    year: int | None = None  # the data year, or one within the stated validity
    source: str | None = None  # part of the citation
    release: tuple[str, ...] = ()
    unit: str | None = None
    scope: tuple[int, ...] = ()
    dimension: str | None = None


@dataclass(frozen=True, slots=True)
class FoundFactor:
    """One factor with its release, and what took their place."""

    factor: EmissionFactor
    release: FactorRelease | None
    superseded_by: str | None  # release
    successor_id: UUID | None  # the same factor in that release


def conditions(organization_id: UUID, wanted: FactorFilter) -> list[ColumnElement[bool]]:
    """Return the WHERE of a filter as an organization sees it."""
    found = [FACTOR.deleted_at.is_(None), FACTOR.is_active, _offered(organization_id, wanted)]
    if wanted.q:
        found.append(_matches(organization_id, wanted.q))
    if wanted.region:
        region = asked_region(wanted.region)
        found.append(
            FACTOR.region.is_(None)
            if region == "GLOBAL"
            else or_(
                FACTOR.region == region, FACTOR.region.startswith(f"{region}-", autoescape=True)
            )
        )
    if wanted.year is not None:
        first, last = FACTOR.valid_from_year, FACTOR.valid_to_year
        stated = or_(first.is_not(None), last.is_not(None))
        within = and_(
            or_(first.is_(None), first <= wanted.year), or_(last.is_(None), last >= wanted.year)
        )
        found.append(or_(FACTOR.data_year == wanted.year, and_(stated, within)))
    if wanted.source:
        found.append(FACTOR.source.icontains(wanted.source, autoescape=True))
    if wanted.scope:
        found.append(FACTOR.scope.in_(wanted.scope))
    exact = (
        (FACTOR.category, wanted.category),
        (FACTOR.unit, wanted.unit),
        (FACTOR.dimension, wanted.dimension),
    )
    return found + [column == value for column, value in exact if value is not None]


def _offered(organization_id: UUID, wanted: FactorFilter) -> ColumnElement[bool]:
    own = FACTOR.organization_id == organization_id
    library = FACTOR.organization_id.is_(None)
    if wanted.release:
        named = [name for name in wanted.release if name != OWN]
        return or_(
            own if OWN in wanted.release else false(), and_(library, FACTOR.release.in_(named))
        )
    pinned = select(func.unnest(ORGANIZATION.factor_releases)).where(
        ORGANIZATION.id == organization_id
    )
    return or_(own, and_(library, FACTOR.release.in_(pinned)))


def _matches(organization_id: UUID, typed: str) -> ColumnElement[bool]:
    """Full text in English and the organization's language, word beginnings, or the very id."""
    vector = FACTOR.search_vector
    found = [
        vector.op("@@")(query_in("english", typed)),
        vector.op("@@")(search_query(organization_id, typed)),
        FACTOR.source_id == typed,
    ]
    # "R-410A" is written R410A in one table and R-410A in another: try it both ways.
    for written in {typed, re.sub(r"(?<=\w)[-./](?=\w)", "", typed)}:
        words = re.findall(r"[^\W_]+", written)[:_WORDS]
        if words:
            beginnings = func.to_tsquery(cast("simple", REGCONFIG), _beginnings(words))
            found.append(FACTOR.search_words.op("@@")(beginnings))
    return or_(*found)


def _beginnings(words: Sequence[str]) -> str:
    """Return a tsquery of words and beginnings of words, each once."""
    last = words[-1]
    return " & ".join(
        f"{word}:*" if word == last or len(word) >= _SHORT else word
        for word in dict.fromkeys(words)
    )


def list_factors(
    session: Session, organization_id: UUID, wanted: FactorFilter, request: paging.PageRequest
) -> paging.Page[EmissionFactor]:
    """Return a page of factors; in every order those outside of the scopes come last.

    They often have the name of one that counts, and nobody looks for them first.
    """
    rows = session.scalars(
        select(FACTOR)
        .options(*WITHOUT_INDEXES)
        .where(*conditions(organization_id, wanted), *_after(session, request))
        .order_by(FACTOR.biogenic, *paging.order_by(request.sort, FACTOR.id))
        .limit(request.limit + 1)
    ).all()
    return paging.cut(rows, request, request.sort.name)


def _after(session: Session, request: paging.PageRequest) -> list[ColumnElement[bool]]:
    """Leave out what a reader has seen, of whom the cursor knows the last factor."""
    if request.after is None:
        return []
    beyond = paging.after(request, FACTOR.id)
    if session.scalar(select(FACTOR.biogenic).where(FACTOR.id == request.after.id)):
        return [FACTOR.biogenic, *beyond]
    return [or_(FACTOR.biogenic, and_(*beyond))]


def facets(
    session: Session, organization_id: UUID, wanted: FactorFilter
) -> tuple[int, dict[str, list[tuple[Any, int]]]]:
    """Count the factors of a filter: all of them, and by the values of each facet."""
    columns = [column.label(f"facet_{name}") for name, column in FACETS.items()]
    listed = select(*columns).where(*conditions(organization_id, wanted)).subquery()
    inner = [listed.c[column.name] for column in columns]
    rows = session.execute(
        select(func.grouping(*inner), func.count(), *inner).group_by(
            func.grouping_sets(tuple_(), *(tuple_(column) for column in inner))
        )
    ).all()
    total, names = 0, list(FACETS)
    found: dict[str, list[tuple[Any, int]]] = {name: [] for name in names}
    all_bits = (1 << len(inner)) - 1  # grouping() sets the bits of what is not grouped by
    for mask, count, *values in rows:
        if mask == all_bits:  # grouped by nothing
            total = count
            continue
        place = len(inner) - (all_bits ^ mask).bit_length()
        found[names[place]].append((values[place], count))
    for counted in found.values():
        counted.sort(key=lambda pair: (-pair[1], str(pair[0])))
        del counted[FACET_VALUES:]
    return total, found


def get_factor(session: Session, organization_id: UUID, factor_id: UUID) -> FoundFactor | None:
    """Return a factor of the library or of the organization, whether or not it is offered now.

    Old figures name factors of releases that are no longer pinned, and deleted own ones.
    """
    later, successor = aliased(RELEASE), aliased(FACTOR)
    row = session.execute(
        select(FACTOR, RELEASE, later.name, successor.id)
        .options(*WITHOUT_INDEXES)
        .outerjoin(RELEASE, RELEASE.name == FACTOR.release)
        .outerjoin(later, later.supersedes == FACTOR.release)
        .outerjoin(
            successor,
            and_(successor.release == later.name, successor.source_id == FACTOR.source_id),
        )
        .where(
            FACTOR.id == factor_id,
            or_(FACTOR.organization_id.is_(None), FACTOR.organization_id == organization_id),
        )
    ).one_or_none()
    return None if row is None else FoundFactor(*row)


def add_own_factor(
    session: Session, organization_id: UUID, values: Mapping[str, Any]
) -> UUID | None:
    """Add a factor of an organization's own; None when a living one stands for the same thing.

    `values` has the columns of emission_factors without organization and release.
    """
    ready = {**values, "gases": Jsonb(values["gases"]), "organization_id": organization_id}
    names = ", ".join(ready)
    found: UUID | None = session.execute(
        text(
            f"INSERT INTO emission_factors ({names}, search_language)"
            f" SELECT {', '.join(f':{name}' for name in ready)}, search_language"
            " FROM organizations WHERE id = :organization_id"
            " ON CONFLICT DO NOTHING RETURNING id"
        ),
        ready,
    ).scalar_one_or_none()
    return found


def delete_own_factor(session: Session, organization_id: UUID, factor_id: UUID) -> bool:
    """Take an own factor out of use; figures that were made with it keep it. False: none there."""
    done = session.execute(
        update(FACTOR)
        .where(
            FACTOR.organization_id == organization_id,
            FACTOR.id == factor_id,
            FACTOR.deleted_at.is_(None),
        )
        .values(deleted_at=func.now(), is_active=False)
        .returning(FACTOR.id)
    ).scalar_one_or_none()
    return done is not None


@dataclass(frozen=True, slots=True)
class ListedRelease:
    """A release, what supersedes it, and whether the organization uses it."""

    release: FactorRelease
    superseded_by: str | None
    pinned: bool


def list_releases(session: Session, organization_id: UUID) -> Sequence[ListedRelease]:
    """Return every release of this deployment, by name."""
    later = aliased(RELEASE)
    pinned = (
        select(literal(True))
        .where(
            ORGANIZATION.id == organization_id,
            RELEASE.name == any_(ORGANIZATION.factor_releases),
        )
        .exists()
    )
    rows = session.execute(
        select(RELEASE, later.name, pinned)
        .outerjoin(later, later.supersedes == RELEASE.name)
        .order_by(RELEASE.name)
    ).all()
    return [ListedRelease(*row) for row in rows]


def missing_releases(session: Session, names: Sequence[str]) -> set[str]:
    """Return which of these names stand for no release."""
    known = session.scalars(select(RELEASE.name).where(RELEASE.name.in_(names))).all()
    return set(names) - set(known)


def count_own(session: Session, organization_id: UUID) -> int:
    """Count the living factors of an organization's own."""
    return (
        session.scalar(
            select(func.count())
            .select_from(FACTOR)
            .where(
                FACTOR.organization_id == organization_id,
                FACTOR.deleted_at.is_(None),
                FACTOR.is_active,
            )
        )
        or 0
    )
