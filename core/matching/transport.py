"""What the words of a journey or a delivery mean together: mode, haul, cabin, vehicle, weight."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.matching.routes import codes_in, route_in
from core.records import Dimension

if TYPE_CHECKING:
    from core.matching.reading import Reading

# When several modes are named, the first of these is meant: a "van mileage" is a van's.
_MODES = ("air", "ferry", "rail", "underground", "tram", "taxi", "coach", "bus", "ship",
          "van", "motorbike", "bicycle", "hgv", "car")  # fmt: skip
# Modes beside which two airport codes are stations or depots: "Greyhound DAL-HOU".
_GROUND = frozenset({"rail", "underground", "tram", "taxi", "coach", "bus", "ship", "ferry",
                     "van", "motorbike", "hgv"})  # fmt: skip
# Airlines by names and codes that are other words too: they tell a flight beside its two ends.
_AIRLINES = frozenset(
    {"delta", "united", "american", "southwest", "alaska", "spirit", "frontier", "ba", "ua", "aa",
     "dl", "wn", "lh", "af", "kl", "ek", "ib", "ay", "sk", "tp", "qf", "sq", "cx", "virgin",
     "swiss", "iberia", "jal", "ana", "condor", "volotea", "transavia", "sas", "klm", "lot",
     "tap", "qantas", "etihad", "breeze", "allegiant", "tui", "level", "jet2", "azul", "gol"}
)  # fmt: skip
# Stations of the Northeast Corridor, Boston to Washington (hub, table 10, note C).
_CORRIDOR = frozenset(
    {"BOS", "NYC", "JFK", "LGA", "EWR", "PHL", "BWI", "DCA", "IAD", "WAS", "PVD", "HVN", "BDL",
     "ILG", "TTN"}
)  # fmt: skip
# Engine names: with these letters on the boot a car is a diesel, or is not.
_ENGINES = (
    ("bev", r"\be-?(?:niro|golf|up|208|2008|corsa|tron|transit|vito|sprinter|crafter)\b|"
            r"\bid\.? ?[3457]\b|\bioniq [56]\b|\bpolestar\b|\bmodel [3ysx]\b|\bmg4\b|\bev[369]\b|"
            r"\benyaq\b|\bi-?pace\b|\btaycan\b|\bmach-?e\b|\beq[abcesv]\b|\bi[34x]\b(?= )|"
            r"\bcupra born\b|\bkona electric\b"),
    ("phev", r"\bgte\b|\btfsi ?e\b|\bp[345]\d0e\b|\b[2357][2-5]\de\b|\bx[135] xdrive\d\de\b|"
             r"\be-?hybrid\b"),
    ("hybrid", r"\bprius\b|\bhsd\b|\be-?power\b"),
    ("diesel", r"\b(?:blue)?(?:tdi|tdci|dci|hdi|cdi|crdi|cdti|jtdm?|tec|dsl)\b|\bd-?4d\b|"
               r"\bmultijet\b|\becoblue\b|\bskyactiv-?d\b|\b[st]dv[68]\b|\b[st]d4\b|"
               r"\bd[1-3]\d0\b|\b[1-7][1-5]\dd\b|\bx[1-7] ?\dxd\b"),
    ("petrol", r"\b(?:tsi|t?fsi|vtec|vti|ecoboost|puretech|mpi|gti|t-?gdi|gdi|tce|vvt-?i)\b|"
               r"\bskyactiv-?g\b|\bp[1-5][05]0\b|\b[1-7][1-5]\di\b"),
)  # fmt: skip
_FUELS = tuple((fuel, re.compile(pattern)) for fuel, pattern in _ENGINES)
# Kinds of trains on the Continent, in capitals: elsewhere an ICE is a combustion engine.
_TRAINS = re.compile(r"\b(?:ICE|IC|EC|RE|RB|TER|AVE)\b")
_CC = re.compile(r"\b(\d{2,4}) ?(?:cc|ccm|cm3)\b")
_TONNES = re.compile(r"(\d+(?:[.,]\d+)?)\s?-?(?:t|te|to|tonne|tonnes|tonner|ton|tons)\b")
# Around a number of tonnes: what makes it the load …
_LOADS = (
    r"loads?|payload|cargo|freight|goods|ladung|fracht|nutzlast|charge utile|chargement|carga|"
    r"carico"
)
_LOAD_AFTER = re.compile(
    rf"\s*(?:[x×*@]|(?:of|de|di|à|a|von|over|per|über)\b|(?:{_LOADS})\b|"
    r"[\s,]*\d[\d.,]*\s?(?:km|mi|miles)\b)"
)
_LOAD_BEFORE = re.compile(
    rf"(?:\b(?:{_LOADS}|carrying|carried|moved|mit|with)\b[:\s]*|\bkm\s?[x×*]\s?)$"
)
# … and what makes it the vehicle.
_VEHICLES = (
    r"hgvs?|lgvs?|trucks?|lorry|lorries|vehicles?|tractor|trailer|wagon|lkw|lastwagen|zugmaschine|"
    r"camion|camions|camión|camiones|autocarro|vrachtwagen|poids lourds?|pl"
)
_VEHICLE_AFTER = re.compile(
    rf"\s*(?:-?\s?(?:{_VEHICLES})\b|gvw|gvwr|gvm|gcw|mgw|gross|zgg|zgm|ptac|ptra|mma|class\b)"
)
_VEHICLE_BEFORE = re.compile(
    rf"(?:[<>≤≥]\s?|\b(?:{_VEHICLES}|gvw|zgg|ptac|over|up to|bis|ab)[\s(:,]*)$"
)
_BIKES = frozenset({"bike", "bikes", "moped", "mopeds", "scooter", "scooters", "motorbike"})
_CABINS = {"Y": "economy", "W": "premium", "C": "business", "J": "business", "F": "first"}
_LETTER = re.compile(r"(?:^|[\s,(/])([YWCJF])(?:$|[\s,)/](?!\s*RF))")
_BUSINESS = re.compile(r"\bbusiness\b(?!\s*(?:travel|trip|flight|mileage))", re.IGNORECASE)


def refine_transport(reading: Reading) -> None:
    """Settle the mode of a journey, and what its vehicle and route mean for the factor."""
    facets, query = reading.facets, reading.query
    american = (query.region or "").startswith("US")
    modes = _modes(reading, american)
    if facets.get("product") == ("electricity",):
        facets["product"] = ("bev",)
    ranked = sorted(set(modes), key=lambda m: (modes.index(m) > 0 and m == "car", _MODES.index(m)))
    if query.dimension is Dimension.FREIGHT_DISTANCE:
        ranked = [m for m in ranked if m in ("air", "rail", "ship", "van", "hgv")]
    if query.dimension is Dimension.PASSENGER_DISTANCE:
        ranked = [m for m in ranked if m not in ("van", "hgv", "ship", "motorbike")]
    mode = ranked[0] if ranked else None
    facets["mode"] = tuple(ranked[:1])
    if mode == "air":
        _air(reading)
    else:
        for facet in ("haul", "cabin", "rf"):
            facets.pop(facet, None)
    if mode == "rail" and american:
        _us_rail(reading)
    if mode in ("hgv", "van"):
        _weight(reading, mode)
    if mode in ("car", "van", "motorbike"):
        _vehicle(reading, mode)


def _modes(reading: Reading, american: bool) -> list[str]:
    """Return the modes that the words tell, first the ones that are written."""
    facets, query = reading.facets, reading.query
    modes = list(facets.get("mode", ()))
    tokens = set(reading.tokens)
    cc = _cubic_centimetres(reading)
    if cc and cc <= 1300 and (tokens & _BIKES or (not modes and cc < 700)):
        modes = ["motorbike", *(m for m in modes if m not in ("bicycle", "car", "hgv", "van"))]
    airports = codes_in(reading.text)
    if len(airports) >= 2 and not set(modes) & _GROUND:
        modes.insert(0, "air")
    if facets.get("haul") and not modes:
        modes.append("air")  # "long haul, economy": nothing else has a haul
    home = (query.region or "")[:2] or None
    if not modes and tokens & _AIRLINES and route_in(reading.text, home) is not None:
        modes.append("air")
    segment = facets.get("segment") or facets.get("model")
    if ("bev" in facets.get("product", ()) or segment) and not modes:
        modes.append("car")
    continental = (query.region or "")[:2] not in ("GB", "US", "")
    if not modes and continental and _TRAINS.search(reading.text):
        modes.append("rail")
    if american:
        # The hub has one row for every bus; its light-duty trucks are vans, pick-ups and SUVs.
        modes = ["bus" if m == "coach" and "air" not in modes else m for m in modes]
        modes = ["underground" if m == "tram" else m for m in modes]  # one row for both
        if "underground" in modes and not facets.get("submode"):
            modes = [m for m in modes if m != "rail"]  # "WMATA rail"
        if "metrolink" in tokens:
            modes, facets["submode"] = ["rail"], ("commuter",)
        if set(facets.get("segment", ())) & {"4x4", "mpv"}:
            modes = ["van" if m == "car" else m for m in modes]
    return modes


def _cubic_centimetres(reading: Reading) -> int | None:
    found = _CC.search(reading.text.lower())
    return int(found.group(1)) if found else None


def _vehicle(reading: Reading, mode: str) -> None:
    """Read make, model and engine: the fuel, a car's market segment, a motorbike's size."""
    facets = reading.facets
    if mode == "motorbike":
        cc = _cubic_centimetres(reading)
        if cc:
            # DESNZ: small up to 125 cc, medium to 500 cc, large above.
            facets["size"] = ("small" if cc <= 125 else "medium" if cc <= 500 else "large",)
        return
    if not set(facets.get("product", ())) - {"unknown_fuel"}:
        text = reading.text.lower()
        fuel = next((fuel for fuel, pattern in _FUELS if pattern.search(text)), None)
        if fuel:
            facets["product"] = (fuel,)
    if mode == "car" and not facets.get("segment") and not facets.get("size"):
        model = facets.get("model", ())
        if model:  # a stated size goes before what the model would tell
            facets["segment"] = model[:1]


def _air(reading: Reading) -> None:
    facets, query = reading.facets, reading.query
    home = query.region[:2] if query.region else None
    named = route_in(query.name, home, assume=False)
    reading.route = named or route_in(reading.text, home)
    if reading.route is not None and not (facets.get("haul") and reading.route.assumed):
        facets["haul"] = (reading.route.uk_haul(),)
        facets["haul_us"] = (reading.route.us_haul(),)
    elif facets.get("haul"):
        facets["haul_us"] = tuple(
            {"domestic": "medium", "international": "long"}.get(h, h) for h in facets["haul"]
        )
    if "cabin" not in facets:
        letter = _LETTER.search(query.name)
        if letter:
            facets["cabin"] = (_CABINS[letter.group(1)],)
        elif _BUSINESS.search(query.name):
            facets["cabin"] = ("business",)


def _us_rail(reading: Reading) -> None:
    """Tell the Northeast Corridor from the other routes by the stations."""
    route = route_in(reading.text, "US", assume=False)
    if route is not None and "submode" not in reading.facets:
        on_it = {route.start.code, route.end.code} <= _CORRIDOR
        reading.facets["submode"] = ("nec" if on_it else "other_routes",)


def _weight(reading: Reading, mode: str) -> None:
    """Read the gross weight of a goods vehicle: "7.5t rigid", "artic >33t", "44t"."""
    facets = reading.facets
    text = reading.text.lower()
    body = facets.get("body", ())
    found = next(
        (f for f in _TONNES.finditer(text) if _of_the_vehicle(reading, text, f, bool(body))), None
    )
    if found is None or mode == "van":
        return
    weight = float(found.group(1).replace(",", "."))
    above = ">" in reading.text[max(0, found.start() - 3) : found.start()]
    if "artic" in body or ("rigid" not in body and weight >= 36):
        facets["band"] = ("a33",) if weight > 33 or (above and weight >= 33) else ("a3",)
    elif weight > 3.5:
        heavy = weight > 17 or (above and weight >= 17)
        facets["band"] = ("r17",) if heavy else ("r7",) if weight > 7.5 else ("r3",)


def _of_the_vehicle(reading: Reading, text: str, found: re.Match[str], body: bool) -> bool:
    """Tell a vehicle's gross weight from what it carries: "18t rigid" from "12 t x 450 km".

    Beside tonne-km a number of tonnes is as likely the load, so the vehicle has to be named with
    it, or its kind somewhere.
    """
    before, after = text[: found.start()], text[found.end() :]
    if _LOAD_AFTER.match(after) or _LOAD_BEFORE.search(before):
        return False
    if reading.query.dimension is not Dimension.FREIGHT_DISTANCE or body:
        return True
    if found.group().endswith("tonner"):  # "7,5-Tonner" is what Germans call the vehicle
        return True
    return bool(_VEHICLE_AFTER.match(after) or _VEHICLE_BEFORE.search(before))
