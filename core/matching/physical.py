"""Scores a factor against an activity measured in physical units, facet by facet.

A score is a sum of what agrees and what does not; `None` means that the factor must not be used
for this activity (another product, another haul). Upstream stage and region are filtered apart. The
weights are set by hand from the rules of data/eval/activity_labels.md: an agreement on what it is
counts 6, on a stated attribute 3 to 4, a default that nobody asked against 0.5 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from core.matching.conventions import ALTERNATES, LOCAL_KINDS, OPEN_LOOP
from core.matching.factor_facets import Facets
from core.matching.reading import Reading
from core.records import Basis, Dimension, EmissionFactor

_BASE = 6.0
_KEY_FACET = {"energy": "product", "vehicle": "mode", "refrigerant": "gas", "material": "material",
              "waste": "material"}  # fmt: skip
_COMPANY = frozenset({
    "company", "pool", "fleet", "lease", "leased", "firmenwagen", "dienstwagen", "fuhrpark",
})  # fmt: skip
# Whoever carries for others does not drive our vehicle, even if it is one that people ride.
_COURIERS = frozenset({
    "courier", "couriers", "kurier", "kuriere", "kurierdienst", "kurierfahrt", "kurierfahrten",
    "coursier", "coursiers", "mensajero", "mensajeros", "mensajeria", "corriere", "corrieri",
    "koerier", "koeriers", "koeriersdienst",
})  # fmt: skip
_FINAL = frozenset({"landfill", "incineration", "composting", "ad"})
_LIQUID = frozenset({"l", "ml", "hl", "gal_us", "gal_uk", "bbl"})
_BOTTLED = frozenset({"propane", "butane", "lpg", "cng", "lng"})
_GASEOUS = frozenset({"scf", "ft3", "ccf", "mcf"})
# facet: (agrees, contradicts, factor has a speciality nobody asked for), and the unasked default
_SOFT: dict[str, tuple[float, float, float]] = {
    "submode": (3.0, -3.0, -1.5), "size": (3.0, -3.0, -1.0), "vanclass": (3.0, -3.0, -1.0),
    "laden": (3.0, -3.0, -1.0), "cabin": (3.0, -4.0, -1.0), "shiptype": (3.0, -3.0, -1.0),
    "blend": (2.0, -2.0, -1.0), "source": (3.0, -4.0, -1.5), "wfh": (3.0, -3.0, -1.0),
    "msub": (2.0, -2.0, -1.0), "segment": (4.0, -4.0, -3.0), "temp": (3.0, -3.0, -2.0),
}  # fmt: skip
_DEFAULTS: dict[str, frozenset[str]] = {
    "submode": frozenset({"national", "average_bus", "regular_taxi", "average_ferry"}),
    "size": frozenset({"average"}), "vanclass": frozenset({"average"}),
    "laden": frozenset({"avg"}), "cabin": frozenset({"average"}),
    "shiptype": frozenset({"container"}), "blend": frozenset({"average"}),
    "source": frozenset({"primary"}), "wfh": frozenset({"both"}),
}  # fmt: skip


@dataclass(slots=True)
class Fit:
    """How well a factor fits: the score, its parts, and what was assumed on the way."""

    score: float = 0.0
    signals: dict[str, float] = field(default_factory=dict)
    conflicts: int = 0
    assumed: list[str] = field(default_factory=list)

    def add(self, name: str, value: float) -> None:
        """Add a part to the score."""
        self.score += value
        self.signals[name] = self.signals.get(name, 0.0) + value


def fit(
    reading: Reading, factor: EmissionFactor, family: str, facets: Facets, owner: str | None
) -> Fit | None:
    """Score one factor; None when it must not be used."""
    found = Fit()
    if not _key(found, reading, family, facets):
        return None
    if family in ("energy", "vehicle"):
        scorer = _energy if family == "energy" else _vehicle
        usable = scorer(found, reading, factor, facets, owner)
    else:
        usable = _PLAIN[family](found, reading, facets)
    if not usable:
        return None
    if factor.unit == reading.query.unit:
        found.add("same_unit", 0.2)
    return found


def _key(found: Fit, reading: Reading, family: str, facets: Facets) -> bool:
    facet = _KEY_FACET.get(family)
    if facet is None:
        found.add("dimension", _BASE)
        return True
    asked = reading.facets.get(facet, ())
    has = facets.get(facet, frozenset())
    direct = [_BASE - 2.0 * rank for rank, value in enumerate(asked) if value in has]
    others = ALTERNATES.get(asked[0], {}) if asked else {}
    indirect = [_BASE + cost for other, cost in others.items() if other in has]
    if not direct and not indirect:
        return False
    if max(indirect, default=0.0) > max(direct, default=0.0):
        found.assumed.append("stand_in")
    found.add(facet, max(direct + indirect))
    return True


def _soft(found: Fit, reading: Reading, facets: Facets, facet: str) -> None:
    has = facets.get(facet, frozenset())
    asked = reading.facets.get(facet, ())
    agrees, contradicts, unasked = _SOFT[facet]
    if asked and has:
        if has & set(asked):
            found.add(facet, agrees)
        else:
            found.add(facet, contradicts)
            found.conflicts += 1
    elif asked:
        found.add(facet, contradicts / 2)
    elif has & _DEFAULTS.get(facet, frozenset()):
        found.add(facet, 0.5)
    elif has:
        found.add(facet, unasked)


def _energy(
    found: Fit, reading: Reading, factor: EmissionFactor, facets: Facets, owner: str | None
) -> bool:
    query = reading.query
    if factor.activity_kind == "managed_asset" and owner != "managed":
        return False
    if reading.basis and factor.basis and reading.basis is not factor.basis:
        return False
    if reading.basis is None and factor.basis is not None:
        found.add("basis", 0.5 if factor.basis is Basis.GROSS else -1.0)
    if query.dimension is Dimension.VOLUME and factor.activity_kind not in (
        "water_supply", "water_treatment",
    ):  # fmt: skip
        # A gallon of propane is liquid, a cubic foot of it is gas: never one for the other.
        if query.unit in _LIQUID and factor.unit in _GASEOUS:
            return False
        if query.unit in _GASEOUS and factor.unit in _LIQUID:
            return False
        if query.unit == "m3" and factor.unit in _LIQUID and facets["product"] & _BOTTLED:
            found.assumed.append("state")  # a cubic metre of propane may be gas
    _soft(found, reading, facets, "blend")
    uses = reading.facets.get("use", ())
    if "use" in facets:
        if uses:
            found.add("use", 1.0 if uses[0] in facets["use"] else -1.0)
        elif facets["use"] == frozenset({"mobile"}):
            found.add("use", 0.5)
    if reading.has("waste", "yes") and reading.facets.get("route"):
        found.add("waste_words", -4.0)
    return True


def _vehicle(
    found: Fit, reading: Reading, factor: EmissionFactor, facets: Facets, owner: str | None
) -> bool:
    fuels = reading.facets.get("product", ())
    has_fuel = facets.get("product", frozenset())
    if factor.activity_kind == "managed_asset" and owner != "managed":
        return False
    if factor.activity_kind in ("vehicle_passenger", "vehicle_delivery") and has_fuel == {"bev"}:
        return False  # the zero tail-pipe row: the figure is the grid's
    if has_fuel:
        asked = set(fuels) or {"unknown_fuel"}
        if has_fuel & asked:
            found.add("fuel", 3.0 if fuels else 0.6)
        elif fuels:
            found.add("fuel", -6.0)
            found.conflicts += 1
        else:
            found.add("fuel", -1.0)
    _owner(found, reading, factor, facets, owner)
    for facet in ("submode", "size", "segment", "vanclass", "laden", "temp", "shiptype"):
        if facet == "size" and reading.first("mode") not in ("car", "motorbike"):
            continue
        if facet == "vanclass" and reading.first("mode") != "van":
            continue
        if facet == "shiptype" and reading.first("mode") != "ship":
            continue
        _soft(found, reading, facets, facet)
    if "average_ship" in facets:
        found.add("ship_size", 0.8 if "True" in facets["average_ship"] else -1.0)
    _band(found, reading, facets)
    return _air(found, reading, facets)


def _owner(
    found: Fit, reading: Reading, factor: EmissionFactor, facets: Facets, owner: str | None
) -> None:
    if reading.query.dimension is not Dimension.DISTANCE or owner is None:
        return
    if owner in facets.get("owner", frozenset()):
        found.add("owner", 3.0)
    elif factor.region == "US" and owner == "own":
        # The US hub has no rows of own vehicles per mile; the vehicle is the same.
        found.add("owner", 0.0 if "third_party" in facets["owner"] else 0.2)
    elif owner == "third_party" and "employee" in facets.get("owner", frozenset()):
        # Nobody publishes couriers on motorbikes or in cars: the same vehicle of scope 3.
        found.add("owner", -2.0)
        found.conflicts += 1
    else:
        found.add("owner", -4.0)
        found.conflicts += 1


def _band(found: Fit, reading: Reading, facets: Facets) -> None:
    has = facets.get("band")
    if not has:
        return
    asked, body = reading.first("band"), reading.first("body")
    (band,) = has
    if asked:
        found.add("band", 4.0 if band == asked else -3.0)
    elif body == "artic":
        found.add("band", {"artic_all": 2.0, "a33": 1.0, "a3": 0.0}.get(band, -3.0))
    elif body == "rigid":
        found.add("band", {"rigid_all": 2.0, "r17": 0.5, "r7": 0.5, "r3": 0.0}.get(band, -3.0))
    else:
        found.add("band", 0.8 if band == "hgv_all" else -1.0)


def _air(found: Fit, reading: Reading, facets: Facets) -> bool:
    if facets.get("mode") != frozenset({"air"}):
        return True
    facet = "haul_us" if "haul_us" in facets else "haul"
    asked, has = reading.facets.get(facet, ()), facets.get(facet, frozenset())
    if has and asked:
        if not has & set(asked):
            return False
        found.add("haul", 4.0)
    elif has:
        found.add("haul", 0.0)
        found.assumed.append("haul")
    _soft(found, reading, facets, "cabin")
    if facets.get("rf"):
        wanted = reading.first("rf") or "with"
        if wanted not in facets["rf"]:
            return False
        found.add("rf", 1.0)
    return True


def _material(found: Fit, reading: Reading, facets: Facets) -> bool:
    # What is thrown away was not bought: no figure of its making, whatever else is missing.
    if reading.has("waste", "yes") or set(reading.facets.get("route", ())) - {"reuse"}:
        return False
    found.add("waste_words", 1.0)
    _soft(found, reading, facets, "source")
    return True


def _waste(found: Fit, reading: Reading, facets: Facets) -> bool:
    routes = reading.facets.get("route", ())
    waste = reading.has("waste", "yes") or bool(routes)
    found.add("waste_words", 3.0 if waste else -4.0)
    has = facets.get("route", frozenset())
    if reading.has("waste", "content"):
        return False  # bought, with recycled content
    if routes:
        if routes[0] in _FINAL and _route(routes[0], has, reading) <= 0:
            return False  # the publisher leaves this way blank: another way is no substitute
        score = max((_route(route, has, reading) - 0.5 * i for i, route in enumerate(routes)))
        if score <= 0:
            return False
        found.add("route", score)
    else:
        # Unsaid: landfill and recycling differ a hundredfold, so this stays a question.
        found.add("route", 0.3 if "landfill" in has else 0.0)
        found.assumed.append("waste_route")
    _soft(found, reading, facets, "msub")
    return True


def _route(asked: str, has: frozenset[str], reading: Reading) -> float:
    if asked == "recycled":
        if "recycled" in has:
            return 4.0
        open_first = reading.first("material") in OPEN_LOOP
        if "open" in has:
            return 3.8 if open_first else 3.4
        return 3.6 if "closed" in has else 0.0
    if asked in has:
        return 4.5 if asked in ("open", "closed") else 4.0
    if asked in ("open", "closed") and "recycled" in has:
        return 4.0
    return 0.0


def _refrigerant(found: Fit, _reading: Reading, facets: Facets) -> bool:
    (kind,) = facets["kyoto"]
    # Kyoto gases are what scope 1 counts; a gas that has none (R22) takes the total.
    found.add("kyoto", {"kyoto": 0.6, "total": 0.4}.get(kind, -1.0))
    return True


def _homeworking(found: Fit, reading: Reading, facets: Facets) -> bool:
    if "homeworking" not in reading.facets.get("kind", ()):
        found.assumed.append("homeworking")
    _soft(found, reading, facets, "wfh")
    return True


def _hotel(found: Fit, reading: Reading, facets: Facets) -> bool:
    london = "london" in reading.tokens
    if "london" in facets.get("city", ()):
        found.add("city", 2.0 if london else -3.0)
    return True


_PLAIN = {
    "material": _material,
    "waste": _waste,
    "refrigerant": _refrigerant,
    "homeworking": _homeworking,
    "hotel": _hotel,
}


def owner_of(reading: Reading) -> str | None:
    """Tell whose vehicle it is: own, employee, third_party or managed; a default if unsaid."""
    owners = reading.facets.get("owner", ())
    mode = reading.first("mode")
    if "managed" in owners:
        return "managed"
    if reading.query.dimension is Dimension.FREIGHT_DISTANCE:
        return "third_party"
    if reading.query.dimension is Dimension.PASSENGER_DISTANCE or mode in ("taxi", "ferry"):
        return "employee"
    if mode in ("van", "hgv"):
        return owners[0] if owners and owners[0] != "employee" else "own"
    if mode in ("car", "motorbike") and _COURIERS & set(reading.tokens) and not set(owners) & {
        "own", "employee",
    }:  # fmt: skip
        return "third_party"
    if mode in ("car", "motorbike"):
        said = [o for o in owners if o != "third_party"]
        if {"own", "employee"} <= set(said) and "grey" not in reading.tokens:
            # "own cars" of the staff, but the company's "pool car" on business travel
            return "own" if _COMPANY & set(reading.tokens) else "employee"
        return said[0] if said else "own"
    return owners[0] if owners else None


def locally_bound(factor: EmissionFactor) -> bool:
    """Tell whether a factor holds for its own country alone."""
    if factor.activity_kind == "well_to_tank":
        return any("electricity" in level.lower() or "heat" in level.lower()
                   for level in factor.levels)  # fmt: skip
    return factor.activity_kind in LOCAL_KINDS or (
        factor.activity_kind == "managed_asset" and factor.dimension is Dimension.ENERGY
    )
