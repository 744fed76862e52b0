"""An activity's words → what it says: the concepts of its facets, its route, its place.

The name counts before the description, the description before the type: a facet that the name
fills is not filled again, but for the facets that add up (ownership, use, waste).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from core.matching.lexicon import Hit, lexicon
from core.matching.places import place_words
from core.matching.refrigerants import codes_in_query
from core.matching.routes import Route
from core.matching.text import STOP, Speller, is_code, plain, words
from core.matching.transport import refine_transport
from core.records import ActivityQuery, Basis, Dimension
from core.unit_forms import basis_texts, stated_basis

# Facets whose values of all fields add up, most telling field first.
_ADDITIVE = {"owner", "use", "waste", "kind", "mode", "hotel"}
_COALS = {"bituminous", "anthracite", "lignite", "coking_coal", "coal_domestic", "coal_industrial"}
_RANKS = {"bituminous", "subbituminous", "anthracite", "lignite", "coking_coal"}
# Types that say that a thing was bought and not thrown away.
_BOUGHT = frozenset(
    {"packaging", "raw", "material", "materials", "purchased", "procurement", "purchases",
     "stationery", "goods", "einkauf", "achats", "compras", "verpackung", "emballage", "supplies",
     "bought", "consumables", "verpackungen", "emballages", "embalajes", "embalaje", "imballaggi",
     "materiales", "materiali", "materiaux", "acquisti", "inkoop", "rohstoffe"}
)  # fmt: skip
# General words that a more exact one of the same text makes meaningless: "PET film" is PET.
_POLYMERS = frozenset({"hdpe", "ldpe", "pet", "pp", "ps", "pvc", "pla"})
_GENERAL: dict[str, frozenset[str]] = {
    "plastics": _POLYMERS | {"plastic_film", "plastic_rigid"},
    "plastic_film": _POLYMERS,
    "plastic_rigid": _POLYMERS,
    "glass": frozenset({"plastic_rigid", "pet", "hdpe"}),
    "batteries": frozenset({"batteries_alkaline", "batteries_liion", "batteries_nimh"}),
    "mixed_cans": frozenset({"aluminium", "steel_cans"}),
    "weee_mixed": frozenset({"weee_fridges", "weee_large", "weee_small"}),
    "commercial": frozenset({"hazardous"}),
}
# What a fuel is where it is thrown away: "waste oil" to the re-refiner, logs to the landfill.
_AS_WASTE = {
    "waste_oils": "mineral_oil", "lubricants": "mineral_oil", "wood_logs": "wood",
    "wood_chips": "wood", "wood_pellets": "wood", "wood_residuals": "wood",
}  # fmt: skip
_COMPOSTS = frozenset({"compost_garden", "compost_mixed"})
_METALS = frozenset(
    {"scrap_metal", "metals_construction", "aluminium", "mixed_cans", "steel_cans", "copper"}
)
_HEAT = frozenset({"heat_district", "heat_steam", "heat_onsite"})
_METERED = frozenset({"kWh", "MWh", "GWh"})
# Words of a power meter or a power account, where nothing else tells what was metered.
_POWER = frozenset({"power", "hh", "mpan", "kva", "elec", "electrical", "submeter", "import"})
_POWER_ACCOUNTS = frozenset({"utilities", "utility", "power", "electric", "electricity", "energy"})
_NO_POWER = frozenset({"heat", "heating", "gas", "cooling", "steam", "export", "warme", "chaleur"})
# Power that is made on the spot: by what, whose, and the words that say that it was bought.
_SUN = ("photovolt", "fotovolt", "solar")
_SUN_AND_WIND = frozenset(
    {"pv", "fv", "turbine", "turbines", "windrad", "windkraft", "windkraftanlage", "windanlage",
     "eolienne", "eoliennes", "aerogenerador", "aerogeneradores", "windmolen", "zonnepanelen",
     "chp", "bhkw", "cogeneration", "cogen"}
)  # fmt: skip
_OWN_PLANT = frozenset(
    {"own", "owned", "our", "onsite", "rooftop", "roof", "self", "panels", "array", "installation",
     "eigen", "eigene", "eigener", "eigenem", "eigenen", "eigenes", "anlage", "dach", "selbst",
     "propre", "propres", "panneaux", "propio", "propia", "propios", "propias", "placas",
     "impianto", "proprio", "propria", "eigenverbrauch", "autoconsumo", "autoconsommation",
     "eigenstrom", "generated"}
)  # fmt: skip
_OWN_MAKING = frozenset({"own", "self", "selbst", "eigene", "eigener", "eigenen", "onsite"})
_MAKING = frozenset({"generated", "generation", "produced", "erzeugt", "erzeugter", "produziert"})
_BOUGHT_POWER = frozenset(
    {"grid", "import", "imported", "purchased", "bought", "mains", "supplier", "tariff", "ppa",
     "netz", "netzbezug", "netzstrom", "bezug", "bezogen", "zukauf", "reseau", "red", "rete",
     "contract", "tarif", "tarifa", "provider", "lieferant"}
)  # fmt: skip
# Words of a water meter, where a volume of nothing else is given.
_WATERY = frozenset(
    {"mains", "incoming", "meter", "submeter", "washroom", "washrooms", "toilets", "wash", "supply"}
)
_CALOR = {"blue": "butane", "red": "propane", "patio": "propane", "green": "propane",
          "47kg": "propane", "19kg": "propane"}  # fmt: skip
_NUMBERED = re.compile(r"#\s?(?=[1-6]\b)(\d)")  # "#2 oil" is "no. 2 oil"
_TRANSPORT = {Dimension.DISTANCE, Dimension.PASSENGER_DISTANCE, Dimension.FREIGHT_DISTANCE}


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
    basis: Basis | None = None  # of the unit, or as the words state it

    def first(self, facet: str) -> str | None:
        """Return the leading value of a facet, or None."""
        values = self.facets.get(facet)
        return values[0] if values else None

    def has(self, facet: str, value: str) -> bool:
        """Tell whether a facet has this value."""
        return value in self.facets.get(facet, ())


@cache
def _known() -> frozenset[str]:
    return lexicon().vocabulary | place_words()


# Of a description: a cell of 32,767, and no word in it known, would take seconds.
_READ_CHARACTERS = 2_000


def read_activity(query: ActivityQuery, speller: Speller) -> Reading:
    """Read one distinct activity."""
    fields = [query.name, (query.description or "")[:_READ_CHARACTERS], query.type or ""]
    text = " ; ".join(part for part in fields if part)
    known = _known()
    # No misspelling: another rule reads them, as Brennwert, which is no Brenner.
    stated = {word for found in basis_texts(text) for word in words(found)}
    repaired: list[str] = []
    hits: list[list[Hit]] = []
    tokens: list[str] = []
    covered = 0.0
    for part in fields:
        line = []
        for word in words(_NUMBERED.sub(r" no \1 ", part)):
            right = word if word in stated else speller.repair(word, known=known)
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
    if query.dimension is Dimension.ENERGY:
        reading.basis = query.basis or stated_basis(text)
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
        if hit.facet in ("waste", "route") and any(inside < span for span in spans["product"]):
            continue  # "waste water", "waste oil", "landfill gas"
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
        refine_transport(reading)
    if query.dimension is Dimension.FREIGHT_DISTANCE:
        facets["waste"] = ()
    _refine_material(reading)
    _refine_stream(reading)


def _refine_material(reading: Reading) -> None:
    """Keep the exact materials; a bottled gas leaves no glass bottle behind."""
    facets = reading.facets
    named = facets.get("material", ())
    kept = tuple(m for m in named if not _GENERAL.get(m, frozenset()) & set(named))
    if "glass" in kept and {"lpg", "propane", "butane"} & set(facets.get("product", ())):
        kept = tuple(m for m in kept if m != "glass")
    if named:
        facets["material"] = kept


def _refine_stream(reading: Reading) -> None:
    """Tell what was thrown away from what was bought, and the way it went."""
    facets, query = reading.facets, reading.query
    kind = words(query.type or "")
    bought = bool(_BOUGHT & set(kind)) and not any(
        hit.facet in ("waste", "route") for hit in lexicon().find(kind)
    )
    waste = facets.get("waste", ())
    routes = _routes(reading, facets.get("route", ()), waste)
    if bought and routes and set(routes) <= {"recycled", "closed", "open"}:
        waste, facets["source"] = ("content",), ("closed",)  # recycled stuff that is bought
    if "content" in waste:
        waste, routes = ("content",), ()
    elif bought and not routes:
        waste = ()  # "refuse sacks" that are bought
    facets["waste"], facets["route"] = waste, routes
    product = facets.get("product", ())[:1]
    if waste == ("yes",) and product and product[0] in _AS_WASTE:
        burnt = set(routes) <= {"incineration"}  # also where the way is not said
        if query.dimension is Dimension.MASS and routes:
            named = _AS_WASTE[product[0]]
            others = tuple(m for m in facets.get("material", ()) if m != named)
            facets["material"], facets["product"] = (named, *others), ()
        elif not burnt:
            facets["product"] = ()  # oil that is collected is no fuel of ours


def _routes(reading: Reading, routes: tuple[str, ...], waste: tuple[str, ...]) -> tuple[str, ...]:
    """Turn the words that are a way of disposal only in their context into one, or drop them."""
    told: list[str] = []
    for route in routes:
        if route == "ad_short":  # capitals mark the abbreviation: "to AD", not "ad campaign"
            route = "ad" if re.search(r"\bAD\b", reading.text) else ""
        elif route == "composting" and set(reading.facets.get("material", ())[:1]) & _COMPOSTS:
            route = route if "yes" in waste else ""  # compost that is bought
        elif route == "biomass":
            route = "incineration" if "yes" in waste else ""
        elif route == "scrap":
            # Scrap metal is recycled; other scrap goes the way that the text says, if any.
            metal = set(reading.facets.get("material", ())[:1]) & _METALS
            route = "recycled" if metal and len(routes) == 1 else ""
        if route and route not in told:
            told.append(route)
    return tuple(told)


def _refine_product(reading: Reading) -> None:
    facets, query = reading.facets, reading.query
    products = facets.get("product", ()) or _metered(reading)
    if len(products) > 1 and "coal" in products and set(products) & _COALS:
        products = tuple(p for p in products if p != "coal")
    ranks = tuple(p for p in products if p in _RANKS)
    if ranks:  # "stoker coal (bituminous)" is bituminous
        products = (*ranks, *(p for p in products if p not in _RANKS and p not in _COALS))
    if "electricity" in products and _generated(reading):
        products = ("solar_own", *(p for p in products if p not in ("solar_own", "electricity")))
    if "certificates" in products:
        products = ("certificates",)  # a contract about energy, not its use
    heating_oil = "heating oil" in plain(query.name) and not re.search(
        r"\b(?:gas oil|red|35 ?s(?:ec(?:ond)?)?|class (?:a2|d)|no ?2)\b", plain(reading.text)
    )
    if products[:1] == ("gas_oil",) and heating_oil and (query.region or "")[:2] in ("GB", "IE"):
        # "Heating oil" is kerosene in Britain and Ireland, and a gas oil on the continent.
        products = ("burning_oil", *products[1:])
    if query.dimension is Dimension.ENERGY and products[:1] == ("bev",):
        products = ("electricity",)
    if products[:1] == ("lpg",) and "calor" in reading.tokens:
        # The colour of a Calor cylinder tells the gas.
        gases = [_CALOR[word] for word in reading.tokens if word in _CALOR]
        products = (*gases[:1], *products[1:]) if gases else products
    american = (query.region or "").startswith("US")
    by_gallon = american and query.unit == "gal_us" and "natural" not in reading.tokens
    if products[:1] == ("natural_gas",) and by_gallon:
        products = ("petrol", *products[1:])  # American "gas"
    if "td" in facets.get("upstream", ()) and products[:1] and products[0] in _HEAT:
        products = ("heat_loss",)
    if products:
        facets["product"] = products


def _generated(reading: Reading) -> bool:
    """Tell whether power is of one's own making: no grid's figure holds for it."""
    tokens = set(reading.tokens)
    if tokens & _BOUGHT_POWER:
        return False
    if reading.has("product", "solar_own"):
        return True
    source = tokens & _SUN_AND_WIND or any(t.startswith(_SUN) for t in tokens)
    source = source or (tokens & _OWN_MAKING and tokens & _MAKING)
    return bool(source) and bool(tokens & _OWN_PLANT or {"on", "site"} <= tokens)


def _metered(reading: Reading) -> tuple[str, ...]:
    """Tell what a meter counted that the text does not name: power or water."""
    query, tokens = reading.query, set(reading.tokens)
    if any(reading.facets.get(facet) for facet in ("material", "mode", "gas")):
        return ()
    if query.dimension is Dimension.ENERGY and query.unit in _METERED and not tokens & _NO_POWER:
        retailer = bool(reading.facets.get("retailer"))
        # American gas is billed in therms or by volume: an account in kWh is one of power.
        american = (query.region or "").startswith("US")
        if tokens & _POWER or (american and (retailer or tokens & _POWER_ACCOUNTS)):
            return ("electricity",)
    # Cubic metres on a meter may be gas; litres are water.
    watery = bool(tokens & _WATERY) and not tokens & {"fuel", "tank", "oil"}
    return ("water_supply",) if watery and query.unit in ("l", "hl", "Ml") else ()


def _refrigerant_context(reading: Reading) -> bool:
    told = {
        "refrigerant", "refrigerants", "fgas", "gas", "leak", "leaked", "leakage", "chiller",
        "chillers", "freezer", "ac", "aircon", "conditioning", "hvac", "fugitive", "kaltemittel",
        "frigorigene", "refrigerante", "refrigerantes", "coolant", "cooling", "top", "topup",
        "recharge", "added", "split", "heat", "cold", "fridge", "kalteanlage", "klimaanlage",
        "clim", "climatisation", "extinguisher", "extinguishers", "switchgear", "med", "medical",
        "anesthesia", "anaesthesia", "anaesthetic", "anesthetic", "theatre", "theatres", "dental",
        "cylinder", "cylinders", "gases", "fire", "suppression", "discharge", "recharged", "refill",
        "refrigeration", "refrigerated", "coldroom", "chill", "vrf", "vrv", "ahu", "dx", "hvacr",
        "condenser", "compressor", "leck", "leckage", "nachfullung", "nachgefullt", "kalte",
        "kaltemittelverlust", "fuite", "fuites", "froid", "groupe", "fluide", "fuga",
        "fugas", "aire", "acondicionado", "frio", "camara", "climatizacion", "perdita",
        "perdite", "condizionatore", "condizionatori", "climatizzatore", "lekkage", "koeling",
        "koelmiddel", "airco", "rack", "racks", "propellant", "inhalers", "labour", "maternity",
    }  # fmt: skip
    return bool(told & set(reading.tokens))
