"""A factor's heading path → the facets that activities are compared with.

The same lexicon reads both sides. What a publisher leaves unsaid gets the field's default, so that
an activity that does not ask for a speciality is not given one.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from core.matching.lexicon import lexicon
from core.matching.refrigerants import codes
from core.matching.text import plain, words
from core.records import EmissionFactor

Facets = Mapping[str, frozenset[str]]

FAMILY = {
    "fuel": "energy", "bioenergy": "energy", "electricity": "energy", "heat": "energy",
    "transmission_losses": "energy", "water_supply": "energy", "water_treatment": "energy",
    "well_to_tank": "energy", "refrigerant": "refrigerant",
    "vehicle_passenger": "vehicle", "vehicle_delivery": "vehicle",
    "vehicle_ev_electricity": "vehicle", "transmission_losses_ev": "vehicle",
    "managed_asset": "vehicle", "business_travel_land": "vehicle",
    "business_travel_sea": "vehicle", "business_travel_air": "vehicle", "freight": "vehicle",
    "hotel": "hotel", "homeworking": "homeworking", "material": "material", "waste": "waste",
    "spend": "spend",
}  # fmt: skip
_RELEVANT = {
    "energy": ("product", "blend"),
    "vehicle": ("mode", "submode", "product", "size", "segment", "vanclass", "body", "laden",
                "temp", "shiptype", "haul", "cabin", "rf"),
    "material": ("material", "source"),
    "waste": ("material", "route", "msub"),
    "homeworking": ("wfh",),
}  # fmt: skip
_OWNERS = {
    "vehicle_passenger": "own", "vehicle_delivery": "own", "vehicle_ev_electricity": "own",
    "transmission_losses_ev": "own", "business_travel_land": "employee",
    "business_travel_sea": "employee", "business_travel_air": "employee",
    "freight": "third_party", "managed_asset": "managed",
}  # fmt: skip
_BANDS = (
    ("rigid 3 5 7 5", "r3"), ("rigid 7 5 tonnes 17", "r7"), ("rigid 17", "r17"),
    ("all rigids", "rigid_all"), ("articulated 3 5 33", "a3"), ("articulated 33", "a33"),
    ("all artics", "artic_all"), ("all hgvs", "hgv_all"),
)  # fmt: skip
_PRODUCT_OF_KIND = {
    "electricity": "electricity", "water_supply": "water_supply",
    "water_treatment": "water_treatment",
}  # fmt: skip


def family_of(factor: EmissionFactor) -> str:
    """Return the family that decides which facets count."""
    if factor.activity_kind in ("well_to_tank", "managed_asset"):
        return _family_by_path(factor)
    return FAMILY.get(factor.activity_kind, "other")


def facets_of(factor: EmissionFactor) -> dict[str, frozenset[str]]:
    """Read a factor's facets; every family has its key facet, or the factor is "other"."""
    family = family_of(factor)
    # Fine to coarse: the last heading says most. Level 1 is the publisher's chapter.
    parts = [*reversed(factor.levels[1:] or factor.levels), factor.name]
    found: dict[str, frozenset[str]] = {}
    for part in parts:
        here: dict[str, set[str]] = {}
        for hit in lexicon().find(words(part)):
            if hit.facet in _RELEVANT.get(family, ()):
                here.setdefault(hit.facet, set()).add(hit.value)
        for facet, values in here.items():
            found.setdefault(facet, frozenset(values))
    found["upstream"] = _upstream(factor)
    if family == "energy" and factor.activity_kind in _PRODUCT_OF_KIND:
        found["product"] = frozenset({_PRODUCT_OF_KIND[factor.activity_kind]})
    if family == "energy" and factor.levels[:1] == ("Mobile combustion",):
        found["use"] = frozenset({"mobile"})
    if family == "energy" and factor.levels[:1] == ("Stationary combustion",):
        found["use"] = frozenset({"stationary"})
    if family == "refrigerant":
        found["gas"] = frozenset(codes(" ".join(factor.levels[1:3])) or codes(factor.name))
        found["kyoto"] = frozenset({_kyoto(factor)})
    if family == "vehicle":
        _vehicle(factor, found)
    if family == "hotel":
        found["city"] = frozenset({"london"} if "london" in plain(factor.name) else ())
    return found


def _family_by_path(factor: EmissionFactor) -> str:
    path = plain(" ".join(factor.levels))
    moving = ("pass vehs", "delivery vehs", "business travel", "managed assets vehicles")
    return "vehicle" if any(word in path for word in moving) else "energy"


def _upstream(factor: EmissionFactor) -> frozenset[str]:
    path = plain(" ".join(factor.levels))
    found = set()
    if factor.activity_kind == "well_to_tank":
        found.add("wtt")
    if factor.activity_kind.startswith("transmission_losses") or (
        found and {"t d", "distribution"} & _phrases(path)
    ):
        found.add("td")
    return frozenset(found)


def _phrases(path: str) -> set[str]:
    """Return the words and pairs of words of a path: "t d" is a pair, no part of "wtt d…"."""
    parts = path.split()
    return {*parts, *(f"{a} {b}" for a, b in pairwise(parts))}


def _kyoto(factor: EmissionFactor) -> str:
    path = plain(" ".join(factor.levels))
    if "only kyoto" in path:
        return "kyoto"
    return "non_kyoto" if "only non kyoto" in path else "total"


def _vehicle(factor: EmissionFactor, found: dict[str, frozenset[str]]) -> None:
    path = plain(" ".join(factor.levels))
    found["owner"] = frozenset({_OWNERS.get(factor.activity_kind, "any")})
    if (
        len(found.get("mode", ())) > 1
        and "tram" in found["mode"]
        and "underground" in found["mode"]
    ):
        pass  # the hub has one row for subway and tram
    if "hgvs refrigerated" in path or "hgv refrigerated" in path:
        found["temp"] = frozenset({"refrigerated"})
    elif found.get("mode") == frozenset({"hgv"}):
        found.pop("temp", None)
    for words_of_band, band in _BANDS:
        if words_of_band in path:
            found["band"] = frozenset({band})
            break
    if "hgv" in found.get("mode", ()):
        found.pop("product", None)
        found.pop("size", None)
    if found.get("mode") == frozenset({"air"}) and "miles" in path:
        found["haul_us"] = found.pop("haul", frozenset())
    if found.get("mode") == frozenset({"ship"}):
        found.pop("product", None)
        found["average_ship"] = frozenset({str("average" in path)})
    if found.get("mode") == frozenset({"car"}) and "market segment" in path:
        found.setdefault("segment", frozenset({plain(factor.levels[2]).replace(" ", "_")}))
        found.pop("size", None)
    elif found.get("mode") == frozenset({"car"}):
        found.pop("segment", None)
