"""The words of the field: which phrases mean which concept, in several languages.

The table is core/matching/data/concepts.csv: facet, value, phrases. A facet is one way in which
activities differ (product, mode of transport, waste route …). Within a facet the longest phrase
wins and uses up its words, so that "red diesel" is gas oil and not diesel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from core.matching.text import read_data, words

_PREFIX = 4  # letters by which open-ended phrases are looked up; none is shorter


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase found in a text: its concept, and the words it covers."""

    facet: str
    value: str
    start: int
    stop: int
    phrase: str

    @property
    def span(self) -> range:
        """The places of its words."""
        return range(self.start, self.stop)


class Lexicon:
    """Finds concepts in plain words."""

    def __init__(self, rows: Sequence[tuple[str, str, str]]) -> None:
        # first word → (facet, all words, value), longest first: one look-up a word of the text,
        # whatever the number of facets
        self._phrases: dict[str, list[tuple[str, tuple[str, ...], str]]] = {}
        self._prefixes: dict[str, list[tuple[str, str, str]]] = {}
        vocabulary: set[str] = set()
        for facet, value, text in rows:
            for phrase in text.split("|"):
                parts = tuple(words(phrase))
                if not parts:
                    continue
                if phrase.endswith("*"):
                    key = parts[0][:_PREFIX]
                    self._prefixes.setdefault(key, []).append((facet, parts[0], value))
                    continue
                vocabulary.update(parts)
                self._phrases.setdefault(parts[0], []).append((facet, parts, value))
        for found in self._phrases.values():
            found.sort(key=lambda item: (-len(item[1]), item[0], item[2]))
        self.vocabulary = frozenset(vocabulary)

    def find(self, tokens: Sequence[str]) -> list[Hit]:
        """Return the hits of every facet, in order of place."""
        hits: list[Hit] = []
        used: dict[str, int] = {}  # facet → the first word that no hit of it covers yet
        for index, token in enumerate(tokens):
            for facet, parts, value in self._phrases.get(token, ()):
                stop = index + len(parts)
                if used.get(facet, 0) <= index and tuple(tokens[index:stop]) == parts:
                    hits.append(Hit(facet, value, index, stop, " ".join(parts)))
                    used[facet] = stop
            for facet, prefix, value in self._prefixes.get(token[:_PREFIX], ()):
                if used.get(facet, 0) <= index and token.startswith(prefix):
                    hits.append(Hit(facet, value, index, index + 1, token))
                    used[facet] = index + 1
        hits.sort(key=lambda hit: (hit.start, hit.facet))
        return hits


@cache
def lexicon() -> Lexicon:
    """Return the shipped lexicon."""
    return Lexicon(
        [(row["facet"], row["value"], row["phrases"]) for row in read_data("concepts.csv")]
    )
