"""The factors of a library, laid out so that an activity meets few of them.

Filters come first: an activity sees factors of its unit's dimension alone, and of these only the
ones whose key facet (product, mode, material, gas) it names.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.factors.editions import Editions
from core.matching.factor_facets import Facets, facets_of, family_of
from core.matching.lexicon import lexicon
from core.matching.spend import SpendIndex, entry_texts
from core.matching.text import Speller, content_stems, words
from core.ports import CachingEmbedder, Embedder
from core.records import Dimension, EmissionFactor

KEY_FACET = {"energy": "product", "vehicle": "mode", "refrigerant": "gas", "material": "material",
             "waste": "material"}  # fmt: skip

SEGMENT = "#segment"
Vectors = NDArray[np.float32]


def describing_text(factor: EmissionFactor) -> str:
    """Return the text by which a factor is found by meaning; its vector is in PostgreSQL too."""
    return f"{factor.name} {factor.category}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A factor with what the matcher knows of it."""

    factor: EmissionFactor
    family: str
    facets: Facets
    stems: frozenset[str]  # of its name, for text comparison


class LibraryIndex:
    """A set of factors to match against. Immutable after `build`; safe to share."""

    def __init__(
        self,
        entries: list[Entry],
        spend: SpendIndex,
        embedder: Embedder | None,
        vectors: Vectors | None = None,
    ) -> None:
        """`vectors` holds a row for `describing_text` of each entry, in order."""
        self.entries = entries
        self.spend = spend
        self.embedder = embedder
        self._vectors: dict[Dimension, Vectors] = {}
        self._usable_spend: dict[int | None, NDArray[np.bool_]] = {}
        self.editions = Editions([*(entry.factor for entry in entries), *spend.factors])
        self.by_id = {entry.factor.id: entry.factor for entry in entries}
        self.by_id |= {factor.id: factor for factor in spend.factors}
        self.releases = frozenset(factor.release for factor in self.by_id.values())
        self._by_key: dict[tuple[Dimension, str, str, frozenset[str]], list[Entry]] = defaultdict(
            list
        )
        self._by_dimension: dict[Dimension, list[Entry]] = defaultdict(list)
        self._dimensions: dict[tuple[str, str], set[Dimension]] = defaultdict(set)
        rows: dict[Dimension, list[int]] = defaultdict(list)
        for row, entry in enumerate(entries):
            dimension = entry.factor.dimension
            self._by_dimension[dimension].append(entry)
            rows[dimension].append(row)
            facet = KEY_FACET.get(entry.family)
            upstream = entry.facets.get("upstream", frozenset())
            # Most car rows are by market segment, which few activities name: kept apart.
            special = SEGMENT if entry.facets.get("segment") else ""
            for value in entry.facets.get(facet, ()) if facet else ("",):
                self._by_key[dimension, facet or entry.family, value + special, upstream].append(
                    entry
                )
                if not entry.facets.get("upstream"):
                    self._dimensions[facet or entry.family, value].add(dimension)
        if vectors is not None:
            self._vectors = {dimension: vectors[places] for dimension, places in rows.items()}
        self.own = [
            (
                factor,
                [
                    frozenset(content_stems(text, expand=False))
                    for text in (factor.name, *factor.search_texts)
                ],
            )
            for factor in (*(e.factor for e in entries), *spend.factors)
            if factor.organization_id is not None
        ]
        self._by_text = self._text_index()
        vocabulary = {w for entry in entries for w in words(entry.factor.name)}
        for factor in spend.factors:
            for text in entry_texts(factor):
                vocabulary.update(words(text))
        self.speller = Speller(vocabulary | lexicon().vocabulary)
        self.home = self._homes()

    def usable_spend(self, year: int | None) -> NDArray[np.bool_]:
        """Return which spend factors an activity of a year may use: valid, one edition of each."""
        if year not in self._usable_spend:
            self._usable_spend[year] = np.array(
                [self.editions.current(factor, year) for factor in self.spend.factors], dtype=bool
            )
        return self._usable_spend[year]

    @classmethod
    def build(
        cls,
        factors: Iterable[EmissionFactor],
        embedder: Embedder | None = None,
        cache_dir: Path | None = None,
    ) -> LibraryIndex:
        """Index factors of any origin.

        The texts of the spend factors are embedded (about 23,000 for the shipped release): with
        `cache_dir` an embedder that can, keeps the vectors there.
        """
        entries: list[Entry] = []
        spend: list[EmissionFactor] = []
        apart: dict[UUID, EmissionFactor] = {}  # biogenic: never offered, and known to be there
        for factor in sorted(factors, key=lambda f: (f.release, f.source_id, str(f.id))):
            if factor.dimension is Dimension.MONEY:
                spend.append(factor)
            elif not factor.biogenic:
                stems = frozenset(content_stems(factor.name, expand=False))
                entries.append(Entry(factor, family_of(factor), facets_of(factor), stems))
            else:
                apart[factor.id] = factor
        index = cls._embedded(entries, spend, embedder, cache_dir)
        index.by_id |= apart
        return index

    @classmethod
    def _embedded(
        cls,
        entries: list[Entry],
        spend: list[EmissionFactor],
        embedder: Embedder | None,
        cache_dir: Path | None,
    ) -> LibraryIndex:
        if embedder is None:
            return cls(entries, SpendIndex(spend, None), None)
        texts = [text for f in spend for text in entry_texts(f)]
        near = [describing_text(entry.factor) for entry in entries]
        if cache_dir is not None and isinstance(embedder, CachingEmbedder):
            vectors = embedder.embed_cached(texts + near, cache_dir)
        else:
            vectors = embedder.embed(texts + near)
        of_spend = vectors[: len(texts)] if spend else None
        return cls(entries, SpendIndex(spend, of_spend), embedder, vectors[len(texts) :])

    def named(
        self, dimension: Dimension, facet: str, values: Iterable[str], upstream: frozenset[str]
    ) -> list[Entry]:
        """Return the entries of a dimension and upstream stage with one of these key values."""
        return [
            entry
            for value in values
            for entry in self._by_key.get((dimension, facet, value, upstream), ())
        ]

    def dimensions_of(self, facet: str, value: str) -> set[Dimension]:
        """Return the dimensions in which the library knows a product, material or gas at all."""
        return self._dimensions.get((facet, value), set())

    def in_dimension(self, dimension: Dimension) -> list[Entry]:
        """Return all entries of a dimension."""
        return self._by_dimension.get(dimension, [])

    def by_words(self, dimension: Dimension, stems: Iterable[str], limit: int = 200) -> list[Entry]:
        """Return entries that share words with a text, most shared words first."""
        table = self._by_text.get(dimension, {})
        counts: Counter[int] = Counter()
        for s in set(stems):
            rows = table.get(s, ())
            if len(rows) <= 400:  # a word of everything tells nothing
                counts.update(rows)
        best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
        return [self._by_dimension[dimension][row] for row, _ in best]

    def by_meaning(
        self, dimension: Dimension, text: str, limit: int = 200
    ) -> list[tuple[Entry, float]]:
        """Return the entries whose texts are nearest in meaning, with their cosines, best first."""
        vectors = self._vectors.get(dimension)
        if self.embedder is None or vectors is None:
            return []
        similar = vectors @ self.embedder.embed([text])[0]
        best = np.argsort(-similar, kind="stable")[:limit]
        entries = self._by_dimension[dimension]
        return [(entries[row], float(similar[row])) for row in best.tolist()]

    def _text_index(self) -> dict[Dimension, dict[str, list[int]]]:
        index: dict[Dimension, dict[str, list[int]]] = {}
        for dimension, entries in self._by_dimension.items():
            table: dict[str, list[int]] = defaultdict(list)
            for row, entry in enumerate(entries):
                for s in entry.stems:
                    table[s].append(row)
            index[dimension] = table
        return index

    def _homes(self) -> dict[str, str]:
        """The country that most factors of a release are about: a publisher's home."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for entry in self.entries:
            if entry.factor.region:
                counts[entry.factor.release][entry.factor.region[:2]] += 1
        return {release: counter.most_common(1)[0][0] for release, counter in counts.items()}
