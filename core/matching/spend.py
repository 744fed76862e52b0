"""Ranks the sectors of a spend-based library (NAICS) for a purchase line.

A sector is known by its name, its index entries and everyday words for it (spend_terms.csv). For
each line every sector gets a handful of features, and a score that is linear in them. The weights
are learned (tests/benchmarks/train_spend.py, with cross-validation) and written down here.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from core.matching.text import content_stems, read_data, stem
from core.records import EmissionFactor

Array = NDArray[np.float32]

FEATURES = ("best", "best3", "name", "centre", "cover", "dice", "bm25", "head", "made", "trade",
            "term", "group")  # fmt: skip
# Learned on the Austin dev lines and the spend lines of activity_dev; see docs/matching.md.
WEIGHTS = np.array([3.0, 12.0, 1.2, 1.5, 1.0, 2.3, 3.4, 1.4, 1.5, -0.3, 1.0, 3.5], dtype=np.float32)
_GENERIC_WORDS = (
    "manufacturing manufacturer other all except miscellaneous not elsewhere classified related "
    "general purpose merchant wholesaler wholesalers store stores"
)
_SERVICES = (
    "service services repair rental hire maintenance installation consulting fee fees contract "
    "cleaning training subscription insurance membership lease"
)
_GENERIC = frozenset(stem(word) for word in _GENERIC_WORDS.split())
_SERVICE_WORDS = frozenset(stem(word) for word in _SERVICES.split())


@cache
def everyday_terms() -> dict[str, tuple[str, ...]]:
    """Return NAICS code → everyday words for it, our own work."""
    return {row["code"]: tuple(row["terms"].split("|")) for row in read_data("spend_terms.csv")}


def entry_texts(factor: EmissionFactor) -> tuple[str, ...]:
    """Return the texts a sector is searched by: its name first."""
    return (factor.name, *factor.search_texts, *everyday_terms().get(factor.source_id, ()))


class SpendIndex:
    """The sectors of a library, ready to be scored many lines at a time."""

    def __init__(self, factors: Sequence[EmissionFactor], vectors: Array | None) -> None:
        """`vectors` holds a row for each of `entry_texts` of each factor, in order; None without
        an embedder."""
        self.factors = list(factors)
        texts = [entry_texts(factor) for factor in factors]
        counts = [len(entries) for entries in texts]
        # Sectors with equally many entries lie side by side, so that the best and the best three
        # entries of all of them come out of one reshaped partition.
        self._order = sorted(range(len(factors)), key=lambda i: (counts[i], i))
        starts = np.concatenate([[0], np.cumsum(counts)])
        rows = [r for i in self._order for r in range(starts[i], starts[i + 1])]
        self._entries = [content for i in self._order for content in texts[i]]
        self._own = np.repeat(np.arange(len(factors)), [counts[i] for i in self._order])
        self._first = np.concatenate([[0], np.cumsum([counts[i] for i in self._order])])[:-1]
        self._groups = self._runs([counts[i] for i in self._order])
        self._vectors = None if vectors is None else np.ascontiguousarray(vectors[rows].T)
        self._centre = None if vectors is None else self._centres(vectors, starts)
        self._lexical()
        codes = [self.factors[i].source_id for i in self._order]
        self._made = np.array([c[:2] in ("31", "32", "33") for c in codes], dtype=np.float32)
        self._trade = np.array([c[:2] in ("42", "44", "45") for c in codes], dtype=np.float32)
        _, self._parent = np.unique([c[:4] for c in codes], return_inverse=True)
        self._by_parent = np.argsort(self._parent, kind="stable")
        sizes = np.bincount(self._parent) if len(codes) else np.zeros(0, dtype=np.int64)
        self._parent_first = np.concatenate([[0], np.cumsum(sizes)])[:-1]
        self.factors = [self.factors[i] for i in self._order]

    def features(self, texts: Sequence[str], vectors: Array | None) -> Array:
        """Return an array (len(FEATURES), texts, factors); factors in the order of `factors`."""
        out = np.zeros((len(FEATURES), len(texts), len(self.factors)), dtype=np.float32)
        if vectors is not None and self._vectors is not None and self._centre is not None:
            similar = vectors @ self._vectors
            for start, stop, first, count in self._groups:
                block = similar[:, first : first + (stop - start) * count]
                block = block.reshape(len(texts), stop - start, count)
                if count > 3:
                    block = np.partition(block, count - 3, axis=2)[:, :, count - 3 :]
                out[0, :, start:stop] = block.max(axis=2)
                out[1, :, start:stop] = block.mean(axis=2)
            out[2] = similar[:, self._first]
            out[3] = vectors @ self._centre
        for index, text in enumerate(texts):
            self._lexical_features(text, out[:, index])
        self._parent_feature(out)
        return out

    def scores(self, texts: Sequence[str], vectors: Array | None) -> tuple[Array, Array]:
        """Return (scores, features): scores (texts, factors), linear in the features."""
        features = self.features(texts, vectors)
        return np.tensordot(WEIGHTS, features, axes=1), features

    def _parent_feature(self, out: Array) -> None:
        # The best sector of the same 4-digit group: neighbours vouch for each other.
        if not len(self._parent):
            return
        base = (out[0] + 0.5 * out[4])[:, self._by_parent]
        best = np.maximum.reduceat(base, self._parent_first, axis=1)
        out[11] = best[:, self._parent]

    @staticmethod
    def _runs(counts: list[int]) -> list[tuple[int, int, int, int]]:
        runs: list[tuple[int, int, int, int]] = []
        start = first = 0
        while start < len(counts):
            stop = start
            while stop < len(counts) and counts[stop] == counts[start]:
                stop += 1
            runs.append((start, stop, first, counts[start]))
            first += (stop - start) * counts[start]
            start = stop
        return runs

    def _centres(self, vectors: Array, starts: NDArray[np.int64]) -> Array:
        centres = np.stack([vectors[starts[i] : starts[i + 1]].mean(axis=0) for i in self._order])
        norms = np.linalg.norm(centres, axis=1, keepdims=True)
        return np.ascontiguousarray((centres / np.maximum(norms, 1e-9)).T)

    def _lexical(self) -> None:
        self._stems = [
            [s for s in content_stems(text, expand=False) if s not in _GENERIC]
            for text in self._entries
        ]
        count = len(self.factors)
        frequency: list[Counter[str]] = [Counter() for _ in range(count)]
        for stems, own in zip(self._stems, self._own.tolist(), strict=True):
            frequency[own].update(stems)
        documents = Counter(s for counter in frequency for s in counter)
        self._idf = {s: math.log(1 + (count - n + 0.5) / (n + 0.5)) for s, n in documents.items()}
        self._unknown = 0.6 * math.log(1 + count)
        lengths = np.array([sum(c.values()) for c in frequency], dtype=np.float32)
        mean = max(float(lengths.mean()), 1.0) if count else 1.0
        postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for own, counter in enumerate(frequency):
            for s, n in counter.items():
                weight = n * 2.2 / (n + 1.2 * (0.25 + 0.75 * float(lengths[own]) / mean))
                postings[s].append((own, self._idf[s] * weight))
        self._postings = {
            s: (np.array([o for o, _ in p]), np.array([w for _, w in p], dtype=np.float32))
            for s, p in postings.items()
        }
        entries: dict[str, list[int]] = defaultdict(list)
        heads: dict[str, set[int]] = defaultdict(set)
        whole: dict[frozenset[str], set[int]] = defaultdict(set)
        for index, stems in enumerate(self._stems):
            for s in set(stems):
                entries[s].append(index)
            if stems:
                heads[stems[0]].add(int(self._own[index]))
                whole[frozenset(stems)].add(int(self._own[index]))
        self._inverted = {s: np.array(rows) for s, rows in entries.items()}
        self._heads = {s: np.array(sorted(owners)) for s, owners in heads.items()}
        self._whole = whole
        self._longest = min(4, max((len(k) for k in whole), default=0))
        self._mass = np.array(
            [sum(self._idf[s] for s in set(stems)) + 1e-6 for stems in self._stems],
            dtype=np.float32,
        )

    def _query_stems(self, text: str) -> list[str]:
        return [s for s in dict.fromkeys(content_stems(text)) if s not in _GENERIC]

    def _lexical_features(self, text: str, out: Array) -> None:
        stems = self._query_stems(text)
        services = bool(_SERVICE_WORDS & set(stems))
        out[8] = 0.0 if services else self._made
        out[9] = self._trade
        if not stems:
            return
        weights = [self._idf.get(s, self._unknown) for s in stems]
        total = sum(weights)
        # Not shared between calls: several threads may match at once.
        hit = np.zeros(len(self._entries), dtype=np.float32)
        touched = []
        for s, weight in zip(stems, weights, strict=True):
            rows = self._inverted.get(s)
            if rows is not None:
                hit[rows] += weight
                touched.append(rows)
                owners, scores = self._postings[s]
                out[6, owners] += scores
        out[6] /= 2.2 * total
        if touched:
            rows = np.concatenate(touched)
            owner = self._own[rows]
            np.maximum.at(out[4], owner, hit[rows] / total)
            np.maximum.at(out[5], owner, 2 * hit[rows] / (total + self._mass[rows]))
        owners_of_head = self._heads.get(stems[0])
        if owners_of_head is not None:
            out[7, owners_of_head] = 1.0
        self._terms(stems, out)

    def _terms(self, stems: list[str], out: Array) -> None:
        """Mark sectors of which a whole entry stands in the line, by how much of it that is."""
        for size in range(1, self._longest + 1):
            for start in range(len(stems) - size + 1):
                window = frozenset(stems[start : start + size])
                for owner in self._whole.get(window, ()):
                    value = 0.5 * size + (0.5 if start == 0 else 0.0)
                    out[10, owner] = max(out[10, owner], value)
