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
# The CAA counts flights to the Crown Dependencies as domestic.
_BRITISH = frozenset({"GB", "JE", "GG", "IM"})
_HOME_AIRPORT = {"GB": "LHR", "US": "ORD", "DE": "FRA", "FR": "CDG", "ES": "MAD", "IE": "DUB"}
# Codes that ledgers also write for other things: they count only next to another code.
_ALSO_WORDS = frozenset(
    {"ACC", "ACT", "ADD", "AGA", "AHO", "AOK", "APL", "AUG", "BAH", "BEL", "BEN", "BOB", "CAK",
     "CLE", "CLL", "CMB", "COD", "COR", "CUE", "DAM", "DAR", "DAY", "DEC", "DEL", "DIR", "DOL",
     "EAT", "ENA", "ERI", "EWB", "EXT", "FAR", "FAT", "FAX", "FLO", "FRO", "GAN", "GET", "GRO",
     "HEL", "HER", "HIS", "HOB", "HOT", "ICT", "INI", "INT", "INV", "ITO", "JAN", "JOE", "JOB",
     "KIT", "KOI", "LAN", "LAW", "LEA", "LEN", "LIL", "LIT", "LOP", "LOS", "MAN", "MAR", "MAY",
     "MED", "MEL", "MET", "MID", "MOD", "MOL", "MOT", "MUC", "NAN", "NAT", "NUM", "OAK", "OIT",
     "ONT", "ORK", "PAR", "PAT", "PEG", "PEN", "PER", "PIE", "PIT", "POM", "POP", "POR", "POS",
     "PUB", "RAP", "REC", "REG", "RIC", "ROW", "SAF", "SAI", "SAL", "SAN", "SAP", "SAT", "SAV",
     "SAW", "SBA", "SEA", "SGD", "SID", "SIN", "SIT", "SLA", "SLC", "SMI", "SPC", "STR", "SUB",
     "SUN", "TAB", "TAG", "TIP", "TOP", "TOS", "TRE", "TRI", "TRD", "TUB", "TUN", "TUP", "VAR",
     "VIA", "VIE", "VIT", "VIX", "WAS", "WAT", "WRE", "YUM", "ZIA"}
)  # fmt: skip
_MONTHS = frozenset({"JAN", "MAR", "MAY", "AUG", "DEC", "SAT", "SUN"})
_CODE = re.compile(r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])")
_JOINED = re.compile(r"\s*(?:-|–|—|/|>|→|to|nach|vers|via|↔|<>|x|&|,)?\s*", re.IGNORECASE)


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
        british = [end.country in _BRITISH for end in (self.start, self.end)]
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
def _tables() -> tuple[dict[str, Airport], dict[str, tuple[Airport, ...]]]:
    codes: dict[str, Airport] = {}
    names: dict[str, tuple[Airport, ...]] = {}
    for row in read_data("airports.csv"):
        airport = Airport(row["code"], row["country"], float(row["lat"]), float(row["lon"]))
        codes[airport.code] = airport
        for name in filter(None, row["names"].split("|")):
            key = plain(name)
            names[key] = (*names.get(key, ()), airport)
    return codes, names


def airport_names() -> tuple[str, ...]:
    """Return every name by which an airport is known, plain."""
    return tuple(_tables()[1])


def codes_in(text: str) -> list[Airport]:
    """Return the airports whose IATA codes stand in the text in capitals."""
    codes, _ = _tables()
    found = [m for m in _CODE.finditer(text) if m.group() in codes]
    kept = []
    for index, match in enumerate(found):
        near = (*found[max(0, index - 1) : index], *found[index + 1 : index + 2])
        if match.group() not in _ALSO_WORDS or any(_together(text, match, n) for n in near):
            kept.append(codes[match.group()])
    return kept


def _together(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    """Tell whether two codes stand side by side, and not both are words: "JAN-MAR"."""
    first, second = sorted((one, other), key=lambda m: m.start())
    between = text[first.end() : second.start()]
    if not _JOINED.fullmatch(between):
        return False
    both = {one.group(), other.group()}
    return not both <= _MONTHS and (bool(between.strip(" ,&")) or not both <= _ALSO_WORDS)


def route_in(text: str, home: str | None, *, assume: bool = True) -> Route | None:
    """Read a flight's two ends from a text.

    `home` is the country of the flyer: of two towns of one name its own is meant, and a flight
    with one end, abroad, starts there unless `assume` is false.
    """
    ends = codes_in(text)
    if len(ends) < 2:
        ends = _ends_by_name(text, ends, home)
    if len(ends) >= 2:
        return Route(ends[0], ends[1])
    if assume and len(ends) == 1 and home in _HOME_AIRPORT:
        base = _tables()[0][_HOME_AIRPORT[home]]
        return None if base.country == ends[0].country else Route(base, ends[0], assumed=True)
    return None


def _ends_by_name(text: str, coded: list[Airport], home: str | None) -> list[Airport]:
    codes, names = _tables()
    tokens = plain(text).split()
    found: list[Airport] = []
    index = 0
    upper = {airport.code.lower() for airport in coded}
    while index < len(tokens):
        for length in (4, 3, 2, 1):
            phrase = " ".join(tokens[index : index + length])
            known = names.get(phrase, ())
            airport = next((a for a in known if a.country == home), known[0] if known else None)
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
