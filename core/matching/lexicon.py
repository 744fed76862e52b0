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
        # facet → first word → phrases, longest first
        self._phrases: dict[str, dict[str, list[tuple[tuple[str, ...], str]]]] = {}
        self._prefixes: dict[str, list[tuple[str, str]]] = {}
        vocabulary: set[str] = set()
        for facet, value, text in rows:
            for phrase in text.split("|"):
                if phrase.endswith("*"):
                    self._prefixes.setdefault(facet, []).append((words(phrase)[0], value))
                    continue
                parts = tuple(words(phrase))
                if not parts:
                    continue
                vocabulary.update(parts)
                table = self._phrases.setdefault(facet, {})
                table.setdefault(parts[0], []).append((parts, value))
        for table in self._phrases.values():
            for found in table.values():
                found.sort(key=lambda item: (-len(item[0]), item[1]))
        self.vocabulary = frozenset(vocabulary)

    def find(self, tokens: Sequence[str]) -> list[Hit]:
        """Return the hits of every facet, in order of place."""
        hits: list[Hit] = []
        for facet, table in self._phrases.items():
            index = 0
            while index < len(tokens):
                hit = self._at(facet, table, tokens, index)
                if hit is None:
                    index += 1
                else:
                    hits.append(hit)
                    index = hit.stop
        hits.sort(key=lambda hit: (hit.start, hit.facet))
        return hits

    def _at(
        self,
        facet: str,
        table: dict[str, list[tuple[tuple[str, ...], str]]],
        tokens: Sequence[str],
        index: int,
    ) -> Hit | None:
        for parts, value in table.get(tokens[index], ()):
            stop = index + len(parts)
            if tuple(tokens[index:stop]) == parts:
                return Hit(facet, value, index, stop, " ".join(parts))
        for prefix, value in self._prefixes.get(facet, ()):
            if tokens[index].startswith(prefix):
                return Hit(facet, value, index, index + 1, tokens[index])
        return None


@cache
def lexicon() -> Lexicon:
    """Return the shipped lexicon."""
    return Lexicon(
        [(row["facet"], row["value"], row["phrases"]) for row in read_data("concepts.csv")]
    )
