"""A total that no real activity has is held, with a sentence that says what to do."""

from __future__ import annotations

import dataclasses

import pytest

from core.calculation import Calculation, Held
from core.distinct import DistinctActivity
from core.records import ActivityQuery, EmissionFactor
from core.total_figure import LARGEST_KG, total_figure
from core.units import unit
from tests.core.test_calculation import DECISION, factor

DIESEL = factor("desnz-2025", "1_101_1011_8_1")  # kg CO2e per litre


def total(volume: float, per_litre: float) -> Calculation | Held:
    litre = unit("l")
    query = ActivityQuery(
        key="k", name="Diesel", type=None, description=None, unit="l", dimension=litre.dimension,
        basis=None, region="GB", year=2025, currency=None,
    )  # fmt: skip
    used: EmissionFactor = dataclasses.replace(DIESEL, value_per_unit=per_litre)
    return total_figure(DistinctActivity(query, 2, volume), used, DECISION, None)


@pytest.mark.parametrize("volume", [LARGEST_KG, -LARGEST_KG, 1.0])
def test_a_large_total_that_could_be_real_is_calculated(volume: float) -> None:
    figure = total(volume, 1.0)
    assert isinstance(figure, Calculation)
    assert figure.emission_kg == volume


@pytest.mark.parametrize(("volume", "per_litre"), [(1.1e15, 1.0), (-1e18, 2.5), (1e18, 1e300)])
def test_more_than_the_world_emits_is_held(volume: float, per_litre: float) -> None:
    figure = total(volume, per_litre)
    assert isinstance(figure, Held)
    assert figure.reason.code == "figure_too_large"
    assert "more than the whole world emits" in figure.reason.sentence
