"""Units as people write them, and conversions to the last digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.records import Basis, Dimension
from core.unit_forms import FORMS
from core.units import (
    _DEFINITIONS,
    Unit,
    UnitMismatch,
    UnitProblem,
    convert,
    energy_unit,
    parse_unit,
    unit,
)

# Written forms that mean one thing wherever they are written.
FORMS_AS_WRITTEN: dict[str, list[str]] = {
    "kWh": ["kWh", "KWH", "kwh", "kWhs", "kW h", "kW·h", "kilowatt hours", "Kilowatt-hours",
            "Kilowattstunden", "kilowattheures", "kilovatios hora",
            "chilowattora", "kilowattuur", "kWhe"],
    "MWh": ["MWh", "mwh", "megawatt hours", "Megawattstunden"],
    "GWh": ["GWh", "gigawatt hours"],
    "MJ": ["MJ", "megajoules"],
    "GJ": ["GJ", "gj", "gigajoules", "Gigajoule"],
    "TJ": ["TJ", "terajoules"],
    "mmBtu": ["mmBtu", "MMBtu", "MMBTU", "mmbtu", "million Btu", "Dth", "dekatherms"],
    "Btu": ["Btu", "BTU"],
    "therm_us": ["US therms", "therms (US)"],
    "therm_uk": ["UK therms", "therm (UK)", "EC therm"],
    "toe": ["toe", "tep", "tonnes of oil equivalent"],
    "l": ["l", "L", "ltr", "ltrs", "litre", "litres", "liter", "liters", "Liter", "Litern", "litro",
          "litros", "LITRES", "l.", "Ltr.", "lts", "litri", "litrów"],
    "ml": ["ml", "mL", "millilitres"],
    "Ml": ["Ml", "ML", "million litres", "megalitres", "Mio. Liter"],
    "hl": ["hl", "hL", "hectolitres", "Hektoliter", "ettolitri"],
    "m3": ["m3", "m³", "m^3", "cbm", "CBM", "cu m", "cu.m", "cubic metres", "cubic meters",
           "Kubikmeter", "mètres cubes", "metros cúbicos", "kl",
           "metri cubi", "Sm3", "Smc", "kubieke meter", "metry sześcienne", "m cubes"],
    "gal_us": ["US gal", "us gallons", "gal (US)", "gallons (US)", "USG", "US liquid gallons"],
    "gal_uk": ["UK gal", "UK gallons", "imperial gallons", "gal (UK)", "imp. gal."],
    "ft3": ["ft3", "ft³", "cu ft", "cubic feet", "cf", "cft"],
    "scf": ["scf", "SCF", "standard cubic feet"],
    "ccf": ["ccf", "CCF", "HCF", "hundred cubic feet"],
    "mcf": ["Mcf", "MCF", "mcf", "thousand cubic feet", "kcf"],
    "bbl": ["bbl", "barrels", "bbls"],
    "kg": ["kg", "KG", "Kg", "kgs", "kilos", "kilograms", "kilogrammes", "Kilogramm",
           "kilogramos", "chilogrammi", "quilos"],
    "g": ["g", "grams", "Gramm", "gramos"],
    "mg": ["mg"],
    "t": ["t", "T", "te", "tonne", "tonnes", "Tonnen", "toneladas", "metric tons", "metric tonnes",
          "MT", "tonnes métriques", "tonnellate", "tony"],
    "lb": ["lb", "lbs", "LBS", "lb."],
    "oz": ["oz", "ounces"],
    "short_ton": ["short tons", "short ton", "US tons", "tons (short)", "net tons"],
    "long_ton": ["long tons", "long ton", "UK tons", "imperial tons"],
    "km": ["km", "KM", "kms", "kilometres", "kilometers", "Kilometer", "kilómetros", "vehicle-km",
           "vkm", "Fahrzeugkilometer", "chilometri", "quilómetros"],
    "mi": ["mi", "miles", "Mile", "vehicle miles", "Meilen", "millas"],
    "m": ["m", "metres", "meters"],
    "nmi": ["nmi", "nm", "nautical miles", "Seemeilen", "millas náuticas"],
    "passenger_km": ["pkm", "pax-km", "pax km", "passenger.km", "passenger km", "passenger-km",
                     "passenger kilometres", "Personenkilometer", "voyageurs-km", "pasajeros-km",
                     "p.km", "passeggeri-km", "reizigerskilometers", "passageiros-km"],
    "passenger_mi": ["passenger miles", "passenger-miles", "pax-miles", "pmi"],
    "tonne_km": ["tkm", "t.km", "t-km", "tonne-km", "tonne.km", "tonne kilometres",
                 "Tonnenkilometer", "toneladas-km", "ton-km", "tonnellate-km", "tonkilometer"],
    "kg_km": ["kg.km", "kg-km"],
    "room_night": ["room nights", "room-nights", "nights", "Night", "Nächte", "Naechte",
                   "Übernachtungen", "nuits", "nuitées", "noches", "pernoctaciones",
                   "Room per night", "notti", "nachten", "overnachtingen", "noites", "noclegi"],
    "fte_hour": ["FTE hours", "FTE hrs", "per FTE Working Hour", "working hours",
                 "Arbeitsstunden", "ore lavorate", "gewerkte uren"],
    "item": ["item", "items", "unit", "units", "pcs", "pc", "piece(s)", "each", "ea", "Stück",
             "Stk.", "Stueck", "unidades", "uds", "pièces", "No.", "#", "pezzi", "stuks", "szt.",
             "Stk"],
    "m2": ["m2", "m²", "sqm", "sq m", "square metres", "Quadratmeter"],
    "ft2": ["ft2", "sq ft", "sqft", "square feet"],
    "h": ["h", "hrs", "hours", "Stunden", "heures", "horas"],
    "d": ["d", "days", "Tage", "jours", "días", "giorni", "dagen"],
    "EUR": ["EUR", "eur", "€", "Euro", "euros", "EUR (net)"],
    "GBP": ["GBP", "£", "gbp", "pounds sterling"],
    "USD": ["USD", "usd", "US$", "US dollars"],
    "CHF": ["CHF", "chf", "SFr."],
    "PLN": ["PLN", "zł"],
    "kEUR": ["k€", "kEUR", "TEUR", "T€", "EUR k", "thousand EUR", "Tsd. EUR", "€'000"],
    "MGBP": ["£m", "million GBP", "GBP million"],
}  # fmt: skip
CASES = [(form, code) for code, forms in FORMS_AS_WRITTEN.items() for form in forms]


def test_there_are_at_least_150_written_forms() -> None:
    assert len({form for form, _ in CASES}) >= 150


@pytest.mark.parametrize(("form", "code"), CASES)
def test_a_written_form_means_its_unit_in_every_region(form: str, code: str) -> None:
    for region in (None, "US", "GB", "DE", "US-CA"):
        found = parse_unit(form, region=region)
        assert isinstance(found, Unit), found
        assert found.code == code


@pytest.mark.parametrize(
    ("form", "basis"),
    [
        ("kWh (Gross CV)", Basis.GROSS), ("kWh GCV", Basis.GROSS), ("kWh gross", Basis.GROSS),
        ("kWh HHV", Basis.GROSS), ("kWh Hs", Basis.GROSS), ("kWh (Hs)", Basis.GROSS),
        ("kWh Ho", Basis.GROSS), ("kWh PCS", Basis.GROSS), ("kWh Brennwert", Basis.GROSS),
        ("kWh (Net CV)", Basis.NET), ("kWh NCV", Basis.NET), ("kWh (net)", Basis.NET),
        ("kWh LHV", Basis.NET), ("kWh Hi", Basis.NET), ("kWh Hu", Basis.NET),
        ("kWh PCI", Basis.NET), ("kWh", None),
    ],
)  # fmt: skip
def test_the_calorific_value_basis_is_an_attribute_of_the_unit(
    form: str, basis: Basis | None
) -> None:
    assert parse_unit(form) == energy_unit("kWh", basis)


@pytest.mark.parametrize(
    ("form", "region", "code"),
    [
        ("gal", "US", "gal_us"), ("gallons", "US-TX", "gal_us"), ("gal", "GB", "gal_uk"),
        ("gallons", "IE", "gal_uk"), ("tons", "US", "short_ton"), ("ton", "GB", "long_ton"),
        ("tons", "DE", "t"), ("therms", "US", "therm_us"), ("therms", "GB", "therm_uk"),
        ("therm", "FR", "therm_uk"), ("$", "US", "USD"), ("$", "CA", "CAD"), ("$", "AU", "AUD"),
        ("mc", "IT", "m3"), ("St.", "DE", "item"), ("ton", "NL", "t"),
        ("kr", "SE", "SEK"), ("pounds", "US", "lb"), ("ton-miles", "US", "ton_mi"),
    ],
)  # fmt: skip
def test_a_region_chooses_between_units_of_one_name(form: str, region: str, code: str) -> None:
    found = parse_unit(form, region=region)
    assert isinstance(found, Unit)
    assert found.code == code


@pytest.mark.parametrize("form", ["gal", "gallons", "ton", "tons", "therms", "$", "kr", "pounds"])
def test_without_a_region_such_a_unit_is_asked_for(form: str) -> None:
    found = parse_unit(form)
    assert isinstance(found, UnitProblem)
    assert found.code == "unit_ambiguous"


@pytest.mark.parametrize(("form", "region"), [("gal", "DE"), ("ton", "JP"), ("$", "DE")])
def test_a_region_that_does_not_decide_leaves_the_question_open(form: str, region: str) -> None:
    found = parse_unit(form, region=region)
    assert isinstance(found, UnitProblem)
    assert found.code == "unit_ambiguous"


@pytest.mark.parametrize("form", ["Mg", "Mt", "M", "mJ", "MBtu", "Nm3", "Nm³", "m3N", "m³(n)"])
def test_a_form_that_means_two_things_everywhere_is_refused(form: str) -> None:
    found = parse_unit(form, region="US")
    assert isinstance(found, UnitProblem)
    assert found.code == "unit_ambiguous"


@pytest.mark.parametrize(
    "form",
    ["tCO2e", "kg CO2e", "boxes", "pallets", "%", "kW", "m4", "kWh/m2", "litres of diesel", "Hs",
     "m3 (gross)", "xyz", "k", "1000 kWh", "XQZ", "x" * 500],
)  # fmt: skip
def test_anything_else_is_unknown_and_never_a_guess(form: str) -> None:
    found = parse_unit(form, region="GB")
    assert isinstance(found, UnitProblem)
    assert found.code == "unit_unknown"


@pytest.mark.parametrize("form", ["passengers", "Flights", "pax", "Flüge", "vuelos", "trips"])
def test_a_number_of_journeys_is_answered_with_what_they_are_counted_in(form: str) -> None:
    found = parse_unit(form, region="GB")
    assert isinstance(found, UnitProblem)
    assert found.code == "unit_unknown"
    assert "give passenger-km (km × number of travellers)" in found.message


@pytest.mark.parametrize("form", [None, "", "  ", "-", "()"])
def test_a_blank_is_missing(form: str | None) -> None:
    found = parse_unit(form)
    assert isinstance(found, UnitProblem)
    assert found.code == "unit_missing"


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (1.2, "m3", "l", 1200.0),  # domain.md §8
        (341.214, "therm_uk", "kWh", 341.214 * 29.3071),  # domain.md §2: 29.3071 kWh
        (1, "therm_us", "kWh", 29.3001),
        (1, "short_ton", "kg", 907.18474),  # domain.md §2
        (1, "long_ton", "kg", 1016.0469088),
        (1, "gal_uk", "l", 4.54609),
        (1, "gal_us", "l", 3.785411784),
        (1, "mi", "km", 1.609344),  # international mile
        (1, "nmi", "km", 1.852),
        (1, "lb", "kg", 0.45359237),
        (16, "oz", "lb", 1.0),
        (1, "MWh", "kWh", 1000.0),
        (3.6, "MJ", "kWh", 1.0),
        (1, "toe", "GJ", 41.868),  # IEA
        (1, "bbl", "gal_us", 42.0),
        (1, "ft3", "m3", 0.028316846592),  # 0.3048³
        (1, "ccf", "ft3", 100.0),
        (1, "mcf", "scf", 1000.0),
        (1, "ton_mi", "tonne_km", 1.45997231821056),  # 0.90718474 × 1.609344
        (1000, "kg_km", "tonne_km", 1.0),
        (1, "Ml", "m3", 1000.0),
        (1, "ft2", "m2", 0.09290304),  # 0.3048²
        (2, "d", "h", 48.0),
        (12, "kEUR", "EUR", 12000.0),
        (1, "MGBP", "kGBP", 1000.0),
    ],
)
def test_conversions_are_exact_to_the_last_digit(
    value: float, source: str, target: str, expected: float
) -> None:
    assert convert(value, unit(source), unit(target)).value == expected


def test_a_million_btu_is_its_joules_in_kilowatt_hours() -> None:
    # 1,055.05585262 MJ / 3.6
    assert convert(1, unit("mmBtu"), unit("kWh")).value == pytest.approx(293.0710701722, rel=1e-12)


def test_a_conversion_names_its_step_and_source() -> None:
    found = convert(5, unit("gal_uk"), unit("l"))
    (step,) = found.steps
    assert step.text == "1 gal_uk = 4.54609 l"
    assert step.factor == found.factor == 4.54609
    assert "Weights and Measures" in step.source


def test_the_same_unit_takes_no_step() -> None:
    found = convert(5.5, unit("kWh"), energy_unit("kWh", Basis.GROSS))
    assert (found.value, found.factor, found.steps) == (5.5, 1.0, ())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("km", "passenger_km"), ("km", "tonne_km"), ("passenger_km", "tonne_km"), ("l", "kWh"),
        ("kg", "l"), ("item", "kg"), ("room_night", "d"), ("h", "fte_hour"), ("EUR", "USD"),
        ("EUR", "kg"), ("m", "m2"),
    ],
)  # fmt: skip
def test_different_things_never_convert(source: str, target: str) -> None:
    with pytest.raises(UnitMismatch) as caught:
        convert(1, unit(source), unit(target))
    assert caught.value.code == "unit_mismatch"


def test_gross_and_net_need_a_cited_ratio() -> None:
    with pytest.raises(UnitMismatch):
        convert(1, energy_unit("kWh", Basis.GROSS), energy_unit("MWh", Basis.NET))


def test_only_energy_has_a_basis() -> None:
    with pytest.raises(UnitMismatch):
        energy_unit("l", Basis.GROSS)


def test_an_unknown_code_is_a_key_error() -> None:
    for code in ("furlong", "XQZ", "kXQZ", ""):
        with pytest.raises(KeyError):
            unit(code)


def test_every_form_leads_to_a_defined_unit() -> None:
    assert set(FORMS) <= set(_DEFINITIONS)


CODES = st.sampled_from([*sorted(_DEFINITIONS), "EUR", "kEUR", "USD"])


@given(CODES, CODES, st.floats(1e-6, 1e9))
def test_conversion_and_back_returns_the_value_or_both_refuse(a: str, b: str, value: float) -> None:
    one, other = unit(a), unit(b)
    if one.dimension is other.dimension and one.currency == other.currency:
        there = convert(value, one, other)
        assert convert(there.value, other, one).value == pytest.approx(value, rel=1e-12)
    else:
        for pair in ((one, other), (other, one)):
            with pytest.raises(UnitMismatch):
                convert(value, *pair)


@given(st.text(max_size=80), st.sampled_from([None, "US", "GB", "DE"]))
def test_no_text_breaks_the_reader(text: str, region: str | None) -> None:
    found = parse_unit(text, region=region)
    assert isinstance(found, Unit | UnitProblem)
    if isinstance(found, Unit):
        assert unit(found.code).dimension is found.dimension
        assert (found.currency is not None) == (found.dimension is Dimension.MONEY)
