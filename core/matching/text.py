"""Texts as people write them → words that can be compared."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib import resources

from core.normal_form import normal
from core.short_cache import short_cache

# Function words of the languages we read; they say nothing of the activity.
_STOP_WORDS = (
    "a an and the of for to in on at by with from per or as is was were be this that our your "
    "its no not nr via inc ltd llc plc gmbh sa sarl co corp der die das und fur von mit im am "
    "zu den des du de la le les et pour par en el los las y con un una une il di e ein eine"
)
STOP = frozenset(_STOP_WORDS.split())
# Of a text, in characters: a cell may hold 32,767, and to fold that many takes seconds.
_LONGEST = 4_000


@short_cache(20_000)
def plain(text: str) -> str:
    """Fold case and accents, other signs to one blank: "Heizöl-EL" → "heizol el"."""
    text = text[:_LONGEST]
    folded = normal("NFKD", text.casefold().replace("ß", "ss"))
    kept = "".join(c for c in folded if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", " ", kept.replace("ł", "l").replace("ø", "o")).strip()


def words(text: str) -> list[str]:
    """Return the plain words of a text, in order, with their repetitions."""
    return plain(text).split()


def read_data(name: str) -> list[dict[str, str]]:
    """Read one of the CSV tables of core/matching/data."""
    text = (resources.files("core.matching") / "data" / name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def abbreviations() -> dict[str, tuple[str, ...]]:
    """Return the short forms of purchase lines and what they stand for."""
    return {row["short"]: tuple(row["long"].split()) for row in read_data("abbreviations.csv")}


@cache
def _stemmer() -> object:
    import snowballstemmer

    return snowballstemmer.stemmer("english")


@short_cache(200_000)
def stem(word: str) -> str:
    """Return the English stem of a plain word; codes and numbers stay as they are."""
    if not word.isalpha() or len(word) < 4:
        return word
    return str(_stemmer().stemWord(word))  # type: ignore[attr-defined]


def content_stems(text: str, *, expand: bool = True) -> list[str]:
    """Return the stems of the words that carry meaning: no stop words, sizes or part numbers."""
    found: list[str] = []
    for word in words(text):
        if word in STOP or is_code(word):
            continue
        found.append(stem(word))
        if expand:
            found.extend(stem(long) for long in abbreviations().get(word, ()) if long not in STOP)
    return found


@short_cache(200_000)
def is_code(word: str) -> bool:
    """Tell whether a word is a size, a number or a part number, not a thing."""
    if len(word) == 1:
        return True
    return any(c.isdigit() for c in word)


def grams(word: str, size: int = 3) -> set[str]:
    """Return the character n-grams of a word with its borders marked."""
    marked = f"^{word}$"
    return {marked[i : i + size] for i in range(len(marked) - size + 1)}


class Speller:
    """Repairs misspelt words against a vocabulary: one edit from 5 letters on, two from 9."""

    def __init__(self, vocabulary: Iterable[str], *, remembered: int = 100_000) -> None:
        self._known = frozenset(vocabulary)
        self._by_length: dict[int, list[str]] = {}
        for word in sorted(self._known):
            if word.isalpha() and len(word) >= 5:
                self._by_length.setdefault(len(word), []).append(word)
        # A worker lives long, and every upload brings words that nobody knows.
        self._repaired = short_cache(remembered)(self._nearest)

    def repair(self, word: str, *, known: frozenset[str] = frozenset()) -> str:
        """Return the word, or the only nearest word of the vocabulary when it is unknown."""
        if len(word) < 5 or not word.isalpha() or word in self._known or word in known:
            return word
        return self._repaired(word)

    def _nearest(self, word: str) -> str:
        from rapidfuzz.distance import OSA

        limit = 1 if len(word) < 9 else 2
        best, ties, least = word, 0, limit + 1
        for length in range(len(word) - limit, len(word) + limit + 1):
            for other in self._by_length.get(length, ()):
                if other[0] != word[0] and other[-1] != word[-1]:
                    continue
                distance = OSA.distance(word, other, score_cutoff=limit)
                if distance < least:
                    best, ties, least = other, 1, distance
                elif distance == least <= limit:
                    ties += 1
        return best if ties == 1 else word
