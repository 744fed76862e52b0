"""Tables of places and vehicles: facts of geography, of EPA's eGRID map and of DESNZ' classes."""

from __future__ import annotations

import pytest

from core.matching.lexicon import lexicon
from core.matching.places import egrid_subregion, stay_country
from core.matching.reading import Reading, read_activity
from core.matching.routes import codes_in, route_in
from core.matching.text import Speller, read_data
from core.records import ActivityQuery
from core.region_names import EGRID
from core.units import unit

SPELLER = Speller(lexicon().vocabulary)
# The subregions of EPA's eGRID that the hub's table 6 prints.
SUBREGIONS = frozenset(EGRID.split())


def read(name: str, code: str, region: str = "GB", about: str | None = None) -> Reading:
    asked = ActivityQuery("k", name, None, about, code, unit(code).dimension, None, region, 2025)
    return read_activity(asked, SPELLER)


def test_the_grid_table_has_every_state_and_only_known_subregions() -> None:
    rows = read_data("egrid.csv")
    assert {row["subregion"] for row in rows} == SUBREGIONS
    # 50 states, the capital's district and Puerto Rico
    assert len({row["state"] for row in rows if row["kind"] == "state"}) == 52
    keys = [(row["kind"], row["name"], row["state"]) for row in rows]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("text", "subregion"),
    [
        ("ComEd, Elk Grove whse", "RFCW"), ("Springfield IL", "SRMW"), ("Milwaukee", "RFCW"),
        ("Buffalo NY", "NYUP"), ("Brooklyn", "NYCW"), ("PSEG Long Island", "NYLI"),
        ("PSE&G Newark", "RFCE"), ("HECO", "HIOA"), ("HELCO, Hilo", "HIMS"), ("Juneau", "AKMS"),
        ("Anchorage", "AKGD"), ("SCL street lighting", "NWPP"), ("El Paso, TX", "AZNM"),
        ("GA Power - Atlanta outpatient", "SRSO"), ("Aurora, IL", "RFCW"), ("Aurora CO", "RMPA"),
        ("Portland, ME", "NEWE"), ("Portland OR", "NWPP"), ("Duke Energy, Cincinnati", "RFCW"),
        ("Duke Energy, Tampa", "FRCC"), ("Kansas City MO", "SPNO"), ("Pensacola FL", "SRSO"),
        ("CPS Energy", "ERCT"), ("CPS Chicago", "RFCW"), ("Ameren MO", "SRMW"),
        ("Amarillo", "SPSO"), ("Huntsville AL", "SRTV"), ("DTE power", "RFCM"),
    ],
)  # fmt: skip
def test_towns_and_utilities_have_their_subregion(text: str, subregion: str) -> None:
    found = egrid_subregion("US", text, text)
    assert found is not None
    assert found[0] == subregion


@pytest.mark.parametrize("text", ["power for Rogers", "IN or OR", "DC fast charger", "co me hi ok"])
def test_words_that_only_look_like_places_are_none(text: str) -> None:
    assert egrid_subregion("US", text, text) is None


def test_airports_are_on_the_globe_and_their_codes_once() -> None:
    rows = read_data("airports.csv")
    codes = [row["code"] for row in rows]
    assert len(codes) == len(set(codes)) > 700
    assert all(len(code) == 3 and code.isupper() for code in codes)
    assert not set(codes) & {"ALL", "AND", "FOR", "KGS", "VAT", "GAS", "CAR", "BUS", "TON"}
    assert all(abs(float(r["lat"])) <= 90 and abs(float(r["lon"])) <= 180 for r in rows)


@pytest.mark.parametrize(
    ("text", "km"),
    # great circles as airlines and almanacs print them
    [("LHR-JFK", 5540), ("SYD-LAX", 12050), ("SIN-LHR", 10880), ("ATL-BHM", 216), ("GLA-SYY", 285),
     ("DXB-JFK", 11020), ("MAD-EZE", 10080), ("HNL-SFO", 3860), ("NRT-SFO", 8220),
     ("CPT-JNB", 1270), ("LGW-BGI", 6760), ("BRU-LUX", 190)],
)  # fmt: skip
def test_routes_are_as_long_as_they_are(text: str, km: int) -> None:
    route = route_in(text, None)
    assert route is not None
    assert route.km == pytest.approx(km, rel=0.03)


def test_capital_words_are_no_airports() -> None:
    assert codes_in("FLIGHT FOR TWO, PAX RTN INCL VAT USD") == []
    assert codes_in("JAN-MAR mileage, PER INV") == []
    assert [a.code for a in codes_in("JAN-ATL")] == ["JAN", "ATL"]


def test_a_town_of_two_countries_is_the_one_at_home() -> None:
    for home, code in (("GB", "BHX"), ("US", "BHM")):
        route = route_in("Birmingham to Orlando", home)
        assert route is not None
        assert route.start.code == code
    assert stay_country("Courtyard Cambridge", "US") == "US"
    assert stay_country("Courtyard Cambridge", "GB") == "GB"


@pytest.mark.parametrize(
    ("text", "home", "country"),
    [
        ("ibis Bencoolen, SG", "GB", "SG"), ("Hotel Suzhou", "DE", "CN"),
        ("Rotana UAE", "GB", "AE"),
        ("Hotel Bristol, Vienna", "GB", "AT"), ("Hilton, Athens, GA", "US", "US"),
        ("Hotel Athens", "US", "GR"), ("Moxy Lyon", "DE", "FR"), ("Premier Inn Leeds", "GB", "GB"),
        ("Hampton Inn Dublin OH", "US", "US"), ("Hotel Dublin, London team", "GB", "IE"),
    ],
)  # fmt: skip
def test_a_foreign_place_goes_before_the_company_s_country(
    text: str, home: str, country: str
) -> None:
    assert stay_country(text, home) == country


@pytest.mark.parametrize(
    ("text", "cabin"),
    [("MAN-AMS rtn econ", "economy"), ("LHR-SIN W cabin", "premium"), ("LCY-ZRH Club", "business"),
     ("SFO-FRA Polaris", "business"), ("FRA-JFK erste Klasse", "first"),
     ("CDG-JFK affaires", "business"), ("LHR-JFK", None)],
)  # fmt: skip
def test_cabins_are_read_as_airlines_name_them(text: str, cabin: str | None) -> None:
    assert read(text, "passenger_km").first("cabin") == cabin


@pytest.mark.parametrize(
    ("text", "rf"),
    [("LHR-JFK excl. RF", "without"), ("LHR-JFK w/o RF", "without"), ("LHR-JFK w/ RF", "with"),
     ("LHR-JFK ohne RFI", "without"), ("LHR-JFK sans forçage radiatif", "without"),
     ("LHR-JFK incl RFI", "with"), ("LHR-JFK", None)],
)  # fmt: skip
def test_radiative_forcing_is_read_in_its_many_spellings(text: str, rf: str | None) -> None:
    assert read(text, "passenger_km").first("rf") == rf


@pytest.mark.parametrize(
    ("text", "code", "region", "mode"),
    [
        ("Delta ATL-LGA", "passenger_mi", "US", "air"),
        ("Loganair GLA", "passenger_km", "GB", "air"),
        ("Greyhound DAL-HOU", "passenger_mi", "US", "bus"), ("CTA L fares", "passenger_mi", "US",
        "underground"), ("MAX light rail", "passenger_mi", "US", "underground"),
        ("Metra", "passenger_mi", "US", "rail"), ("Metrolink tram", "passenger_km", "GB", "tram"),
        ("Metrolink", "passenger_mi", "US", "rail"), ("BNSF LA-CHI", "ton_mi", "US", "rail"),
        ("ICE Berlin", "passenger_km", "DE", "rail"), ("ICE car", "km", "GB", "car"),
        ("24p/mile m/bike", "mi", "GB", "motorbike"), ("20p per mile", "mi", "GB", "bicycle"),
        ("Transp. frigo porteur 19t", "tonne_km", "FR", "hgv"), ("SUV", "mi", "US", "van"),
        ("Maersk Shanghai", "tonne_km", "GB", "ship"), ("taxi LHR-LCY", "km", "GB", "taxi"),
    ],
)  # fmt: skip
def test_operators_tell_the_mode(text: str, code: str, region: str, mode: str) -> None:
    assert read(text, code, region).first("mode") == mode


def test_engines_makes_and_sizes_are_read() -> None:
    range_rover = read("Range Rover D300", "mi")
    assert range_rover.first("segment") == "4x4"
    assert range_rover.first("product") == "diesel"
    assert read("VW Golf TSI", "mi").first("segment") == "lower_medium"
    assert read("VW Golf TSI", "mi").first("product") == "petrol"
    assert read("pool car, medium, Golf", "mi").first("segment") is None  # a stated size is better
    assert read("Firmenwagen Diesel", "km", "DE", "Größe n.b.").first("size") == "average"
    for cc, size in (("125cc", "small"), ("500 cc", "medium"), ("650cc", "large")):
        assert read(f"{cc} motorbike", "km").first("size") == size


def test_a_named_haulier_is_third_party() -> None:
    assert read("Wincanton 44t artic, fully laden", "km").first("owner") == "third_party"
