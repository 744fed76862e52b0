"""Countries by their names in English, German, French and Spanish, and by well-known cities.

ISO 3166-1 alpha-2 codes. Used to read the hotel rows of DESNZ and to see a country in a text. A
name of several countries ("Cambridge") stands with each; the first in the table is the best known.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources

from core.normal_form import normal

_LONGEST = 4  # words of a name


@cache
def _table() -> dict[str, tuple[str, ...]]:
    text = (resources.files("core.factors") / "data" / "places.csv").read_text("utf-8")
    names: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines()[1:]:
        code, _, words = line.partition(",")
        for word in map(plain, words.split("|")):
            known = names.get(word, ())
            if code not in known:
                names[word] = (*known, code)
    return names


def plain(text: str) -> str:
    """Fold case and accents, make every run of other signs one blank."""
    folded = normal("NFKD", text.casefold())
    kept = "".join(c for c in folded if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", " ", kept).strip()


def country_code(name: str) -> str | None:
    """Return the ISO code of a country or well-known city, or None."""
    return _table().get(plain(name), (None,))[0]


def countries_of(name: str) -> tuple[str, ...]:
    """Return the ISO codes of every country that has a place of this name, best known first."""
    return _table().get(plain(name), ())


def place_names() -> tuple[str, ...]:
    """Return every name of the table, plain."""
    return tuple(_table())


def places_in(text: str) -> list[tuple[str, str]]:
    """Find countries and well-known cities in a text: (ISO code, the word), in order of place."""
    words = plain(text).split()
    found: list[tuple[str, str]] = []
    table = _table()
    index = 0
    while index < len(words):
        for length in range(_LONGEST, 0, -1):
            phrase = " ".join(words[index : index + length])
            if len(words) - index >= length and len(phrase) > 2 and phrase in table:
                found.append((table[phrase][0], phrase))
                index += length - 1
                break
        index += 1
    return found
