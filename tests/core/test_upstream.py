"""Linked figures: published rows of DESNZ 2025 beside a factor. Values from the flat file."""

from __future__ import annotations

import pytest

from core.factors.library import load_release
from core.records import EmissionFactor
from core.upstream import LinkIndex, LinkKind, linked_figures, sum_of

FACTORS = {f.source_id: f for f in load_release("desnz-2025").factors}


@pytest.fixture(scope="module")
def links() -> LinkIndex:
    return LinkIndex(FACTORS.values())


# domain.md §5 and the flat file: id of the factor → kind: id, value
LINKED: dict[str, dict[LinkKind, tuple[str, float]]] = {
    "7_400_4000_5_1": {  # UK grid electricity
        LinkKind.LOSSES: ("13_402_4000_5_1", 0.01853),
        LinkKind.WELL_TO_TANK: ("15_917_4000_5_1", 0.0459),
        LinkKind.WELL_TO_TANK_OF_LOSSES: ("15_918_4000_5_1", 0.00397),
        LinkKind.OUTSIDE_OF_SCOPES: ("99_400_4001_5_2", 0.11507),
    },
    "1_101_1011_8_1": {  # diesel, average biofuel blend, litres
        LinkKind.WELL_TO_TANK: ("11_101_1011_8_1", 0.61101),
        LinkKind.OUTSIDE_OF_SCOPES: ("99_604_1011_8_2", 0.14),
    },
    "1_100_1004_7_1": {LinkKind.WELL_TO_TANK: ("11_100_1004_7_1", 0.03347)},  # gas, net CV
    "21_316_3170_11_1": {LinkKind.WELL_TO_TANK: ("22_912_3170_11_1", 0.02461)},  # flight
    "10_401_4003_5_1": {  # district heat
        LinkKind.WELL_TO_TANK: ("16_919_4003_5_1", 0.03341),
        LinkKind.LOSSES: ("13_403_4004_5_1", 0.00945),
        LinkKind.WELL_TO_TANK_OF_LOSSES: ("16_920_4004_5_1", 0.00176),
    },
    "17_404_4005_1_1": {},  # water supply: the source has none
    "3_201_2156_3_1": {},  # R-410A
}


@pytest.mark.parametrize("source_id", LINKED)
def test_a_factor_meets_the_published_rows_that_belong_beside_it(
    links: LinkIndex, source_id: str
) -> None:
    found = links.links(FACTORS[source_id], upstream=True)
    assert {
        link.kind: (link.factor.source_id, link.factor.value_per_unit) for link in found
    } == LINKED[source_id]


def test_without_the_request_only_biogenic_co2_stands_beside_a_figure(links: LinkIndex) -> None:
    found = links.links(FACTORS["1_101_1011_8_1"], upstream=False)
    assert [link.kind for link in found] == [LinkKind.OUTSIDE_OF_SCOPES]


def test_every_linked_factor_is_per_the_same_unit_and_basis(links: LinkIndex) -> None:
    count = 0
    for factor in FACTORS.values():
        for link in links.links(factor, upstream=True):
            count += 1
            assert link.factor.unit == factor.unit
            assert link.factor.release == factor.release
            if link.kind is LinkKind.WELL_TO_TANK:
                assert link.factor.basis == factor.basis
    assert count > 1000


def test_every_fuel_of_the_source_but_three_has_its_well_to_tank_row(links: LinkIndex) -> None:
    fuels = [f for f in FACTORS.values() if f.levels[0] == "Fuels"]
    without = {f.levels[2] for f in fuels if not links.links(f, upstream=True)}
    # blank in the source: no WTT rows in litres for these
    assert without == {"Lubricants", "Naphtha", "Waste oils"}


def test_a_battery_car_has_its_well_to_tank_once_and_a_hybrid_with_its_fuel(
    links: LinkIndex,
) -> None:
    def kinds(factor: EmissionFactor) -> list[LinkKind]:
        return [link.kind for link in links.links(factor, upstream=True)]

    electric = [f for f in FACTORS.values() if f.levels[0] == "UK electricity for EVs"]
    battery = [
        f for f in electric if "Battery Electric Vehicle" in f.levels and "Vans" not in f.levels
    ]
    hybrid = [f for f in electric if "Plug-in Hybrid Electric Vehicle" in f.levels]
    assert battery
    assert hybrid
    assert all(kinds(f) == [LinkKind.LOSSES, LinkKind.WELL_TO_TANK] for f in battery)
    assert all(kinds(f) == [LinkKind.LOSSES] for f in hybrid)


def test_figures_are_quantity_times_value_in_the_category_of_the_figure(links: LinkIndex) -> None:
    power = linked_figures(links.links(FACTORS["7_400_4000_5_1"], upstream=True), 50_000, 2, None)
    by_kind = {figure.kind: figure for figure in power}
    losses = by_kind["transmission_losses"]
    # 50,000 kWh × 0.01853 = 926.5 (domain.md §8)
    assert losses.emission_kg == pytest.approx(926.5, abs=1e-9)
    assert (losses.scope, losses.scope3_category) == (3, 3)
    # 926.5 + 50,000 × 0.0459 + 50,000 × 0.00397 = 926.5 + 2,295 + 198.5
    assert sum_of(power, upstream=True) == pytest.approx(3420.0)
    # biogenic CO2 is in no scope: 50,000 × 0.11507
    outside = by_kind["outside_of_scopes"]
    assert (outside.scope, outside.emission_kg) == (None, pytest.approx(5753.5))
    flight = linked_figures(links.links(FACTORS["21_316_3170_11_1"], upstream=True), 5540, 3, 6)
    assert [(f.scope, f.scope3_category) for f in flight] == [(3, 6)]
    assert flight[0].emission_kg == pytest.approx(136.3394)  # 5,540 × 0.02461
