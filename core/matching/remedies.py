"""What to give instead, where an activity is in a unit that no factor of it takes."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

from core.matching.reading import Reading
from core.records import Dimension
from core.units import unit


class _Words(NamedTuple):
    """How a dimension is asked for: per what its factors are, and what a person writes."""

    per: str
    give: str


# In the order in which they are offered: what is on a bill or in a fuel log first.
_WORDS = {
    Dimension.ENERGY: _Words("kWh", "kWh"),
    Dimension.VOLUME: _Words("litre", "litres"),
    Dimension.MASS: _Words("kg", "kg"),
    Dimension.DISTANCE: _Words("vehicle-km", "km driven"),
    Dimension.PASSENGER_DISTANCE: _Words("passenger-km", "passenger-km"),
    Dimension.FREIGHT_DISTANCE: _Words("tonne-km", "tonne-km"),
    Dimension.ROOM_NIGHT: _Words("room night", "room nights (rooms × nights)"),
    Dimension.WORK_HOUR: _Words(
        "working hour", "working hours (days × hours a day × number of people)"
    ),
    Dimension.AREA: _Words("m²", "m²"),
    Dimension.TIME: _Words("hour", "hours"),
    Dimension.ITEM: _Words("item", "a number of items"),
    Dimension.MONEY: _Words("amount of money", "an amount of money"),
}
_JOURNEYS = {
    "air": "Flights", "rail": "Train journeys", "underground": "Underground journeys",
    "tram": "Tram journeys", "bus": "Bus journeys", "coach": "Coach journeys",
    "taxi": "Taxi journeys", "ferry": "Ferry journeys",
}  # fmt: skip
_NETWORKS = frozenset(
    {"electricity", "heat", "transmission_losses", "vehicle_ev_electricity",
     "transmission_losses_ev", "well_to_tank", "managed_asset"}
)  # fmt: skip
_PASSENGERS = "passenger-km (km × number of travellers)"
_FREIGHT = "tonne-km (weight in tonnes × km)"


def unit_remedy(reading: Reading, accepted: Set[Dimension]) -> str:
    """Return the sentence that names the units which factors for this activity take.

    `accepted` are the dimensions of those factors, at least one; that of the query is not among
    them.
    """
    people = Dimension.PASSENGER_DISTANCE in accepted
    freight = Dimension.FREIGHT_DISTANCE in accepted
    given = unit(reading.query.unit).label or reading.query.unit
    others = [d for d in _WORDS if d in accepted and d is not reading.query.dimension]
    driven = Dimension.DISTANCE in accepted
    goods = freight and (not people or reading.has("owner", "third_party"))
    if goods and not driven:
        return f"Freight is counted per tonne-km, not per {given}: give {_FREIGHT}."
    if people and not driven:
        subject = _JOURNEYS.get(reading.first("mode") or "", "Journeys")
        also = f", or {_FREIGHT} if it is freight" if freight else ""
        return f"{subject} are counted per passenger-km, not per {given}: give {_PASSENGERS}{also}."
    per = _listed([_WORDS[d].per for d in others])
    give = _listed([_WORDS[d].give for d in others])
    return f"Its factors are per {per}, not per {given}: give {give}."


def region_remedy(region: str, kinds: Set[str], *, near: bool) -> str:
    """Return why a figure of another country is not used, and what to do instead.

    `kinds` are those of the factors that were refused; `near`: others are listed to choose from.
    """
    own = "POST /v1/emission-factors"
    if "hotel" in kinds:
        return (
            f"There is no factor for hotel nights in {region}, and another country's is never used "
            f"for this. Add one of your own, per room night: {own}."
        )
    if kinds & _NETWORKS:
        what = (
            "the factor of your heat supplier"
            if "heat" in kinds
            else ("your supplier's or grid factor")
        )
        return (
            f"There is no factor for {region}, and another country's is never used for this. Add "
            f"{what}: {own}."
        )
    choose = "Choose one of those listed, or add" if near else "Add"
    return (
        f"The library has factors of another country alone, which are not used by themselves in "
        f"{region}. {choose} one of your own: {own}."
    )


def _listed(words: list[str]) -> str:
    """Join words as a sentence does: "kWh, litres or tonnes"."""
    return " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
