"""What a DESNZ heading path means: our activity kind, scope 3 category, name and region."""

from __future__ import annotations

from dataclasses import dataclass

from core.factors.countries import country_code
from core.factors.importers.result import refuse


@dataclass(frozen=True, slots=True)
class Facts:
    """What we read from a heading path."""

    name: str
    kind: str
    scope3_category: int | None
    note: str


# Level 1 → (kind, scope 3 category, why that category). The category is ours: DESNZ gives only
# the scope. Reasons follow the GHG Protocol Scope 3 Standard, table 5.4.
_KINDS: dict[str, tuple[str, int | None, str]] = {
    "Fuels": ("fuel", None, ""),
    "Bioenergy": ("bioenergy", None, ""),
    "Refrigerant & other": ("refrigerant", None, ""),
    "Passenger vehicles": ("vehicle_passenger", None, ""),
    "Delivery vehicles": ("vehicle_delivery", None, ""),
    "UK electricity": ("electricity", None, ""),
    "UK electricity for EVs": ("vehicle_ev_electricity", None, ""),
    "Heat and steam": ("heat", None, ""),
    "WTT- fuels": ("well_to_tank", 3, "upstream of purchased fuels"),
    "WTT- bioenergy": ("well_to_tank", 3, "upstream of purchased fuels"),
    "Transmission and distribution": ("transmission_losses", 3, "losses of purchased energy"),
    "UK electricity T&D for EVs": ("transmission_losses_ev", 3, "losses of purchased energy"),
    "WTT- UK electricity": ("well_to_tank", 3, "upstream of purchased electricity"),
    "WTT- heat and steam": ("well_to_tank", 3, "upstream of purchased heat"),
    "Water supply": ("water_supply", 1, "water is a purchased good"),
    "Water treatment": ("water_treatment", 5, "waste water is treated by others"),
    "Material use": ("material", 1, "a purchased material"),
    "Waste disposal": ("waste", 5, "waste treated by others"),
    "Business travel- air": ("business_travel_air", 6, "travel in others' vehicles"),
    "WTT- business travel- air": ("well_to_tank", 6, "upstream of the fuel of business travel"),
    "Business travel- sea": ("business_travel_sea", 6, "travel in others' vehicles"),
    "WTT- business travel- sea": ("well_to_tank", 6, "upstream of the fuel of business travel"),
    "Business travel- land": ("business_travel_land", 6, "travel in others' vehicles"),
    "WTT- pass vehs & travel- land": ("well_to_tank", 3, "upstream of vehicle fuel"),
    "Freighting goods": ("freight", 4, "transport bought from others"),
    "WTT- delivery vehs & freight": ("well_to_tank", 4, "upstream of the fuel of transport"),
    "Hotel stay": ("hotel", 6, "stays on business travel"),
    "Managed assets- electricity": ("managed_asset", 8, "an asset managed or leased, not owned"),
    "Managed assets- vehicles": ("managed_asset", 8, "an asset managed or leased, not owned"),
    "Homeworking": ("homeworking", 7, "homeworking belongs to commuting"),
}
# GWPs are physics and not British: they hold everywhere.
_GLOBAL_KINDS = {"refrigerant"}


def describe(levels: tuple[str, ...], *, outside: bool) -> Facts:
    """Read a heading path (levels 1 to 4, column text; blanks allowed)."""
    if outside:
        return Facts(_name(levels), "biogenic_co2", None, "Biogenic CO2: reported apart.")
    kind, category, why = _KINDS.get(levels[0], ("other", None, ""))
    note = f"Scope 3 category {category}: {why}." if category else ""
    return Facts(_name(levels), kind, category, note)


def region_of(levels: tuple[str, ...]) -> str | None:
    """Return the ISO country a path is about: the hotel's country, else GB; None is global.

    Raises FileRejected for a hotel in a country we cannot name: it must not pass for a British one.
    """
    if levels[0] == "Hotel stay":
        country = country_code(levels[2].split("(")[0])
        if country is None:
            raise refuse(
                "DESNZ flat",
                f"the hotel country “{levels[2]}” is not in core/factors/data/places.csv",
            )
        return country
    if _KINDS.get(levels[0], ("", None, ""))[0] in _GLOBAL_KINDS:
        return None
    return "GB"


def _name(levels: tuple[str, ...]) -> str:
    """Join the parts that tell a factor apart: level 2 down to the column text."""
    parts: list[str] = []
    for part in levels[1:]:
        if part and part != "kWh" and part not in parts:
            parts.append(part)
    return ", ".join(parts) if parts else levels[0]
