"""Money spent on energy: what a sector's figure cannot say of it.

A spend factor holds the emissions of making and delivering what was bought. Of electricity and
heat that is scope 2, for which the table has no sector; of a fuel that is burned it is the small
part, the large one being scope 1.
"""

from __future__ import annotations

from dataclasses import replace

from core.matching.ledger_words import listed, told_words
from core.matching.reading import Reading
from core.matching.text import words
from core.records import Decision, EmissionFactor, Outcome, Reason

SUPPLY_ONLY = "fuel_supply_only"
_SUPPLY_ONLY = Reason(
    SUPPLY_ONLY,
    "Only the supply of the fuel is in this figure; burning it (scope 1) is not. Give litres, kWh "
    "or kg.",
)
_NO_SUPPLY = Reason(
    SUPPLY_ONLY,
    "Money tells nothing of what burning the fuel emits (scope 1). Give litres, kWh or kg.",
)
# Sectors that dig, refine, pipe or sell fuels.
_FUEL_SECTORS = frozenset(
    {"211120", "211130", "212111", "212112", "212113", "221210", "324110", "424710", "424720",
     "447110", "447190", "454310"}
)  # fmt: skip
# What of their goods is not burned.
_UNBURNED = frozenset({"lubricants", "asphalt_oil"})
_UNBURNED_WORDS = frozenset({"bitumen", "asphalt", "naphtha", "lubricant", "lubricants", "grease"})
_BURNED = frozenset(
    {"natural_gas", "other_biogas", "cng", "lng", "lpg", "propane", "butane", "avgas", "jet_fuel",
     "burning_oil", "diesel", "petrol", "gas_oil", "distillate_1", "distillate_4", "fuel_oil",
     "residual_5", "residual_6", "residual_oil", "distillate_oil", "marine_gas_oil",
     "marine_fuel_oil", "coal_industrial", "coal_domestic", "coal_electricity", "coal_home",
     "coal_commercial", "coal", "anthracite", "bituminous", "subbituminous", "lignite",
     "coking_coal", "coke", "petcoke", "bioethanol", "biodiesel", "biodiesel_uco",
     "biodiesel_tallow", "biodiesel_blend", "hvo", "biopropane", "biomethane", "biomethane_c",
     "biomethane_l", "offroad_biodiesel", "development_diesel", "development_petrol", "wood_logs",
     "wood_chips", "wood_pellets", "straw", "biogas", "peat", "charcoal", "gtl"}
)  # fmt: skip
_HEAT = ("heat_district", "heat_steam", "heat_onsite", "cooling")
# Steam cleans, and a chilled vapour drives: these alone are always a supply.
_SURE_HEAT = frozenset({"heat_district", "heat_onsite"})


def waits_for_kwh(reading: Reading) -> str | None:
    """Return the sentence why money for bought power or heat has no figure, or None."""
    if _electricity(reading):
        return (
            "The spend table has no sector for electricity, so money alone gives no figure; "
            "please give the kWh."
        )
    if _heat(reading):
        return (
            "Heat, steam and cooling that are bought are scope 2 and depend on the network, so "
            "money alone gives no figure; please give the kWh."
        )
    return None


def _electricity(reading: Reading) -> bool:
    if not reading.has("product", "electricity") or _goods(reading):
        return False
    told = set(told_words(words(reading.query.name)))
    if told & listed("electricity") or _account_is(reading, listed("electricity")):
        return True
    told |= set(words(reading.query.description or ""))
    power = {"power", "elec", "electric", "luz", "electrical"}
    return bool(told & power) and bool(set(reading.tokens) & listed("power_bill"))


def _goods(reading: Reading) -> bool:
    """Tell whether the line is of a thing or a work about energy. The account does not tell: an
    electricity bill may stand in that of the works or the car parks."""
    query = reading.query
    return bool(set(words(f"{query.name} {query.description or ''}")) & listed("electrical_goods"))


def _account_is(reading: Reading, names: frozenset[str]) -> bool:
    """Tell whether the account has one of these names and no more, and the line is no service."""
    account = set(told_words(words(reading.query.type or "")))
    if not account & names or set(words(reading.query.name)) & listed("service"):
        return False
    return account <= names | listed("power_bill") | listed("filler") | listed("vendor")


def _heat(reading: Reading) -> bool:
    product = reading.first("product")
    if product not in _HEAT or _goods(reading):
        return False
    name = words(reading.query.name)
    if set(name) & listed("service"):
        return False
    if product in _SURE_HEAT:
        return True
    # What else is told is of a bill, not of a cleaner, a trap or an iron.
    heat = {"steam", "heat", "cooling", "dampf", "vapeur", "vapor", "vapore", "stoom", "chilled",
            "water", "district", "purchased", "imported", "bought"}  # fmt: skip
    rest = set(told_words(name)) - heat
    return rest <= listed("power_bill") | listed("filler") | listed("vendor")


def without_burning(reading: Reading, best: EmissionFactor, decision: Decision) -> Decision:
    """List the decision for review where it leaves out that a fuel is burned, and say so.

    The figure stays: the sector is right, and what is missing has no factor per money.
    """
    if best.organization_id is not None or not _fuel(reading, best):
        return decision
    if decision.outcome is Outcome.HELD:
        return replace(decision, reasons=(*decision.reasons, _NO_SUPPLY))
    return replace(decision, outcome=Outcome.FLAGGED, reasons=(_SUPPLY_ONLY, *decision.reasons))


def _fuel(reading: Reading, best: EmissionFactor) -> bool:
    products = set(reading.facets.get("product", ()))
    tokens = set(words(reading.query.name))
    if products & _UNBURNED or tokens & _UNBURNED_WORDS:
        return False
    if best.source_id in _FUEL_SECTORS:
        return True
    # Another sector makes it, or the sector is not the right one: the line names a fuel alone.
    named = reading.first("product") in _BURNED and reading.covered >= 1.0
    return named and not reading.facets.get("mode") and not tokens & listed("service")
