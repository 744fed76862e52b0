"""The releases that ship with the project, read from package data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from core.errors import NotFound
from core.factors.importers.result import SourceMeta
from core.factors.release_file import load_factors, load_sources
from core.records import EmissionFactor


@dataclass(frozen=True, slots=True)
class Release:
    """An immutable set of factors with its provenance."""

    meta: SourceMeta
    factors: tuple[EmissionFactor, ...]


# What an organization uses until it pins something else.
DEFAULT_RELEASES = ("desnz-2025", "epa-hub-2025", "epa-supply-chain-1.3")


def releases() -> list[str]:
    """Return the names of the shipped releases, sorted."""
    return sorted(_sources())


def releases_in_order() -> list[str]:
    """Return the names of the shipped releases, each after the one that it supersedes."""
    ordered: list[str] = []
    for name in releases():
        chain = [name]
        while (before := _sources()[chain[-1]].supersedes) and before not in ordered:
            chain.append(before)
        ordered += [link for link in reversed(chain) if link not in ordered]
    return ordered


def source_of(name: str) -> SourceMeta:
    """Return where a shipped release comes from. Raises core.errors.NotFound."""
    meta = _sources().get(name)
    if meta is None:
        raise NotFound(f"there is no shipped factor release {name}")
    return meta


@cache
def edition_of(release: str, year: int) -> str | None:
    """Return the shipped edition of a release's publication for a year, itself included."""
    meta = _sources().get(release)
    if meta is None:
        return None
    family = release.rpartition("-")[0]
    return next(
        (
            name
            for name, other in sorted(_sources().items())
            if other.data_year == year
            and other.publisher == meta.publisher
            and name.rpartition("-")[0] == family
        ),
        None,
    )


def shipped_digest(name: str) -> str:
    """Return the sha256 of a shipped release's table: what may never change under its name."""
    return hashlib.sha256(_table(name).encode()).hexdigest()


@cache
def load_release(name: str) -> Release:
    """Read a shipped release. Raises core.errors.NotFound for an unknown name."""
    meta = source_of(name)
    return Release(meta, load_factors(_table(name), meta))


def _table(name: str) -> str:
    return (resources.files("core.factors") / "data" / f"{name}.csv").read_text("utf-8")


@cache
def _sources() -> dict[str, SourceMeta]:
    text = (resources.files("core.factors") / "data" / "sources.toml").read_text("utf-8")
    return load_sources(text)
