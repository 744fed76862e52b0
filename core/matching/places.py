"""Where an activity happened: country and US grid subregion, from its region and its words."""

from __future__ import annotations

from functools import cache

from core.factors.countries import places_in
from core.matching.text import plain, read_data


@cache
def _egrid() -> tuple[dict[str, str], dict[str, str]]:
    states: dict[str, str] = {}
    names: dict[str, str] = {}
    for row in read_data("egrid.csv"):
        for state in filter(None, row["states"].split("|")):
            states.setdefault(state, row["subregion"])
        for place in row["places"].split("|"):
            names.setdefault(plain(place), row["subregion"])
    return states, names


def egrid_subregion(region: str | None, text: str, raw: str = "") -> tuple[str, str] | None:
    """Return (eGRID subregion, the place it was read from) of a US activity, or None.

    States with several subregions get the one with most of their load; the choice is disclosed.
    """
    states, names = _egrid()
    tokens = plain(text).split()
    for length in (3, 2, 1):
        for index in range(len(tokens) - length + 1):
            phrase = " ".join(tokens[index : index + length])
            if phrase in names:
                return names[phrase], phrase
    for word in raw.replace(",", " ").split():
        if len(word) == 2 and word.isupper() and word in states and word not in ("OR", "IN"):
            return states[word], word
    if region and region.startswith("US-"):
        part = region[3:]
        if part in states:
            return states[part], region
        return (part, region) if len(part) == 4 else None
    return None


def stay_country(text: str) -> str | None:
    """Return the country of a hotel stay that a text names, or None."""
    found = [code for code, _ in places_in(text)]
    return found[0] if found else None
