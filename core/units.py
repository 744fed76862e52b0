"""Units: what people write → a canonical unit, and exact conversion between units.

Never confused: gross and net calorific value; metric, short and long ton; UK and US gallon; UK and
US therm; vehicle-, passenger- and tonne-kilometres; one currency and another. What a text does not
say is not guessed: it is `unit_missing`, `unit_unknown` or `unit_ambiguous`.

Plain "hours" are a time (code `h`), not FTE working hours; core.validation reads them as working
hours when the activity speaks of home working. Thousands and millions of money are units of their
own ("kEUR", "MEUR") with `currency` EUR, which `convert` brings to "EUR".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from core.errors import InvalidInput
from core.money import ISO_4217, CurrencyProblem, country_of, parse_currency
from core.records import Basis, Dimension
from core.short_cache import short_cache
from core.unit_forms import (
    AMBIGUOUS,
    BY_REGION,
    EXACT,
    FORMS,
    GROSS_WORDS,
    NET_WORDS,
    squash,
    squash_exact,
)

if TYPE_CHECKING:
    from pint import UnitRegistry


@dataclass(frozen=True, slots=True)
class Unit:
    """A canonical unit. `basis` is set on energy only, `currency` on money only."""

    code: str
    dimension: Dimension
    basis: Basis | None = None
    currency: str | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class UnitProblem:
    """Why a text is no unit; the message names the remedy."""

    code: Literal["unit_unknown", "unit_missing", "unit_ambiguous"]
    message: str


@dataclass(frozen=True, slots=True)
class ConversionStep:
    """One step in words ("1 m3 = 1000 l"), its factor, and where the constant comes from."""

    text: str
    factor: float
    source: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """A converted value: `value` is the given value × `factor`, in this order, in doubles."""

    value: float
    factor: float
    steps: tuple[ConversionStep, ...]


class UnitMismatch(InvalidInput):
    """Two units measure different things."""

    code = "unit_mismatch"


_SI = "SI, exact"
_YARD_POUND = "International Yard and Pound Agreement 1959, exact"
_US_GALLON = "US gallon of 231 cubic inches, exact"
_UK_GALLON = "UK Weights and Measures Act 1985, exact"
_BTU = "International Table Btu of 1055.05585262 J, exact"
_COUNT = "count"

# code → (dimension, definition by an earlier code, source of the constant, label). Exact decimals:
# pint reads them as fractions, so that a factor is rounded once, at the end.
_DEFINITIONS: dict[str, tuple[Dimension, str, str, str]] = {
    "kWh": (Dimension.ENERGY, "", _SI, "kWh"),
    "MWh": (Dimension.ENERGY, "1000 * kWh", _SI, "MWh"),
    "GWh": (Dimension.ENERGY, "1000000 * kWh", _SI, "GWh"),
    "MJ": (Dimension.ENERGY, "kWh / 3.6", _SI, "MJ"),
    "GJ": (Dimension.ENERGY, "1000 * MJ", _SI, "GJ"),
    "TJ": (Dimension.ENERGY, "1000000 * MJ", _SI, "TJ"),
    "Btu": (Dimension.ENERGY, "0.00105505585262 * MJ", _BTU, "Btu"),
    "mmBtu": (Dimension.ENERGY, "1055.05585262 * MJ", _BTU, "million Btu"),
    "therm_uk": (Dimension.ENERGY, "29.3071 * kWh", "UK/EC therm, 29.3071 kWh", "therm (UK)"),
    "therm_us": (Dimension.ENERGY, "29.3001 * kWh", "US therm, 29.3001 kWh", "therm (US)"),
    "toe": (Dimension.ENERGY, "11630 * kWh", "IEA, 41.868 GJ, exact", "tonne of oil equivalent"),
    "l": (Dimension.VOLUME, "", _SI, "litre"),
    "ml": (Dimension.VOLUME, "0.001 * l", _SI, "millilitre"),
    "hl": (Dimension.VOLUME, "100 * l", _SI, "hectolitre"),
    "m3": (Dimension.VOLUME, "1000 * l", _SI, "cubic metre"),
    "Ml": (Dimension.VOLUME, "1000000 * l", _SI, "million litres"),
    "gal_us": (Dimension.VOLUME, "3.785411784 * l", _US_GALLON, "US gallon"),
    "gal_uk": (Dimension.VOLUME, "4.54609 * l", _UK_GALLON, "UK gallon"),
    "bbl": (Dimension.VOLUME, "42 * gal_us", _US_GALLON, "barrel (42 US gallons)"),
    "ft3": (Dimension.VOLUME, "28.316846592 * l", _YARD_POUND, "cubic foot"),
    "scf": (Dimension.VOLUME, "28.316846592 * l", _YARD_POUND, "standard cubic foot"),
    "ccf": (Dimension.VOLUME, "100 * ft3", _YARD_POUND, "hundred cubic feet"),
    "mcf": (Dimension.VOLUME, "1000 * ft3", _YARD_POUND, "thousand cubic feet"),
    "kg": (Dimension.MASS, "", _SI, "kilogram"),
    "g": (Dimension.MASS, "0.001 * kg", _SI, "gram"),
    "mg": (Dimension.MASS, "0.000001 * kg", _SI, "milligram"),
    "t": (Dimension.MASS, "1000 * kg", _SI, "tonne"),
    "lb": (Dimension.MASS, "0.45359237 * kg", _YARD_POUND, "pound"),
    "oz": (Dimension.MASS, "lb / 16", _YARD_POUND, "ounce"),
    "short_ton": (Dimension.MASS, "907.18474 * kg", _YARD_POUND, "short ton"),
    "long_ton": (Dimension.MASS, "1016.0469088 * kg", _YARD_POUND, "long ton"),
    "km": (Dimension.DISTANCE, "", _SI, "km"),
    "m": (Dimension.DISTANCE, "0.001 * km", _SI, "metre"),
    "mi": (Dimension.DISTANCE, "1.609344 * km", _YARD_POUND, "mile"),
    "nmi": (Dimension.DISTANCE, "1.852 * km", "SI brochure, exact", "nautical mile"),
    "passenger_km": (Dimension.PASSENGER_DISTANCE, "", _SI, "passenger-km"),
    "passenger_mi": (
        Dimension.PASSENGER_DISTANCE, "1.609344 * passenger_km", _YARD_POUND, "passenger-mile",
    ),
    "tonne_km": (Dimension.FREIGHT_DISTANCE, "", _SI, "tonne-km"),
    "kg_km": (Dimension.FREIGHT_DISTANCE, "0.001 * tonne_km", _SI, "kg-km"),
    # 0.90718474 t × 1.609344 km
    "ton_mi": (
        Dimension.FREIGHT_DISTANCE, "1.45997231821056 * tonne_km", _YARD_POUND, "short ton-mile",
    ),
    "room_night": (Dimension.ROOM_NIGHT, "", _COUNT, "room night"),
    "fte_hour": (Dimension.WORK_HOUR, "", _COUNT, "FTE working hour"),
    "item": (Dimension.ITEM, "", _COUNT, "item"),
    "m2": (Dimension.AREA, "", _SI, "square metre"),
    "ft2": (Dimension.AREA, "0.09290304 * m2", _YARD_POUND, "square foot"),
    "h": (Dimension.TIME, "", _SI, "hour"),
    "d": (Dimension.TIME, "24 * h", _SI, "day"),
}  # fmt: skip

_LOOKUP: dict[str, str] = {
    squash(form): code for code, forms in FORMS.items() for form in forms.split("|")
}
_BY_REGION: dict[str, dict[str, str]] = {
    squash(form): choice for forms, choice in BY_REGION.items() for form in forms.split("|")
}
_MONEY_SCALE = {"": 1, "k": 1_000, "M": 1_000_000}
_MONEY_CODE = re.compile(r"([kM]?)([A-Z]{3})")
_THOUSAND = r"(?:thousands?|miles\s+de|mille|tsd\.?|['’]?000s?|k|t)"
_MILLION = r"(?:millions?|millionen|millones|mill?\.?|mio\.?|mn|m)"
_SCALED_MONEY = re.compile(
    rf"(?:(?P<before>{_THOUSAND}|{_MILLION})\s*)?(?P<money>\D+?)"
    rf"(?:\s*(?P<after>{_THOUSAND}|{_MILLION}))?",
    re.IGNORECASE,
)
_BASIS = re.compile(
    rf"(?<![A-Za-z])(?:(?P<gross>{GROSS_WORDS})|(?P<net>{NET_WORDS}))(?![A-Za-z])", re.IGNORECASE
)

_LONGEST = 60  # characters of a unit
_US_CUSTOMARY = frozenset({"US", "PR", "GU", "VI", "AS", "MP"})
_IMPERIAL = frozenset({"GB", "GG", "JE", "IM", "IE"})
_EUROPE = frozenset({
    "EU", "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
    "IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
})  # fmt: skip


def _region_class(region: str | None) -> str:
    country = country_of(region)
    if country is None:
        return ""
    if country in _US_CUSTOMARY:
        return "US"
    if country in _IMPERIAL:
        return "GB"
    return "EU" if country in _EUROPE else "other"


@cache
def unit(code: str) -> Unit:
    """Return the unit of a canonical code; energy without a basis. KeyError if there is none."""
    if code in _DEFINITIONS:
        dimension, _, _, label = _DEFINITIONS[code]
        return Unit(code, dimension, label=label)
    money = _MONEY_CODE.fullmatch(code)
    if money is None or money.group(2) not in ISO_4217:
        raise KeyError(code)
    prefix = {"": "", "k": "thousand ", "M": "million "}[money.group(1)]
    return Unit(code, Dimension.MONEY, currency=money.group(2), label=prefix + money.group(2))


@cache
def energy_unit(code: str, basis: Basis | None) -> Unit:
    """Return an energy unit that states its calorific value basis."""
    plain = unit(code)
    if basis is None:
        return plain
    if plain.dimension is not Dimension.ENERGY:
        raise UnitMismatch(f"{code} has no calorific value basis; only energy has one.")
    return Unit(code, plain.dimension, basis, label=f"{plain.label} ({basis.value} CV)")


# What people count on an expense list instead of the distance that the factors are per.
_COUNTED_JOURNEYS = frozenset(
    {"passenger", "passengers", "pax", "traveller", "travellers",
     "traveler", "travelers", "passagier", "passagiere", "reisende", "passager",
     "passagers", "voyageur", "voyageurs", "pasajero", "pasajeros", "viajero", "viajeros",
     "passeggeri", "flight", "flights", "trip", "trips", "journey", "journeys", "leg", "legs",
     "fahrt", "fahrten", "flug", "fluge", "reise", "reisen", "vol", "vols", "trajet", "trajets",
     "vuelo", "vuelos", "viaje", "viajes", "volo", "voli", "viaggio", "viaggi"}
)  # fmt: skip


@short_cache(65_536)
def parse_unit(text: str | None, *, region: str | None = None) -> Unit | UnitProblem:
    """Read a unit as people write it.

    `region` (ISO alpha-2, optionally with a subdivision) chooses between the gallons, tons, therms
    and dollars; without it these are `unit_ambiguous`. The text is never guessed at.
    """
    written = (text or "").strip()
    if len(written) > _LONGEST:  # first: to squash a long cell takes seconds
        return _unknown()
    if not squash(written) and "#" not in written:
        return UnitProblem("unit_missing", "No unit is given; add one, e.g. kWh, litres, km, EUR.")
    found = _lookup(written, region)
    basis_found = _BASIS.search(written)
    if basis_found is None or not (isinstance(found, UnitProblem) and found.code == "unit_unknown"):
        return found
    found = _lookup(_BASIS.sub(" ", written).strip(), region)
    if isinstance(found, UnitProblem) or found.dimension is Dimension.MONEY:
        return found  # "EUR (net)" speaks of VAT, not of heat
    if found.dimension is not Dimension.ENERGY:
        return _unknown()
    return energy_unit(found.code, Basis.GROSS if basis_found.group("gross") else Basis.NET)


def _unknown(text: str = "") -> UnitProblem:
    if squash(text) in _COUNTED_JOURNEYS:
        return UnitProblem(
            "unit_unknown",
            "A number of travellers or journeys tells no distance; give passenger-km (km × number "
            "of travellers), or km for a vehicle of your own.",
        )
    return UnitProblem(
        "unit_unknown",
        "This is no unit that we know; use a usual one such as kWh, litres, kg, t, km, EUR, "
        "or map the column that holds the unit.",
    )


def _lookup(text: str, region: str | None) -> Unit | UnitProblem:
    exact = squash_exact(text)
    if exact in AMBIGUOUS:
        return UnitProblem("unit_ambiguous", AMBIGUOUS[exact])
    if exact in EXACT:
        return unit(EXACT[exact])
    squashed = squash(text)
    if squashed in _LOOKUP:
        return unit(_LOOKUP[squashed])
    if squashed in _BY_REGION:
        code = _BY_REGION[squashed].get(_region_class(region))
        if code is not None:
            return unit(code)
        return UnitProblem(
            "unit_ambiguous",
            "This unit differs between countries; name it in full (US gal, UK gal, short ton, "
            "tonne, long ton, lb), or give the region.",
        )
    found = _lookup_money(text.strip(" ()[]"), region)
    unknown = isinstance(found, UnitProblem) and found.code == "unit_unknown"
    return _unknown(text) if unknown else found


def _lookup_money(text: str, region: str | None) -> Unit | UnitProblem:
    found = parse_currency(text, region=region, words=False)
    if isinstance(found, str):
        return unit(found)
    scaled = _SCALED_MONEY.fullmatch(text) if found.code == "currency_unknown" else None
    if scaled is not None and (scaled["before"] or scaled["after"]):
        inner = parse_currency(scaled["money"], region=region, words=False)
        if isinstance(inner, str) and not (scaled["before"] and scaled["after"]):
            scale = scaled["before"] or scaled["after"]
            thousand = re.fullmatch(_THOUSAND, scale, re.IGNORECASE)
            return unit(("k" if thousand else "M") + inner)
        if isinstance(inner, CurrencyProblem):
            found = inner
    if found.code == "currency_ambiguous":
        return UnitProblem("unit_ambiguous", found.message)
    return _unknown()


@cache
def _registry() -> UnitRegistry[Any]:
    # Empty registry with our own definitions: pint's file would cost 0.7 s and bring units that
    # mean something else here (its "therm" and "ton" are US only). Fractions keep them exact.
    from pint import UnitRegistry

    registry: UnitRegistry[Any] = UnitRegistry(None, non_int_type=Fraction)
    for code, (dimension, definition, _, _) in _DEFINITIONS.items():
        registry.define(f"{code} = {definition or f'[{dimension.value}]'}")
    return registry


@cache
def _exact_factor(source: str, target: str) -> Fraction:
    return Fraction(_registry().convert(Fraction(1), source, target))


def _check_convertible(source: Unit, target: Unit) -> None:
    if source.dimension is not target.dimension:
        raise UnitMismatch(
            f"{source.code} measures {source.dimension.value.replace('_', ' ')}, "
            f"{target.code} measures {target.dimension.value.replace('_', ' ')}."
        )
    if source.dimension is Dimension.MONEY and source.currency != target.currency:
        raise UnitMismatch(
            f"{source.currency} to {target.currency} needs an exchange rate, not a unit conversion."
        )
    if source.basis and target.basis and source.basis is not target.basis:
        raise UnitMismatch(
            f"{source.basis.value} and {target.basis.value} calorific value need a cited ratio."
        )


@lru_cache(maxsize=4096)
def conversion_factor(source: Unit, target: Unit) -> ConversionStep | None:
    """Return the step from one unit to another, None when they are the same unit.

    Raises UnitMismatch as `convert` does.
    """
    _check_convertible(source, target)
    if source.code == target.code:
        return None
    if source.dimension is Dimension.MONEY:
        ratio = Fraction(_money_scale(source), _money_scale(target))
        origin = "decimal multiple"
    else:
        ratio = _exact_factor(source.code, target.code)
        sources = (_DEFINITIONS[source.code][2], _DEFINITIONS[target.code][2])
        origin = "; ".join(dict.fromkeys(s for s in sources if s != _SI)) or _SI
    factor = float(ratio)
    return ConversionStep(f"1 {source.code} = {factor:.15g} {target.code}", factor, origin)


def _money_scale(money: Unit) -> int:
    return _MONEY_SCALE[money.code.removesuffix(money.currency or "")]


def convert(value: float, source: Unit, target: Unit) -> Conversion:
    """Convert `value` from one unit to another.

    Raises UnitMismatch across dimensions (vehicle-, passenger- and tonne-kilometres are three),
    between currencies, and between gross and net calorific value, which need a cited ratio. A
    unit without a basis converts to either: which convention applies is the matcher's to state.
    """
    step = conversion_factor(source, target)
    if step is None:
        return Conversion(value, 1.0, ())
    return Conversion(value * step.factor, step.factor, (step,))
