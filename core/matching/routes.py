"""Where a flight goes: airports and cities in a text → haul, by distance and country."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

from core.matching.text import plain, read_data

# DESNZ: short-haul is to and from Europe, up to about 3,700 km; beyond is long-haul.
SHORT_HAUL_KM = 3700.0
# EPA hub, table 10: short < 300 miles, medium < 2,300 miles.
_KM_PER_MILE = 1.609344
_HOME_AIRPORT = {"GB": "LHR", "US": "ORD", "DE": "FRA", "FR": "CDG", "ES": "MAD", "IE": "DUB"}


@dataclass(frozen=True, slots=True)
class Airport:
    """A place with its country and coordinates in degrees."""

    code: str
    country: str
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Route:
    """Two ends of a flight; `assumed` when only one was written and the other is home."""

    start: Airport
    end: Airport
    assumed: bool = False

    @property
    def km(self) -> float:
        """Great-circle distance."""
        return _distance_km(self.start, self.end)

    def uk_haul(self) -> str:
        """Return the DESNZ class: domestic, short, long, international."""
        british = [end.country == "GB" for end in (self.start, self.end)]
        if all(british):
            return "domestic"
        if not any(british):
            return "international"
        return "short" if self.km <= SHORT_HAUL_KM else "long"

    def us_haul(self) -> str:
        """Return the EPA class by miles: short, medium, long."""
        miles = self.km / _KM_PER_MILE
        return "short" if miles < 300 else "medium" if miles < 2300 else "long"


@cache
def _tables() -> tuple[dict[str, Airport], dict[str, Airport]]:
    codes: dict[str, Airport] = {}
    names: dict[str, Airport] = {}
    for row in read_data("airports.csv"):
        airport = Airport(row["code"], row["country"], float(row["lat"]), float(row["lon"]))
        codes[airport.code] = airport
        for name in filter(None, row["names"].split("|")):
            names.setdefault(plain(name), airport)
    return codes, names


def codes_in(text: str) -> list[Airport]:
    """Return the airports whose IATA codes stand in the text in capitals."""
    codes, _ = _tables()
    return [codes[c] for c in re.findall(r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])", text) if c in codes]


def route_in(text: str, home: str | None) -> Route | None:
    """Read a flight's two ends from a text; `home` is the country of a flight with one end."""
    ends = codes_in(text)
    if len(ends) < 2:
        ends = _ends_by_name(text, ends)
    if len(ends) >= 2:
        return Route(ends[0], ends[1])
    if len(ends) == 1 and home in _HOME_AIRPORT:
        base = _tables()[0][_HOME_AIRPORT[home]]
        return None if base.country == ends[0].country else Route(base, ends[0], assumed=True)
    return None


def _ends_by_name(text: str, coded: list[Airport]) -> list[Airport]:
    codes, names = _tables()
    tokens = plain(text).split()
    found: list[Airport] = []
    index = 0
    upper = {airport.code.lower() for airport in coded}
    while index < len(tokens):
        for length in (3, 2, 1):
            phrase = " ".join(tokens[index : index + length])
            airport = names.get(phrase)
            if airport is None and length == 1 and phrase in upper:
                airport = codes[phrase.upper()]
            if airport is not None:
                if airport not in found:
                    found.append(airport)
                index += length - 1
                break
        index += 1
    return found


def _distance_km(a: Airport, b: Airport) -> float:
    # Haversine with the mean earth radius of 6,371 km.
    lat1, lat2 = math.radians(a.lat), math.radians(b.lat)
    dlon = math.radians(b.lon - a.lon)
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(dlon / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(h))
