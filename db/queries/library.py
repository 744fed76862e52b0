"""Factor releases: loading them once, reading them for matching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Row, text
from sqlmodel import Session

from core.records import Basis, Dimension, EmissionFactor, GasPart
from core.upstream import LINKED_KINDS
from db.queries.copying import copy_to_temporary

if TYPE_CHECKING:  # the API, which loads no vectors, starts without it
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = (
    ("id", "uuid"),
    ("release", "text"),
    ("source_id", "text"),
    ("name", "text"),
    ("category", "text"),
    ("unit", "text"),
    ("dimension", "text"),
    ("basis", "text"),
    ("currency", "text"),
    ("price_year", "integer"),
    ("value_per_unit", "double precision"),
    ("region", "text"),
    ("scope", "smallint"),
    ("scope3_category", "smallint"),
    ("biogenic", "boolean"),
    ("activity_kind", "text"),
    ("gases", "jsonb"),
    ("gwp_set", "text"),
    ("source", "text"),
    ("source_year", "integer"),
    ("data_year", "integer"),
    ("licence", "text"),
    ("levels", "text[]"),
    ("search_texts", "text[]"),
    ("source_row", "text"),
    ("note", "text"),
    ("valid_from_year", "integer"),
    ("valid_to_year", "integer"),
)
NAMES = ", ".join(name for name, _ in COLUMNS)


RELEASE_COLUMNS = (
    "name", "publisher", "title", "version", "source_year", "data_year", "licence", "share_alike",
    "url", "retrieved_on", "sha256", "file_name", "file_sha256", "gwp_set", "note", "supersedes",
    "factor_count",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KnownRelease:
    """What tells whether a release may be imported: its content, and its place in the chain."""

    name: str
    sha256: str
    supersedes: str | None
    superseded_by: str | None


def find_release(session: Session, name: str) -> KnownRelease | None:
    """Return a loaded release, or None."""
    row = session.execute(
        text(
            "SELECT r.name, r.sha256, r.supersedes, s.name AS superseded_by"
            " FROM factor_releases r LEFT JOIN factor_releases s ON s.supersedes = r.name"
            " WHERE r.name = :name"
        ),
        {"name": name},
    ).one_or_none()
    return None if row is None else KnownRelease(*row)


def list_releases(session: Session) -> list[dict[str, Any]]:
    """Return every loaded release: its columns, `created_at` and `superseded_by`, by name."""
    names = ", ".join(f"r.{column}" for column in RELEASE_COLUMNS)
    rows = session.execute(
        text(
            f"SELECT {names}, r.created_at, s.name AS superseded_by FROM factor_releases r"
            " LEFT JOIN factor_releases s ON s.supersedes = r.name ORDER BY r.name"
        )
    )
    return [dict(row._mapping) for row in rows]


def link_release(session: Session, name: str, supersedes: str) -> None:
    """Tell what a loaded release supersedes, when it was not told at loading; as platform."""
    session.execute(
        text(
            "UPDATE factor_releases SET supersedes = :supersedes"
            " WHERE name = :name AND supersedes IS NULL"
        ),
        {"name": name, "supersedes": supersedes},
    )


def insert_release(
    session: Session,
    release: Mapping[str, Any],
    factors: Iterable[EmissionFactor],
    vectors: Mapping[UUID, NDArray[np.float32]],
) -> None:
    """Insert a release with all its factors; as platform. Releases are immutable: no update.

    `release` has RELEASE_COLUMNS, `vectors` the embedding of each factor by id.
    """
    columns = ", ".join(RELEASE_COLUMNS)
    values = ", ".join(f":{column}" for column in RELEASE_COLUMNS)
    session.execute(text(f"INSERT INTO factor_releases ({columns}) VALUES ({values})"), release)
    rows = ((*factor_row(f), vector_text(vectors.get(f.id))) for f in factors)
    copy_to_temporary(session, "loading", (*COLUMNS, ("embedding", "vector(384)")), rows)
    session.execute(
        text(
            f"INSERT INTO emission_factors ({NAMES}, embedding) "
            f"SELECT {NAMES}, embedding FROM pg_temp.loading"
        )
    )


def factors_of(session: Session, releases: Sequence[str]) -> Iterator[EmissionFactor]:
    """Yield the active factors of `releases`, in a stable order."""
    rows = session.execute(
        text(
            f"SELECT {NAMES}, organization_id FROM emission_factors "
            "WHERE release = ANY(:releases) AND is_active AND deleted_at IS NULL "
            "ORDER BY release, source_id"
        ),
        {"releases": list(releases)},
    )
    return (factor_of(row) for row in rows)


def own_factors(session: Session, organization_id: UUID) -> list[EmissionFactor]:
    """Return an organization's own active factors, in a stable order."""
    rows = session.execute(
        text(
            f"SELECT {NAMES}, organization_id FROM emission_factors "
            "WHERE organization_id = :organization_id AND is_active AND deleted_at IS NULL "
            "ORDER BY created_at, id"
        ),
        {"organization_id": organization_id},
    )
    return [factor_of(row) for row in rows]


def factors_by_id(session: Session, ids: Iterable[UUID]) -> dict[UUID, EmissionFactor]:
    """Return factors by id, inactive and superseded ones included: old figures stay explained."""
    rows = session.execute(
        text(f"SELECT {NAMES}, organization_id FROM emission_factors WHERE id = ANY(:ids)"),
        {"ids": sorted(set(ids))},
    )
    return {row.id: factor_of(row) for row in rows}


def is_offered(session: Session, factor_id: UUID) -> bool:
    """Tell whether a factor may be used by new decisions."""
    found = session.execute(
        text(
            "SELECT EXISTS (SELECT FROM emission_factors WHERE id = :id AND is_active"
            " AND deleted_at IS NULL)"
        ),
        {"id": factor_id},
    )
    return bool(found.scalar_one())


def linked_factors(session: Session, releases: Iterable[str]) -> list[EmissionFactor]:
    """Return the factors of `releases` that stand beside others: upstream, outside of scopes."""
    rows = session.execute(
        text(
            f"SELECT {NAMES}, organization_id FROM emission_factors"
            " WHERE release = ANY(:releases) AND activity_kind = ANY(:kinds)"
            " AND deleted_at IS NULL ORDER BY release, source_id"
        ),
        {"releases": sorted(set(releases)), "kinds": list(LINKED_KINDS)},
    )
    return [factor_of(row) for row in rows]


def factor_row(factor: EmissionFactor) -> tuple[Any, ...]:
    """Return a factor as a row of COLUMNS."""
    gases = [{"gas": g.gas, "kg_co2e": g.kg_co2e, "kg_gas": g.kg_gas} for g in factor.gases]
    special = {
        "gases": Jsonb(gases),
        "levels": list(factor.levels),
        "search_texts": list(factor.search_texts),
    }
    return tuple(special[name] if name in special else getattr(factor, name) for name, _ in COLUMNS)


def factor_of(row: Row[Any]) -> EmissionFactor:
    """Return the factor of a row with COLUMNS and organization_id."""
    return EmissionFactor(
        id=row.id,
        release=row.release or "own",
        source_id=row.source_id,
        name=row.name,
        category=row.category,
        unit=row.unit,
        dimension=Dimension(row.dimension),
        value_per_unit=row.value_per_unit,
        region=row.region,
        scope=row.scope,
        scope3_category=row.scope3_category,
        activity_kind=row.activity_kind,
        data_year=row.data_year or row.source_year or 0,
        source_year=row.source_year or 0,
        source=row.source or "",
        licence=row.licence,
        basis=Basis(row.basis) if row.basis else None,
        currency=row.currency,
        price_year=row.price_year,
        gwp_set=row.gwp_set,
        gases=tuple(GasPart(g["gas"], g["kg_co2e"], g["kg_gas"]) for g in row.gases),
        biogenic=row.biogenic,
        levels=tuple(row.levels),
        search_texts=tuple(row.search_texts),
        source_row=row.source_row,
        organization_id=row.organization_id,
        note=row.note,
        valid_from_year=row.valid_from_year,
        valid_to_year=row.valid_to_year,
    )


def vector_text(vector: NDArray[np.float32] | None) -> str | None:
    """Return a vector in pgvector's text form."""
    if vector is None:
        return None
    # six digits after the point: coordinates of unit vectors, kept to half precision anyway
    return str(vector.astype("float64").round(6).tolist())
