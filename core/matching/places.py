"""Where an activity happened: country and US grid subregion, from its region and its words.

Subregions are those of EPA's eGRID map, by place as EPA's Power Profiler tells them and by the
territory of the electric utility. The table is core/matching/data/egrid.csv: kind, name, state,
subregion. A `place_with_state` ("Aurora", "Rogers") counts only where its state is named too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache

from core.factors.countries import countries_of, place_names, places_in
from core.matching.routes import airport_names, codes_in
from core.matching.text import plain, read_data

_LONGEST = 5  # words of a name
# Abbreviations that are words or mean other things; they count after a place or a comma, or
# before a ZIP code. "LA" is Los Angeles as often as Louisiana, "DC" a distribution centre.
_DOUBTFUL = frozenset(
    {"OR", "IN", "ME", "OK", "HI", "DE", "ID", "CO", "AL", "MS", "MT", "LA", "DC"}
)
_PLACE_ONLY = frozenset({"LA", "DC"})
_ABBREVIATED = re.compile(r"(?<![\w&])([A-Z]{2})(?![\w&])")
# Country codes at the end of a place: "ibis Bencoolen, SG".
_CODE_AT_END = re.compile(r"(?:[,(/;]|\s-)\s*([A-Z]{2,3})\)?\s*(?=$|[;,(])")
_CLEAR = re.compile(r"(?<![\w&])(SG|UAE|KSA|HK|USA)(?![\w&])")  # never another word
_COUNTRY_CODES = {
    "UK": "GB", "GB": "GB", "GBR": "GB", "SG": "SG", "SGP": "SG", "UAE": "AE", "KSA": "SA",
    "HK": "HK", "USA": "US", "US": "US", "FR": "FR", "FRA": "FR", "DE": "DE", "GER": "DE",
    "ES": "ES", "ESP": "ES", "NL": "NL", "NED": "NL", "CH": "CH", "SUI": "CH", "IT": "IT",
    "ITA": "IT", "BE": "BE", "AT": "AT", "AUT": "AT", "JP": "JP", "JPN": "JP", "CN": "CN",
    "PRC": "CN", "CHN": "CN", "KR": "KR", "IN": "IN", "IND": "IN", "AU": "AU", "AUS": "AU",
    "NZ": "NZ", "ZA": "ZA", "RSA": "ZA", "BR": "BR", "MX": "MX", "MEX": "MX", "CA": "CA",
    "PT": "PT", "IE": "IE", "PL": "PL", "SE": "SE", "DK": "DK", "NO": "NO", "FI": "FI",
    "TR": "TR", "QA": "QA", "TH": "TH", "VN": "VN", "MY": "MY", "PH": "PH", "TW": "TW",
    "CZ": "CZ", "HU": "HU", "GR": "GR", "EG": "EG", "LU": "LU",
}  # fmt: skip


@dataclass(slots=True)
class _Grid:
    """The table of names, by kind."""

    states: dict[str, str] = field(default_factory=dict)  # abbreviation → subregion
    # name → (kind, state, subregion) for every meaning of it
    names: dict[str, list[tuple[str, str, str]]] = field(default_factory=lambda: defaultdict(list))


@cache
def _grid() -> _Grid:
    grid = _Grid()
    for row in read_data("egrid.csv"):
        if row["kind"] == "state":
            grid.states.setdefault(row["state"], row["subregion"])
        meaning = (row["kind"], row["state"], row["subregion"])
        grid.names[row["name"]].append(meaning)
    return grid


@cache
def place_words() -> frozenset[str]:
    """Return the words of all place names: they are no misspellings of anything."""
    return frozenset(
        word for name in (*_grid().names, *airport_names(), *place_names()) for word in name.split()
    )


def egrid_subregion(region: str | None, text: str, raw: str = "") -> tuple[str, str] | None:
    """Return (eGRID subregion, the place it was read from) of a US activity, or None.

    A utility tells more than a town, a town more than a state. States with several subregions get
    the one with most of their load; the choice is disclosed.
    """
    grid = _grid()
    found = _names_in(text)
    states = _states_in(found, raw or text)
    given = region[3:] if region and region[3:] in grid.states else None
    utility = _first(found, "utility")
    town = _town(found, states or ([given] if given else []))
    if utility and (town is None or (len(utility[1]) > 4 and utility[0] != town[0])):
        return utility
    if town:
        return town
    state = _first(found, "state")
    if state:
        return state
    if states:
        return grid.states[states[0]], states[0]
    if region and given:
        return grid.states[given], region
    if region and region.startswith("US-") and len(region) == 7:
        return region[3:], region
    return _first(found, "utility_last")


def _names_in(text: str) -> list[str]:
    names = _grid().names
    tokens = plain(text).split()
    found = []
    index = 0
    while index < len(tokens):
        for length in range(min(_LONGEST, len(tokens) - index), 0, -1):
            phrase = " ".join(tokens[index : index + length])
            if phrase in names:
                found.append(phrase)
                index += length - 1
                break
        index += 1
    return found


def _states_in(found: list[str], raw: str) -> list[str]:
    """Return the states named, by abbreviation or by name."""
    grid = _grid()
    states = []
    for match in _ABBREVIATED.finditer(raw):
        state, before = match.group(1), raw[: match.start()].rstrip()
        if state not in grid.states:
            continue
        if state in _DOUBTFUL and not _after_place(state, before):
            zipped = re.match(r"\s+\d{5}\b", raw[match.end() :])
            if state in _PLACE_ONLY or not (zipped or before.endswith((",", "("))):
                continue
        states.append(state)
    states += [state for name in found for kind, state, _ in grid.names[name] if kind == "state"]
    return states


def _after_place(state: str, before: str) -> bool:
    tokens = plain(before[-60:]).split()
    return any(
        meaning[1] == state and meaning[0].startswith("place")
        for length in range(1, 4)
        for meaning in _grid().names.get(" ".join(tokens[-length:]), ())
    )


def _town(found: list[str], states: list[str]) -> tuple[str, str] | None:
    names = _grid().names
    towns = [(name, *m) for name in found for m in names[name] if m[0].startswith("place")]
    for name, _, state, subregion in towns:
        if state in states:
            return subregion, name
    if states:
        return None  # a town of that name in a state where we do not know it
    known = [(subregion, name) for name, kind, _, subregion in towns if kind == "place"]
    return known[0] if known else None


def _first(found: list[str], kind: str) -> tuple[str, str] | None:
    names = _grid().names
    return next((((m[2], name)) for name in found for m in names[name] if m[0] == kind), None)


def stay_country(text: str, home: str | None = None) -> str | None:
    """Return the country of a hotel stay that a text names, or None.

    `home` is the company's country: of a place name that several countries have, its own is
    meant; where a foreign place is named beside one at home, the stay was abroad.
    """
    home = home[:2] if home else None
    coded = _coded_country(text, home)
    found: list[str] = []
    for first, phrase in places_in(text):
        codes = countries_of(phrase)
        found.append(
            coded if coded in codes and coded else home if home in codes and home else first
        )
    if coded and coded not in found:
        return coded
    if not found:
        airports = codes_in(text)
        return airports[0].country if airports else None
    abroad = [code for code in found if code != home]
    return abroad[-1] if abroad else found[0]


def _coded_country(text: str, home: str | None) -> str | None:
    """Read a country or US state code behind a place: "Bencoolen, SG", "Athens, GA"."""
    for match in _ABBREVIATED.finditer(text):
        code, before = match.group(1), text[: match.start()].rstrip()
        place = _place_before(before)
        country = _COUNTRY_CODES.get(code)
        if country and country in place:
            return country
        state = code in _grid().states and code not in _COUNTRY_CODES
        if place and state and (home == "US" or before.endswith(",")):
            return "US"
    clear = _CLEAR.search(text)
    if clear:
        return _COUNTRY_CODES[clear.group(1)]
    for match in _CODE_AT_END.finditer(text):
        code = match.group(1)
        place = _place_before(text[: match.start()])
        country = _COUNTRY_CODES.get(code)
        if country and (country in place or (not place and home != "US")):
            return country
        if code in _grid().states and (home == "US" or code not in _COUNTRY_CODES):
            return "US"
        if country:
            return country
    return None


def _place_before(text: str) -> tuple[str, ...]:
    """Return the countries of the place name that a text ends with."""
    before = plain(text[-60:]).split()
    return next((c for n in (3, 2, 1) if (c := countries_of(" ".join(before[-n:])))), ())
