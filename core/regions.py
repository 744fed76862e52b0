"""Countries and regions as people write them → ISO 3166 codes.

A country is its alpha-2 code ("DE"); a state, province or US grid subregion is the country's code
and its own ("US-CA", "CA-ON", "US-CAMX"). The parts of the United Kingdom are "GB": no source has
factors apart for them. A two-letter code is a country first; a column that holds the codes of US
states is recognized as a whole (`holds_us_states`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from core.normal_form import normal
from core.region_names import CA_PROVINCES, COUNTRIES, EGRID, US_STATES
from core.short_cache import short_cache


@dataclass(frozen=True, slots=True)
class RegionProblem:
    """Why a text is no region."""

    code: Literal["region_unknown", "region_missing"]
    message: str


MISSING = RegionProblem("region_missing", "No region is given.")
UNKNOWN = RegionProblem(
    "region_unknown",
    "This is no country or region that we know; write the ISO code, e.g. GB, DE or US-CA.",
)


def _fold(text: str) -> str:
    decomposed = normal("NFKD", text.casefold())
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", " ", plain).strip()


def _pairs(text: str) -> list[tuple[str, str]]:
    entries = (entry.strip() for entry in text.replace("\n", " ").split("|"))
    return [(code, name.strip()) for code, _, name in (e.partition(" ") for e in entries)]


def _country_tables() -> tuple[dict[str, str], frozenset[str]]:
    names: dict[str, str] = {}
    codes = set()
    for line in COUNTRIES.strip().splitlines():
        alpha2, alpha3, variants = line.split(" ", 2)
        codes.add(alpha2)
        names[_fold(alpha3)] = alpha2
        names.update({_fold(variant): alpha2 for variant in variants.split("|")})
    return names, frozenset(codes)


_NAMES, _ALPHA2 = _country_tables()
# "UK" and "EL" are the European Union's own; "EU" is reserved for it in ISO 3166.
_ALIASES = {"UK": "GB", "EL": "GR", "EU": "EU", "EU27": "EU", "EU-27": "EU"}
_NAMES |= {"european union": "EU", "europaische union": "EU", "union europeenne": "EU",
           "union europea": "EU"}  # fmt: skip
_US = dict(_pairs(US_STATES))
_CA = dict(_pairs(CA_PROVINCES))
_EGRID = frozenset(EGRID.split())
_SUBDIVISIONS = {_fold(n): f"US-{c}" for c, n in _US.items()} | {
    _fold(n): f"CA-{c}" for c, n in _CA.items()
}
# Countries with states of their own, of which some have the codes of states of the US.
_OF_STATES = frozenset({"AT", "AU", "BR", "DE", "IN", "MM", "MX", "MY", "NG", "SD", "VE"})
_LONGEST = 100  # characters of the name of a place
_SUBDIVISION = re.compile(r"([A-Z]{2})[-_/ ]([A-Z0-9]{1,4})")
_WITH_CODE = re.compile(r"(.+?)\s*\(([^()]+)\)")


@short_cache(65_536)
def parse_region(text: str | None, *, us_states: bool = False) -> str | RegionProblem:
    """Read a country or region; `us_states` when its column holds codes of US states.

    Returns ISO 3166-1 alpha-2, or with a subdivision. "Georgia" is the country unless `us_states`.
    """
    if len(text or "") > _LONGEST:
        return UNKNOWN
    written = normal("NFKC", text or "").strip()
    folded = _fold(written)
    if not folded:
        return MISSING
    upper = written.upper()
    if us_states and (upper in _US or folded in _SUBDIVISIONS):
        return f"US-{upper}" if upper in _US else _SUBDIVISIONS[folded]
    if found := _code(upper):
        return found
    if found := _NAMES.get(folded) or _SUBDIVISIONS.get(folded):
        return found
    # "Germany (DE)", "Texas, USA"
    match = _WITH_CODE.fullmatch(written)
    if match:
        parts = {parse_region(part, us_states=us_states) for part in match.groups()}
        codes = {part for part in parts if isinstance(part, str)}
        return codes.pop() if len(codes) == 1 else UNKNOWN
    state, _, country = written.rpartition(",")
    if state and isinstance(where := parse_region(country), str):
        inner = parse_region(state, us_states=where == "US")
        if isinstance(inner, str):
            return inner if inner.startswith(where) else UNKNOWN
    return UNKNOWN


def asked_region(text: str) -> str:
    """Return the code that a filter means: in any case, or by a name that we know."""
    found = parse_region(text)
    return found if isinstance(found, str) else text.upper()


def _code(upper: str) -> str | None:
    if upper in _ALPHA2:
        return upper
    if upper in _ALIASES:
        return _ALIASES[upper]
    if upper in _EGRID:
        return f"US-{upper}"
    match = _SUBDIVISION.fullmatch(upper)
    if match is None or match[1] not in _ALPHA2:
        return None
    country, part = match.groups()
    if country == "US":
        return f"US-{part}" if part in _US or part in _EGRID else None
    if country == "CA":
        return f"CA-{part}" if part in _CA else None
    if country == "GB":
        return "GB" if part in ("ENG", "SCT", "WLS", "NIR", "GBN", "UKM") else None
    # Other countries' subdivisions are taken on the form of their code alone: up to three signs
    # (ISO 3166-2), and never behind a blank, for "kg CO2" is no place in Kyrgyzstan.
    return f"{country}-{part}" if len(part) <= 3 and " " not in upper else None


def calls_states(heading: str, country: str | None) -> bool:
    """Tell whether a heading such as "State" speaks of the US, in a file of this country."""
    words = _fold(heading).split()
    return (
        not {"state", "states"}.isdisjoint(words)
        and not any(word.startswith("countr") for word in words)
        and country not in _OF_STATES
    )


def holds_us_states(texts: Iterable[str], *, called_states: bool = False) -> bool:
    """Tell whether a column of regions holds codes of US states.

    So it is when every value reads as a state, and one of them ("TX", "NY") is no country: "CA"
    and "IN" alone are Canada and India, unless the column is called states (`called_states`).
    """
    values = {text.strip().upper() for text in texts if text.strip()}
    states = {v for v in values if v in _US}
    sure = states if called_states else {v for v in states if v not in _ALPHA2}
    others = values - states
    return bool(sure) and all(_SUBDIVISIONS.get(_fold(v), "").startswith("US-") for v in others)
