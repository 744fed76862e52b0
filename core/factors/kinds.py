"""The coarse kinds of factors: what the matcher calls them, and what each means for the scopes.

Publishers that we know have their own tables (desnz_kinds, epa_hub_tables). For files that anybody
may bring the kind is read from the words and the unit, unless the file states it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.factors.countries import plain
from core.records import Dimension


@dataclass(frozen=True, slots=True)
class KindFacts:
    """Scope and scope 3 category that a kind has unless its source says otherwise."""

    scope: int | None
    scope3_category: int | None = None


# Categories follow the GHG Protocol Scope 3 Standard, table 5.4, as in desnz_kinds.
KINDS: dict[str, KindFacts] = {
    "fuel": KindFacts(1),
    "bioenergy": KindFacts(1),
    "refrigerant": KindFacts(1),
    "vehicle_passenger": KindFacts(1),
    "vehicle_delivery": KindFacts(1),
    "electricity": KindFacts(2),
    "heat": KindFacts(2),
    "well_to_tank": KindFacts(3, 3),
    "transmission_losses": KindFacts(3, 3),
    "water_supply": KindFacts(3, 1),
    "water_treatment": KindFacts(3, 5),
    "material": KindFacts(3, 1),
    "waste": KindFacts(3, 5),
    "business_travel_air": KindFacts(3, 6),
    "business_travel_sea": KindFacts(3, 6),
    "business_travel_land": KindFacts(3, 6),
    "freight": KindFacts(3, 4),
    "hotel": KindFacts(3, 6),
    "homeworking": KindFacts(3, 7),
    "spend": KindFacts(3, 1),
    "other": KindFacts(3, 1),
    "biogenic_co2": KindFacts(None),
}

_BY_DIMENSION = {
    Dimension.MONEY: "spend",
    Dimension.ROOM_NIGHT: "hotel",
    Dimension.WORK_HOUR: "homeworking",
    Dimension.FREIGHT_DISTANCE: "freight",
}
_BIO = r"bio|wood|pellet|straw|ethanol|hvo"
_BURNT = (
    r"coal|coke|lpg|propane|butane|diesel|petrol|gasoline|kerosene|fuel|gas oil|natural gas|"
    r"heating oil|lignite|peat"
)
# In order; the first that occurs in name or category decides. "" is what is left.
_RULES: dict[Dimension, tuple[tuple[str, str], ...]] = {
    Dimension.PASSENGER_DISTANCE: (
        (r"flight|air|aviation|plane", "business_travel_air"),
        (r"ferry|ship|sea|cruise|boat", "business_travel_sea"),
        ("", "business_travel_land"),
    ),
    Dimension.DISTANCE: (
        (r"van|truck|lorry|hgv|delivery|freight|haul", "vehicle_delivery"),
        ("", "vehicle_passenger"),
    ),
    Dimension.ENERGY: (
        (r"transmission|distribution loss|t d loss|grid loss", "transmission_losses"),
        (r"electric|grid|power|strom", "electricity"),
        (_BIO, "bioenergy"),
        (_BURNT, "fuel"),
        (r"heat|steam|cooling|fernwarme", "heat"),
        ("", "fuel"),
    ),
    Dimension.VOLUME: (
        (r"sewage|wastewater|waste water|water treatment|effluent", "water_treatment"),
        (r"water", "water_supply"),
        (_BIO, "bioenergy"),
        ("", "fuel"),
    ),
    Dimension.MASS: (
        (r"refrigerant|\br \d+|\bhfc|\bhcfc|\bpfc|\bsf6|fugitive", "refrigerant"),
        (r"waste|landfill|recycl|incinerat|compost|disposal", "waste"),
        (_BIO, "bioenergy"),
        (_BURNT, "fuel"),
        ("", "material"),
    ),
}


def infer_kind(category: str, name: str, dimension: Dimension) -> str:
    """Return the kind that a factor's words and unit suggest; "other" where they say nothing."""
    text = plain(f"{name} {category}")
    if re.search(r"well to tank|\bwtt\b", text):
        return "well_to_tank"
    if dimension in _BY_DIMENSION:
        return _BY_DIMENSION[dimension]
    for pattern, kind in _RULES.get(dimension, ()):
        if not pattern or re.search(rf"\b(?:{pattern})", text):
            return kind
    return "other"
