"""Energy, water, gases, waste and materials as ledgers write them → the factor, or none."""

from __future__ import annotations

import pytest

from core.factors.library import DEFAULT_RELEASES, load_release
from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from core.records import ActivityQuery, Basis, Thresholds
from core.unit_forms import stated_basis
from core.units import Unit, parse_unit


@pytest.fixture(scope="module")
def matcher() -> OfflineMatcher:
    factors = [f for name in DEFAULT_RELEASES for f in load_release(name).factors]
    return OfflineMatcher(LibraryIndex.build([f for f in factors if f.currency is None]))


def matched(matcher: OfflineMatcher, line: str) -> str | None:
    """Match "name | type | description | unit | region"; return the factor's name and basis."""
    name, kind, about, written, region = (part.strip() for part in line.split("|"))
    unit = parse_unit(written, region=region)
    assert isinstance(unit, Unit), unit
    query = ActivityQuery(
        "k", name, kind or None, about or None, unit.code, unit.dimension, unit.basis, region, 2025
    )
    decision = matcher.match([query], Thresholds())[0]
    if decision.factor_id is None:
        return None
    factor = matcher.factors[decision.factor_id]
    return f"{factor.name} {factor.basis.value if factor.basis else ''}".strip()


@pytest.mark.parametrize(
    ("line", "factor"),
    [
        ("Déchets ménagers en décharge|||t|FR", "Refuse, Household residual waste, Landfill"),
        ("PFO burner|Fuel||litres|GB", "Liquid fuels, Processed fuel oils - residual oil"),
        ("35 sec heating oil||Class D|litres|GB", "Liquid fuels, Gas oil"),
        ("28 sec heating oil|||litres|GB", "Liquid fuels, Burning oil"),
        ("#6 oil, boiler 2|||gal|US", "Residual Fuel Oil No. 6"),
        ("#2 oil|||gal|US", "Distillate Fuel Oil No. 2"),
        ("Calor 15kg blue cyls|Heaters||kg|GB", "Gaseous fuels, Butane"),
        ("Calor red 47kg|||kg|GB", "Gaseous fuels, Propane"),
        ("gasolio riscaldamento|||litri|IT", "Liquid fuels, Gas oil"),
        ("Used eng. oil burnt in heater|||litres|GB", "Liquid fuels, Waste oils"),
        ("Sub-bituminous coal|||short tons|US", "Sub-bituminous"),
        ("Stoker coal (bituminous)|||short tons|US", "Bituminous"),
        ("Gas, fleet pickups|||gal|US", "Motor Gasoline, mobile combustion"),
        ("Neste MY|||litres|GB", "Biofuel, Biodiesel HVO"),
        ("Erdgas, heizwertbezogen (Hi)|||kWh|AT", "Gaseous fuels, Natural gas net"),
        ("gaz naturel||facture PCI|kWh|FR", "Gaseous fuels, Natural gas net"),
        ("Gas Brennwertkessel|||kWh|DE", "Gaseous fuels, Natural gas gross"),
        ("HH import Chemistry bldg|||MWh|GB", "Electricity generated, Electricity: UK"),
        ("landlord recharge - power, L3|||MWh|GB", "Electricity generated, Electricity: UK"),
        ("District heat distribution loss|FERA||kWh|GB",
         "Distribution - district heat & steam, 5% loss"),
        ("WTT of elec lost in the wires|||kWh|GB", "WTT- UK electricity (T&D), Electricity: UK"),
        ("Truckwash incoming||sub-meter in litres|litres|GB", "Water supply"),
        ("Home desks: laptop + screen|WFH||fte hours|GB", "Office Equipment"),
        # held: no factor of it, or more than one possible
        ("AdBlue|Fleet||litres|GB", None), ("B20 biodiesel|||gal|US", None),
        ("REGO certs purchased|Green power||MWh|GB", None), ("PV own use|||kWh|GB", None),
        ("Luz oficina|||kWh|ES", None), ("Waste oil, recycled|Waste||litres|GB", None),
        ("EDF Energy|Utilities||kWh|GB", None), ("Fuel tank meter|||litres|GB", None),
    ],
)  # fmt: skip
def test_energy_and_water(matcher: OfflineMatcher, line: str, factor: str | None) -> None:
    assert matched(matcher, line) == factor


@pytest.mark.parametrize(
    ("line", "factor"),
    [
        ("Bottle bank|||kg|GB", "Other, Glass, Closed-loop"),
        ("Swarf & offcuts to EMR|Scrap||kg|GB", "Metal, Metal: scrap metal, Closed-loop"),
        ("Scrap wood landfill|||t|GB", "Construction, Wood, Landfill"),
        ("Waste wood to biomass CHP|||t|GB",
         "Construction, Wood, Incineration with Energy Recovery"),
        ("Altholz, therm. Verwertung|||t|DE",
         "Construction, Wood, Incineration with Energy Recovery"),
        ("Tierras a vertedero|||t|ES", "Construction, Soils, Landfill"),
        ("EWC 20 03 01 landfill|||t|GB", "Refuse, Commercial and industrial waste, Landfill"),
        ("Food waste - AD|||t|GB", "Refuse, Organic: food and drink waste, Anaerobic digestion"),
        ("Waste engine oil, recycled|Waste||t|GB", "Construction, Mineral oil, Closed-loop"),
        ("Yard trimmings - city compost|Solid waste||tons|US", "Yard Trimmings, composted"),
        # rows that the publisher leaves blank
        ("Scrap tyres to landfill|Waste||t|GB", None), ("Fridges EfW|Waste||t|GB", None),
        ("Plasterboard incinerated|||t|GB", None), ("Clinical waste incinerated|||kg|GB", None),
    ],
)  # fmt: skip
def test_waste_is_never_a_bought_good(
    matcher: OfflineMatcher, line: str, factor: str | None
) -> None:
    assert matched(matcher, line) == factor


@pytest.mark.parametrize(
    ("line", "factor"),
    [
        ("Zahorra / árido 0-32|Materiales||t|ES", "Construction, Aggregates, Primary"),
        ("Recycled aggregate 6F2|Materials||t|GB", "Construction, Aggregates, Closed-loop source"),
        ("Crushed concrete|Materials||t|GB", "Construction, Concrete, Closed-loop source"),
        ("Neuglas Flaschen 0,75 l|Verpackung||t|DE", "Other, Glass, Primary"),
        ("Empty ali cans 330ml|||kg|GB", "Metal, Metal: aluminium cans and foil (excl. forming)"),
        ("Duracell Procell AA|||kg|GB", "Electrical items, Batteries - Alkaline, Primary"),
        ("LDPE refuse sacks|Purchases||kg|GB", "Plastic, Plastics: LDPE and LLDPE"),
        ("rPET preforms|Packaging||t|GB", "Plastic, Plastics: PET (incl. forming), Closed-loop"),
        ("Peat-free compost|||t|GB", "Organic, Compost derived from garden waste, Primary"),
    ],
)  # fmt: skip
def test_bought_goods_are_never_waste(matcher: OfflineMatcher, line: str, factor: str) -> None:
    found = matched(matcher, line)
    assert found is not None
    assert found.startswith(factor)


@pytest.mark.parametrize(
    ("line", "gas"),
    [
        ("FM200 discharge|Fire||kg|GB", "HFC-227ea"), ("R-507 rack leak|||lbs|US", "R-507A"),
        ("N2O cylinders, OR|Med gases||kg|GB", "Nitrous oxide"), ("Suva HP62|||kg|GB", "R404A"),
        ("R22 a/c|||kg|GB", "HCFC-22"), ("Entonox (N2O/O2)|Med gases||kg|GB", None),
        ("Novec 1230|||kg|GB", None), ("NAF S-III|Fire||kg|GB", None), ("R-449A|||kg|GB", None),
    ],
)  # fmt: skip
def test_gases_by_trade_name(matcher: OfflineMatcher, line: str, gas: str | None) -> None:
    found = matched(matcher, line)
    assert (found is None) if gas is None else (found is not None and gas in found)


@pytest.mark.parametrize(
    ("text", "basis"),
    [
        ("Erdgas (Hs)", Basis.GROSS), ("gas, NCV", Basis.NET), ("kWh PCI", Basis.NET),
        ("poder calorífico superior", Basis.GROSS), ("gas bill, net of VAT", None),
        ("Ho Chi Minh office", None), ("Brennwertkessel", None), ("HHV and LHV", None),
        ("potere calorifico inferiore", Basis.NET), ("oberer Heizwert", Basis.GROSS),
    ],
)  # fmt: skip
def test_a_text_states_its_calorific_value_basis(text: str, basis: Basis | None) -> None:
    assert stated_basis(text) is basis
