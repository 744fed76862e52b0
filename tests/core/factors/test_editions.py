"""The year rule among editions of one factor: that year, else the nearest earlier, else later."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.factors.editions import Editions, covers, is_valid
from core.factors.library import load_release
from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from core.records import ActivityQuery, Dimension, EmissionFactor, Thresholds

GRID, GAS = "7_400_4000_5_1", "1_100_1004_6_1"


def factor(release: str, source_id: str) -> EmissionFactor:
    (found,) = [f for f in load_release(release).factors if f.source_id == source_id]
    return found


LAST, THIS = factor("desnz-2024", GRID), factor("desnz-2025", GRID)


def query(year: int | None, **changes: object) -> ActivityQuery:
    asked = ActivityQuery(
        key="k", name="Electricity, UK grid", type=None, description=None, unit="kWh",
        dimension=Dimension.ENERGY, basis=None, region="GB", year=year,
    )  # fmt: skip
    return replace(asked, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("year", "used"),
    [(2025, 2025), (2024, 2024), (2026, 2025), (2030, 2025), (2023, 2024), (2000, 2024),
     (None, 2025)],
)  # fmt: skip
def test_one_edition_is_used_for_a_year(year: int | None, used: int) -> None:
    editions = Editions([LAST, THIS])
    current = [f.data_year for f in (LAST, THIS) if editions.current(f, year)]
    assert current == [used]


def test_an_edition_is_known_by_its_id_where_the_publisher_gave_it_another_name() -> None:
    before = {f.source_id: f for f in load_release("desnz-2024").factors}
    renamed = [f for f in load_release("desnz-2025").factors if before[f.source_id].name != f.name]
    assert renamed  # "Combustion" became "Incineration with Energy Recovery"
    editions = Editions([*load_release("desnz-2024").factors, *load_release("desnz-2025").factors])
    for one in renamed:
        assert editions.current(one, 2025)
        assert not editions.current(before[one.source_id], 2025)


def test_a_factor_without_other_editions_is_used_for_any_year() -> None:
    editions = Editions([THIS, factor("desnz-2025", GAS)])
    assert editions.current(THIS, 1999)


def test_a_factor_is_not_used_in_a_year_that_its_source_excludes() -> None:
    bounded = replace(THIS, valid_from_year=2025, valid_to_year=2026)
    editions = Editions([bounded])
    assert [editions.current(bounded, year) for year in (2024, 2025, 2026, 2027)] == [
        False, True, True, False,
    ]  # fmt: skip
    assert editions.current(bounded, None)
    assert covers(bounded, 2026)
    assert not covers(THIS, 2026)
    assert is_valid(replace(THIS, valid_from_year=2020), 2031)


def test_a_stated_validity_goes_before_a_nearer_data_year() -> None:
    # the older table was extended to 2026 by its source; the newer one says nothing
    extended = replace(LAST, valid_from_year=2024, valid_to_year=2026)
    editions = Editions([extended, THIS])
    assert editions.current(extended, 2026)
    assert not editions.current(THIS, 2026)


def test_of_two_editions_with_one_data_year_the_later_publication_is_used() -> None:
    corrected = replace(THIS, release="desnz-2025-r2", id=LAST.id, value_per_unit=0.18)
    editions = Editions([THIS, corrected])
    assert editions.current(corrected, 2025)
    assert not editions.current(THIS, 2025)


@pytest.mark.parametrize(("year", "kg"), [(2024, 0.20705), (2025, 0.177), (2022, 0.20705)])
def test_both_editions_pinned_give_the_year_s_figure_as_surely_as_one(year: int, kg: float) -> None:
    both = [*load_release("desnz-2024").factors, *load_release("desnz-2025").factors]
    release = "desnz-2024" if kg == 0.20705 else "desnz-2025"
    (decision,) = OfflineMatcher(LibraryIndex.build(both)).match([query(year)], Thresholds())
    (alone,) = OfflineMatcher(LibraryIndex.build(load_release(release).factors)).match(
        [query(year)], Thresholds()
    )
    assert decision.factor_id == alone.factor_id
    assert decision.confidence == alone.confidence
    assert decision.candidates[0].value_per_unit == kg
    disclosed = [f for f in decision.fallbacks if f.kind == "year"]
    assert [(f.requested, f.used) for f in disclosed] == (
        [("2022", "2024")] if year == 2022 else []
    )


def test_spend_factors_have_editions_too() -> None:
    now = [f for f in load_release("epa-supply-chain-1.3").factors if f.source_id == "541110"]
    before = [
        replace(f, id=LAST.id, release="epa-supply-chain-1.2", data_year=2021, price_year=2021)
        for f in now
    ]
    matcher = OfflineMatcher(LibraryIndex.build([*before, *now]))
    asked = query(2021, name="Offices of lawyers", unit="USD", dimension=Dimension.MONEY,
                  region="US", currency="USD")  # fmt: skip
    (early,) = matcher.match([asked], Thresholds(0.0, 0.0))
    (late,) = matcher.match([replace(asked, year=2023)], Thresholds(0.0, 0.0))
    assert early.factor_id == before[0].id
    assert late.factor_id == now[0].id


def test_an_own_factor_of_the_year_goes_before_one_of_another_year() -> None:
    mine = replace(
        THIS, release="own", source_id="own-1", name="Rooftop tariff", organization_id=THIS.id
    )
    older = replace(mine, id=LAST.id, data_year=2023, value_per_unit=0.2)
    matcher = OfflineMatcher(LibraryIndex.build([mine, older]))
    for year, used in ((2023, older), (2024, older), (2025, mine)):
        (decision,) = matcher.match([query(year, name="Rooftop tariff")], Thresholds())
        assert decision.factor_id == used.id
