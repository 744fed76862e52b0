"""Factor releases on their way into a database: embedding, provenance, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine
from sqlmodel import Session

from core.errors import Conflict
from core.factors.importers.result import SourceMeta
from core.factors.release_file import dump_factors
from core.matching.candidates import describing_text
from core.ports import Embedder
from core.records import EmissionFactor
from db.queries import library
from runtime.adapters.library_vectors import look_up


class Outcome(StrEnum):
    """What an import did."""

    IMPORTED = "imported"
    ALREADY_THERE = "already there"


@dataclass(frozen=True, slots=True)
class NewRelease:
    """A release with its factors, and the digest that names its content."""

    meta: SourceMeta
    factors: tuple[EmissionFactor, ...]
    digest: str


def new_release(meta: SourceMeta, factors: Iterable[EmissionFactor]) -> NewRelease:
    """Put a release together."""
    kept = tuple(factors)
    return NewRelease(meta, kept, digest_of(meta, kept))


def digest_of(meta: SourceMeta, factors: Iterable[EmissionFactor]) -> str:
    """Return the digest of a release's normalized table: what may never change under its name."""
    return hashlib.sha256(dump_factors(factors, meta).encode()).hexdigest()


def check(session: Session, release: NewRelease) -> Outcome:
    """Tell whether a release would be new here.

    Raises Conflict when its name stands for other content, or its place in the chain is taken.
    """
    name, supersedes = release.meta.release, release.meta.supersedes
    known = library.find_release(session, name)
    if known is not None and known.sha256 != release.digest:
        raise Conflict(
            f"the release {name} is here already with other content, and releases are immutable; "
            "give all of its files again (--index for epa-supply-chain) to compare, or "
            f"import the file under another name: --release NAME --supersedes {name}"
        )
    if known is not None and supersedes in ("", known.supersedes):
        return Outcome.ALREADY_THERE
    if known is not None and known.supersedes is not None:
        raise Conflict(f"the release {name} supersedes {known.supersedes}, which never changes")
    if supersedes:
        _check_chain(session, name, supersedes)
    return Outcome.ALREADY_THERE if known is not None else Outcome.IMPORTED


def _check_chain(session: Session, name: str, supersedes: str) -> None:
    if supersedes == name:
        raise Conflict("a release cannot supersede itself")
    before = library.find_release(session, supersedes)
    if before is None:
        raise Conflict(f"there is no release {supersedes} to supersede; import it first")
    if before.superseded_by not in (None, name):
        raise Conflict(
            f"{supersedes} is superseded by {before.superseded_by}; supersede the newest one"
        )
    link: library.KnownRelease | None = before
    while link is not None and link.supersedes:
        if link.supersedes == name:
            raise Conflict(f"{supersedes} came after {name}; a chain has no circle")
        link = library.find_release(session, link.supersedes)


def store(session: Session, release: NewRelease, embedder: Embedder) -> Outcome:
    """Insert a release with the embeddings of its factors, unless it is there; the caller commits.

    Raises Conflict as `check` does.
    """
    outcome = check(session, release)
    if outcome is Outcome.IMPORTED:
        vectors = vectors_of(release.factors, embedder)
        library.insert_release(session, release_row(release), release.factors, vectors)
    elif release.meta.supersedes:
        library.link_release(session, release.meta.release, release.meta.supersedes)
    return outcome


def import_release(platform: Engine, release: NewRelease, embedder: Embedder) -> Outcome:
    """Store a release in a transaction of its own: all of it or nothing."""
    with Session(platform) as session:
        outcome = store(session, release, embedder)
        session.commit()
    return outcome


def vectors_of(
    factors: Iterable[EmissionFactor], embedder: Embedder
) -> dict[UUID, NDArray[np.float32]]:
    """Return the embedding of each factor by id; texts that ship with their vectors cost nothing.

    Rounded to half precision like the shipped ones, so that a text has one vector.
    """
    texts = {factor.id: describing_text(factor) for factor in factors}
    distinct = sorted(set(texts.values()))
    known, shipped = look_up(embedder.name, distinct)
    places = iter(shipped)
    found = {text: next(places) for text, here in zip(distinct, known, strict=True) if here}
    rest = [text for text, here in zip(distinct, known, strict=True) if not here]
    if rest:
        rounded = embedder.embed(rest).astype(np.float16).astype(np.float32)
        found |= dict(zip(rest, rounded, strict=True))
    return {factor_id: found[text] for factor_id, text in texts.items()}


def release_row(release: NewRelease) -> dict[str, Any]:
    """Return a release as a row of factor_releases."""
    meta = release.meta
    return {
        "name": meta.release,
        "publisher": meta.publisher,
        "title": meta.title,
        "version": meta.version,
        "source_year": meta.year,
        "data_year": meta.data_year,
        "licence": meta.licence,
        "share_alike": meta.share_alike,
        "url": meta.url or None,
        "retrieved_on": meta.retrieved_on or None,
        "sha256": release.digest,
        "file_name": meta.file_name,
        "file_sha256": meta.file_sha256,
        "gwp_set": meta.gwp_set,
        "note": meta.note,
        "supersedes": meta.supersedes or None,
        "factor_count": len(release.factors),
    }
