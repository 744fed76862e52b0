"""What an activity's words are read as."""

from __future__ import annotations

import pytest

from core.matching.lexicon import lexicon
from core.matching.places import egrid_subregion, stay_country
from core.matching.reading import Reading, read_activity
from core.matching.refrigerants import codes, codes_in_query
from core.matching.routes import route_in
from core.matching.text import Speller, content_stems, plain
from core.records import ActivityQuery
from core.units import unit

SPELLER = Speller(lexicon().vocabulary)


def read(name: str, code: str, region: str = "GB", **more: str) -> Reading:
    asked = ActivityQuery(
        "k", name, more.get("type"), more.get("about"), code, unit(code).dimension, None, region,
        2025,
    )  # fmt: skip
    return read_activity(asked, SPELLER)


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("Red diesel for site generator", "gas_oil"), ("Diesel", "diesel"), ("DERV", "diesel"),
        ("Gas oil", "gas_oil"), ("Mains gas", "natural_gas"), ("Waste water", "water_treatment"),
        ("Heizöl EL", "gas_oil"), ("gazole", "diesel"), ("Stromverbrauch", "electricity"),
        ("électricité", "electricity"), ("Deisel", "diesel"), ("electrcity", "electricity"),
        ("unleaded petrol", "petrol"), ("Wood pellets", "wood_pellets"), ("HVO", "hvo"),
    ],
)  # fmt: skip
def test_a_product_is_known_in_several_languages_and_spellings(name: str, product: str) -> None:
    code = "kWh" if product in ("electricity", "natural_gas") else "l"
    assert read(name, code).first("product") == product


def test_the_name_goes_before_the_type() -> None:
    assert read("Diesel", "l", type="Natural gas").facets["product"] == ("diesel",)


def test_of_a_very_long_description_the_beginning_is_read() -> None:
    unknown = " ".join(f"qzx{n:x}" for n in range(5_000))
    assert read("Fuel", "l", about=f"Diesel {unknown}").first("product") == "diesel"
    assert len(read("Fuel", "l", about=f"Diesel {unknown}").tokens) < 1_000


def test_the_speller_remembers_so_many_words_and_no_more() -> None:
    asked: list[str] = []

    class Asked(Speller):
        def _nearest(self, word: str) -> str:
            asked.append(word)
            return super()._nearest(word)

    speller = Asked(["electricity"], remembered=2)
    for word in ("electrcity", "electrcity", "unknown", "another", "electrcity"):
        speller.repair(word)
    assert asked == ["electrcity", "unknown", "another", "electrcity"]
    assert speller.repair("electrcity") == "electricity"


def test_recycled_content_is_a_bought_material_and_not_waste() -> None:
    bought = read("Cardboard, 100% recycled content", "t")
    assert not bought.has("waste", "yes")
    assert bought.first("source") == "closed"
    assert read("Cardboard bales recycled", "kg").has("waste", "yes")


@pytest.mark.parametrize(
    ("text", "home", "haul"),
    [
        ("LHR-JFK", "GB", "long"), ("EDI-LCY return", "GB", "domestic"),
        ("vuelo Madrid-Londres", "ES", "short"), ("Frankfurt to Singapore", "DE", "international"),
        ("Flight to Berlin", "GB", "short"),
    ],
)  # fmt: skip
def test_two_ends_give_the_haul(text: str, home: str, haul: str) -> None:
    route = route_in(text, home)
    assert route is not None
    assert route.uk_haul() == haul


def test_a_great_circle_is_as_long_as_it_should_be() -> None:
    route = route_in("LAX-JFK", "US")
    assert route is not None
    assert route.km / 1.609344 == pytest.approx(2475, rel=0.01)  # miles, as airlines print it
    assert route.us_haul() == "long"
    assert route_in("nowhere to nowhere", "GB") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [("R-410A", "410A"), ("HFC134a", "134A"), ("R32 split units", "32"), ("R 410 A", "410A"),
     ("404A added", "404A"), ("SF6 switchgear", "SF6"), ("HFE-125", "HFE125")],
)  # fmt: skip
def test_refrigerants_have_one_code(text: str, found: str) -> None:
    assert codes_in_query(text, in_context=True) == (found,)


def test_a_publisher_s_double_name_has_both_codes_once() -> None:
    assert codes("CFC-12/R12 = dichlorodifluoromethane") == ("12",)


def test_us_places_have_their_grid_subregion() -> None:
    assert egrid_subregion("US", "Dallas TX warehouse, Oncor") == ("ERCT", "dallas")
    assert egrid_subregion("US-CA", "head office") == ("CAMX", "US-CA")
    assert egrid_subregion("US", "location unknown") is None


def test_a_stay_is_where_the_hotel_stands() -> None:
    assert stay_country("Marriott Marina, Dubai") == "AE"
    assert stay_country("Hotel") is None


def test_spelling_is_repaired_only_where_one_word_is_near() -> None:
    speller = Speller(["electricity", "diesel", "paper"])
    assert speller.repair("elctricity") == "electricity"
    assert speller.repair("pamer") == "paper"
    assert speller.repair("paper") == "paper"
    assert speller.repair("pa9er") == "pa9er"
    assert speller.repair("xyzzyx") == "xyzzyx"


def test_texts_are_folded_and_sizes_left_out() -> None:
    assert plain("Heizöl-EL, Größe") == "heizol el grosse"
    assert content_stems("VALVE BRZ 2IN SCHED 40", expand=True) == [
        "valv", "brz", "bronz", "sched", "schedul",
    ]  # fmt: skip
