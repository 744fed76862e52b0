"""An activity's words → what it says: the concepts of its facets, its route, its place.

The name counts before the description, the description before the type: a facet that the name
fills is not filled again, but for the facets that add up (ownership, use, waste).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from core.matching.lexicon import Hit, lexicon
from core.matching.refrigerants import codes_in_query
from core.matching.routes import Route, codes_in, route_in
from core.matching.text import STOP, Speller, is_code, plain, words
from core.records import ActivityQuery, Dimension

# Facets whose values of all fields add up, most telling field first.
_ADDITIVE = {"owner", "use", "waste", "kind", "mode", "hotel"}
_COALS = {"bituminous", "anthracite", "lignite", "coking_coal", "coal_domestic", "coal_industrial"}
# Types that say that a thing was bought and not thrown away.
_BOUGHT = frozenset(
    {"packaging", "raw", "material", "materials", "purchased", "procurement", "purchases",
     "stationery", "goods", "einkauf", "achats", "compras", "verpackung", "emballage", "supplies"}
)  # fmt: skip
# Stations of the Northeast Corridor, Boston to Washington (hub, table 10, note C).
_CORRIDOR = frozenset({"BOS", "NYC", "JFK", "LGA", "EWR", "PHL", "BWI", "DCA", "IAD"})
_TRANSPORT = {Dimension.DISTANCE, Dimension.PASSENGER_DISTANCE, Dimension.FREIGHT_DISTANCE}
# When several modes are named, the first of these is meant: a "van mileage" is a van's.
_MODES = ("air", "ferry", "rail", "underground", "tram", "taxi", "coach", "bus", "ship",
          "van", "motorbike", "hgv", "car")  # fmt: skip


@dataclass(slots=True)
class Reading:
    """What an activity says, facet by facet; values in the order of their weight."""

    query: ActivityQuery
    text: str
    tokens: tuple[str, ...]  # plain words of all fields, spelling repaired
    facets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    covered: float = 0.0  # share of the name's telling words that the lexicon knows
    route: Route | None = None
    repaired: tuple[str, ...] = ()

    def first(self, facet: str) -> str | None:
        """Return the leading value of a facet, or None."""
        values = self.facets.get(facet)
        return values[0] if values else None

    def has(self, facet: str, value: str) -> bool:
        """Tell whether a facet has this value."""
        return value in self.facets.get(facet, ())


def read_activity(query: ActivityQuery, speller: Speller) -> Reading:
    """Read one distinct activity."""
    fields = [query.name, query.description or "", query.type or ""]
    text = " ; ".join(part for part in fields if part)
    known = lexicon().vocabulary
    repaired: list[str] = []
    hits: list[list[Hit]] = []
    tokens: list[str] = []
    covered = 0.0
    for part in fields:
        line = []
        for word in words(part):
            right = speller.repair(word, known=known)
            if right != word:
                repaired.append(f"{word} → {right}")
            line.append(right)
        found = _untangle(lexicon().find(line))
        if part is query.name:
            covered = _coverage(found, line)
        hits.append(found)
        tokens.extend(line)
    reading = Reading(query, text, tuple(tokens), covered=covered, repaired=tuple(repaired))
    reading.facets = _merge(hits)
    _refine(reading)
    return reading


def _coverage(hits: list[Hit], tokens: list[str]) -> float:
    told = {i for i, word in enumerate(tokens) if word not in STOP and not is_code(word)}
    if not told:
        return 0.0
    return len(told & {i for hit in hits for i in hit.span}) / len(told)


def _untangle(hits: list[Hit]) -> list[Hit]:
    """Drop hits that a longer hit of another facet makes meaningless."""
    spans = {
        facet: [set(h.span) for h in hits if h.facet == facet]
        for facet in ("product", "material", "kind", "waste", "mode")
    }
    kept = []
    for hit in hits:
        inside = set(hit.span)
        if hit.facet == "material" and any(inside < span for span in spans["product"]):
            continue  # "wood pellets" is a fuel, not wood
        if hit.facet == "product" and any(inside < span for span in spans["material"]):
            continue  # "mineral oil drums"
        if hit.facet == "waste" and any(inside < span for span in spans["product"]):
            continue  # "waste water", "waste oil"
        if hit.facet == "mode" and any(inside < span for span in spans["product"]):
            continue  # "electric car" says what it runs on; the mode is added below
        if hit.facet == "product" and any(
            inside < span for f in ("kind", "mode") for span in spans[f]
        ):
            continue
        kept.append(hit)
    return kept


def _merge(fields: list[list[Hit]]) -> dict[str, tuple[str, ...]]:
    merged: dict[str, list[str]] = {}
    for hits in fields:
        here: dict[str, list[str]] = {}
        for hit in hits:
            values = here.setdefault(hit.facet, [])
            if hit.value not in values:
                values.append(hit.value)
        for facet, values in here.items():
            if facet not in merged:
                merged[facet] = values
            elif facet in _ADDITIVE:
                merged[facet] += [v for v in values if v not in merged[facet]]
    return {facet: tuple(values) for facet, values in merged.items()}


def _refine(reading: Reading) -> None:
    facets, query = reading.facets, reading.query
    gas = codes_in_query(reading.text, in_context=_refrigerant_context(reading))
    if gas:
        facets["gas"] = gas
        for other in ("product", "material"):  # the "gas" of an "F-gas top-up", the freezer's
            facets.pop(other, None)
    _refine_product(reading)
    facets["upstream"] = tuple(v for v in facets.get("upstream", ()) if v != "ignore")
    if query.dimension in _TRANSPORT:
        _refine_transport(reading)
    if query.dimension is Dimension.FREIGHT_DISTANCE:
        facets["waste"] = ()
    recycled = facets.get("waste") == ("yes",) and facets.get("route") == ("recycled",)
    if recycled and _BOUGHT & set(words(query.type or "")):  # recycled stuff that is bought
        facets["waste"], facets["source"] = ("content",), ("closed",)
    if "content" in facets.get("waste", ()):
        facets["waste"] = ("content",)
        facets["route"] = ()


def _refine_product(reading: Reading) -> None:
    facets, query = reading.facets, reading.query
    products = facets.get("product", ())
    if len(products) > 1 and "coal" in products and set(products) & _COALS:
        products = tuple(p for p in products if p != "coal")
    heating_oil = "heating oil" in plain(query.name) and "gas oil" not in plain(reading.text)
    if products[:1] == ("gas_oil",) and heating_oil and (query.region or "")[:2] in ("GB", "IE"):
        # "Heating oil" is kerosene in Britain and Ireland, and a gas oil on the continent.
        products = ("burning_oil", *products[1:])
    if query.dimension is Dimension.ENERGY and products[:1] == ("bev",):
        products = ("electricity",)
    if products:
        facets["product"] = products


def _refrigerant_context(reading: Reading) -> bool:
    told = {
        "refrigerant", "refrigerants", "fgas", "gas", "leak", "leaked", "leakage", "chiller",
        "chillers", "freezer", "ac", "aircon", "conditioning", "hvac", "fugitive", "kaltemittel",
        "frigorigene", "refrigerante", "refrigerantes", "coolant", "cooling", "top", "topup",
        "recharge", "added", "split", "heat", "cold", "fridge", "kalteanlage", "klimaanlage",
        "clim", "climatisation", "extinguisher", "extinguishers", "switchgear",
    }  # fmt: skip
    return bool(told & set(reading.tokens))


def _refine_transport(reading: Reading) -> None:
    facets, query = reading.facets, reading.query
    airports = codes_in(reading.text)
    modes = list(facets.get("mode", ()))
    if len(airports) >= 2 and "rail" not in modes and "ship" not in modes:
        modes.insert(0, "air")
    if "bev" in facets.get("product", ()) and not modes:
        modes.append("car")
    if facets.get("product") == ("electricity",):
        facets["product"] = ("bev",)
    ranked = sorted(set(modes), key=lambda m: (modes.index(m) > 0 and m == "car", _MODES.index(m)))
    if query.dimension is Dimension.FREIGHT_DISTANCE:
        ranked = [m for m in ranked if m in ("air", "rail", "ship", "van", "hgv")]
    if query.dimension is Dimension.PASSENGER_DISTANCE:
        ranked = [m for m in ranked if m not in ("van", "hgv", "ship", "motorbike")]
    facets["mode"] = tuple(ranked[:1])
    if ranked[:1] == ["air"]:
        _refine_air(reading)
    else:
        for facet in ("haul", "cabin", "rf"):
            facets.pop(facet, None)
    if ranked[:1] == ["rail"] and (query.region or "").startswith("US"):
        _refine_us_rail(reading)
    if ranked[:1] == ["hgv"] or ranked[:1] == ["van"]:
        _refine_weight(reading, ranked[0])


def _refine_air(reading: Reading) -> None:
    facets, query = reading.facets, reading.query
    home = query.region[:2] if query.region else None
    reading.route = route_in(query.name, None) or route_in(reading.text, home)
    if reading.route is not None and not (facets.get("haul") and reading.route.assumed):
        facets["haul"] = (reading.route.uk_haul(),)
        facets["haul_us"] = (reading.route.us_haul(),)
    elif facets.get("haul"):
        facets["haul_us"] = tuple(
            {"domestic": "medium", "international": "long"}.get(h, h) for h in facets["haul"]
        )
    if "cabin" not in facets:
        letter = re.search(r"(?:^|[\s,(/])([YWCJF])(?:$|[\s,)/])", query.name)
        if letter:
            cabin = {"Y": "economy", "W": "premium", "C": "business", "J": "business",
                     "F": "first"}[letter.group(1)]  # fmt: skip
            facets["cabin"] = (cabin,)
        elif re.search(
            r"\bbusiness\b(?!\s*(?:travel|trip|flight|mileage))", reading.query.name, re.I
        ):
            facets["cabin"] = ("business",)


def _refine_us_rail(reading: Reading) -> None:
    """Tell the Northeast Corridor from the other routes by the stations."""
    route = route_in(reading.text, None)
    if route is not None and "submode" not in reading.facets:
        on_it = {route.start.code, route.end.code} <= _CORRIDOR
        reading.facets["submode"] = ("nec" if on_it else "other_routes",)


def _refine_weight(reading: Reading, mode: str) -> None:
    """Read the gross weight of a goods vehicle: "7.5t rigid", "artic >33t", "44t"."""
    facets = reading.facets
    found = re.search(
        r"(\d+(?:[.,]\d+)?)\s?-?(?:t|te|to|tonne|tonnes|ton|tons)\b", reading.text.lower()
    )
    body = facets.get("body", ())
    if found is None or mode == "van":
        return
    weight = float(found.group(1).replace(",", "."))
    above = ">" in reading.text[max(0, found.start() - 3) : found.start()]
    if "artic" in body or ("rigid" not in body and weight >= 36):
        facets["band"] = ("a33",) if weight > 33 or (above and weight >= 33) else ("a3",)
    elif weight > 3.5:
        heavy = weight > 17 or (above and weight >= 17)
        facets["band"] = ("r17",) if heavy else ("r7",) if weight > 7.5 else ("r3",)
