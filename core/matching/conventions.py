"""The conventions of the field, as named rules with their reasons.

From domain.md §3: each that decides a match is stated in the decision, so that an auditor reads
why this factor and not its neighbour.
"""

from __future__ import annotations

from collections.abc import Collection

from core.factors.editions import covers
from core.factors.library import edition_of
from core.matching.reading import Reading
from core.records import Basis, Dimension, EmissionFactor, Reason

# A product that the library may not have under its own name → what stands in, and what that costs.
ALTERNATES: dict[str, dict[str, float]] = {
    "gas_oil": {"distillate_oil": -1.0, "diesel": -4.0},
    "distillate_oil": {"gas_oil": -1.0},
    "lpg": {"propane": -1.5, "butane": -3.0},
    "propane": {"lpg": -1.5},
    "butane": {"lpg": -2.0},
    "coal": {"coal_industrial": -0.5, "coal_commercial": -0.7, "coal_domestic": -1.5,
             "bituminous": -1.2},
    "coal_industrial": {"bituminous": -1.5},
    "coal_domestic": {"bituminous": -2.0, "coal_commercial": -1.0},
    "anthracite": {"coal_domestic": -2.0},
    "fuel_oil": {"residual_oil": -1.0, "residual_6": -1.0},
    "residual_oil": {"fuel_oil": -1.0},
    "heat_steam": {"heat_district": -0.5, "heat_onsite": -1.0},
    "heat_district": {"heat_steam": -0.7},
    "heat_onsite": {"heat_steam": -0.7},
    "marine_gas_oil": {"gas_oil": -2.0},
    "marine_fuel_oil": {"fuel_oil": -2.0},
    "wood_logs": {"wood_residuals": -2.0},
    "wood_chips": {"wood_residuals": -2.0},
    "wood_pellets": {"wood_residuals": -2.0},
    "biomethane": {"biomethane_c": -0.3, "biomethane_l": -0.8},
    "biodiesel_uco": {"biodiesel": -0.5},
    "biodiesel_tallow": {"biodiesel": -0.5},
    "jet_fuel": {"burning_oil": -3.0},
    "waste_oils": {},
    # materials
    "steel": {"metals_construction": -0.5},
    "metals_construction": {"scrap_metal": -0.6},
    "copper": {"scrap_metal": -2.0},
    "electrical_it": {"weee_mixed": -0.6, "weee_small": -1.0},
    "weee_mixed": {"weee_small": -0.6, "electrical_it": -1.5},
    "weee_small": {"weee_mixed": -0.6},
    "weee_large": {"weee_mixed": -0.8},
    "flatpanel": {"weee_mixed": -1.0},
    "crt": {"weee_mixed": -1.0},
    "peripherals": {"weee_small": -1.0},
    "batteries": {"batteries_alkaline": -1.0},
    "batteries_liion": {"batteries": -0.5},
    "batteries_alkaline": {"batteries": -0.5},
    "batteries_nimh": {"batteries": -0.5},
    "household": {"commercial": -2.0},
    "commercial": {"household": -2.0},
    "plastic_film": {"plastics": -1.5, "ldpe": -1.5},
    "plastic_rigid": {"plastics": -1.5},
    "pla": {"plastics": -2.0},
    "hdpe": {"plastics": -2.0},
    "ldpe": {"plastics": -2.0},
    "pet": {"plastics": -2.0},
    "pp": {"plastics": -2.0},
    "ps": {"plastics": -2.0},
    "pvc": {"plastics": -2.0},
    "paper": {"paper_mixed": -1.5},
    "board": {"paper_mixed": -2.0},
    "books": {"paper": -2.0},
    "food": {"food_garden": -2.0},
    "garden": {"food_garden": -2.0},
    "mixed_cans": {"scrap_metal": -2.0},
    "aluminium": {"scrap_metal": -2.5},
    "steel_cans": {"scrap_metal": -1.5},
    "compost_garden": {"compost_mixed": -1.0},
    "compost_mixed": {"compost_garden": -1.0},
    "unknown_fuel": {},
}  # fmt: skip

# The way of recycling that DESNZ takes for a material when the text only says "recycled".
OPEN_LOOP = frozenset({
    "concrete", "aggregates", "average_construction", "asphalt", "bricks", "weee_mixed",
    "weee_small", "weee_large", "weee_fridges", "batteries",
})  # fmt: skip

# Figures that hold for one grid, network or country alone: never used for another country.
LOCAL_KINDS = frozenset({
    "electricity", "heat", "transmission_losses", "hotel", "vehicle_ev_electricity",
    "transmission_losses_ev",
})  # fmt: skip


def conventions(reading: Reading, factor: EmissionFactor, owner: str | None) -> list[Reason]:
    """Return the rules that chose this factor among its neighbours."""
    rules: list[Reason] = []

    def rule(code: str, sentence: str) -> None:
        rules.append(Reason(code, sentence))

    query, path = reading.query, " ".join(factor.levels).lower()
    stated = reading.basis if query.basis is None else None
    if stated and factor.basis:
        rule("stated_basis", f"The text states the {stated.value} calorific value.")
    unsaid = query.dimension is Dimension.ENERGY and reading.basis is None
    if unsaid and factor.basis is Basis.GROSS:
        rule("gross_cv_default", "No calorific value basis is stated; gross CV is the convention.")
    if "with rf" in path and not reading.has("rf", "with"):
        rule(
            "radiative_forcing", "Flights take the factor with radiative forcing, as DESNZ advises."
        )
    if "average biofuel blend" in path and "mineral" not in reading.facets.get("blend", ()):
        rule(
            "biofuel_blend", "Road fuel is the average biofuel blend unless stated as 100% mineral."
        )
    if factor.activity_kind.startswith("vehicle") and owner == "own":
        rule("own_vehicle", "Own vehicles are scope 1; what they draw from the grid is scope 2.")
    if factor.activity_kind == "vehicle_ev_electricity":
        rule("battery_vehicle", "A battery vehicle takes grid electricity per distance, not zero.")
    if factor.activity_kind == "business_travel_land" and owner == "employee":
        rule("employee_vehicle", "Employees' own and hired cars are business travel, scope 3.")
    if factor.activity_kind == "business_travel_land" and owner == "third_party":
        rule(
            "courier_vehicle",
            "A courier's vehicle is not your own, so this is scope 3; there is no factor for "
            "deliveries by it, and that of the same vehicle on business travel stands in.",
        )
    if factor.activity_kind == "electricity" and factor.region and "-" in factor.region:
        rule(
            "egrid_subregion",
            f"US electricity takes the grid subregion of its place: {factor.region[3:]}.",
        )
    if factor.activity_kind == "electricity" and factor.region == "US":
        rule("egrid_average", "No US place is given; the US average grid is used.")
    if reading.route is not None and "air" in reading.facets.get("mode", ()):
        km = round(reading.route.km)
        rule(
            "flight_route",
            f"{reading.route.start.code} to {reading.route.end.code}, about {km} km great-circle, "
            "decides the haul.",
        )
    if factor.activity_kind == "waste" and reading.has("route", "recycled") and "loop" in path:
        loop = "open" if "open" in path else "closed"
        rule(
            "recycling_loop", f'"Recycled" is taken as {loop}-loop, the usual way of this material.'
        )
    if factor.activity_kind == "refrigerant":
        rule("gwp_per_kg", "A leaked kilogram counts with its global warming potential.")
    if factor.dimension is Dimension.MONEY:
        rule("spend_based", "Only money is known, so the spend-based factor of the sector is used.")
    if reading.repaired:
        rule("spelling", "Spelling was repaired: " + "; ".join(reading.repaired[:3]) + ".")
    return rules


def edition_at_hand(
    factor: EmissionFactor, year: int | None, pinned: Collection[str]
) -> Reason | None:
    """Return the hint that the edition of the activity's year is shipped and not pinned."""
    if year is None or covers(factor, year):
        return None
    edition = edition_of(factor.release, year)
    if edition is None or edition in pinned:
        return None
    return Reason(
        "edition_not_pinned",
        f"The figure of {factor.release} is used for {year}; the edition of that year, {edition}, "
        "is shipped and not pinned. To use it, add it to factor_releases (PATCH "
        "/v1/organizations/{id}) and recalculate.",
    )
