"""The releases that ship with the project, read from package data."""

from __future__ import annotations

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


def releases() -> list[str]:
    """Return the names of the shipped releases, sorted."""
    return sorted(_sources())


@cache
def load_release(name: str) -> Release:
    """Read a shipped release. Raises core.errors.NotFound for an unknown name."""
    meta = _sources().get(name)
    if meta is None:
        raise NotFound(f"there is no shipped factor release {name}")
    text = (resources.files("core.factors") / "data" / f"{name}.csv").read_text("utf-8")
    return Release(meta, load_factors(text, meta))


@cache
def _sources() -> dict[str, SourceMeta]:
    text = (resources.files("core.factors") / "data" / "sources.toml").read_text("utf-8")
    return load_sources(text)
