"""POST /v1/emissions/{id}/verify: the same digits, or 409 with the difference."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from core.calculation import Calculation, calculate
from core.records import Decision, Method, Outcome
from tests.api.conftest import problem
from tests.core.test_calculation import factor, row

DIESEL = factor("desnz-2025", "1_101_1011_8_1")  # 2.57082 kg CO2e per litre


@pytest.fixture
def figure(world, alpha) -> UUID:
    """1,200 litres of diesel, calculated by the code that the pipeline uses."""
    return calculated(world, alpha, 1200.0)


def calculated(world: Any, alpha: Any, litres: float) -> UUID:
    """Return a figure of diesel, calculated by the code that the pipeline uses."""
    file_id = world.file(alpha.id, alpha.email)
    factor_id = world.factor(alpha.id, unit="l")
    decision = Decision("k", Outcome.MATCHED, Method.OFFLINE, DIESEL.id, 0.9)
    made = calculate(row("Diesel", litres, "l"), DIESEL, decision, None)
    assert isinstance(made, Calculation)
    stored = made.to_json()
    stored["factor"]["id"] = str(factor_id)
    return UUID(
        str(
            world.emission(
                alpha.id, file_id, 2, volume=litres, unit="l", calculated_emission=made.emission_kg,
                scope=1, scope3_category=None, emission_factor_id=factor_id, calculation=stored,
            )
        )
    )  # fmt: skip


def verified(client, alpha, figure: UUID) -> Any:
    return client.post(f"/v1/emissions/{figure}/verify", headers=alpha.headers)


def test_an_untouched_figure_comes_out_the_same(client, alpha, figure) -> None:
    answer = verified(client, alpha, figure)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    # domain.md section 8: 1,200 l x 2.57082 = 3,084.984 kg CO2e
    assert (body["same"], body["stored_kg_co2e"], body["recomputed_kg_co2e"]) == (
        True, 3084.984, 3084.984,
    )  # fmt: skip
    assert body["formula"] == "1200.0 l × 2.57082 = 3084.984 kg CO2e"


@pytest.mark.parametrize("litres", [123456789012345678.0, 3.3e22, -9.876543210987654e19, 2.0**80])
def test_a_huge_figure_comes_out_the_same(client, alpha, world, litres: float) -> None:
    answer = verified(client, alpha, calculated(world, alpha, litres))
    assert answer.status_code == 200, answer.text
    assert answer.json()["same"]


TAMPERED = {
    "the figure": ("UPDATE emissions SET calculated_emission = 3084", "3084.0"),
    "the volume": ("UPDATE emissions SET volume = 12000", "12000.0"),
    "the scope": ("UPDATE emissions SET scope = 3", "scope"),
    "a step": (
        "UPDATE emissions SET calculation ="
        " jsonb_set(calculation::jsonb, '{steps,0,value}', '1201')",
        "the first step",
    ),
    "the factor's copy": (
        "UPDATE emissions SET calculation ="
        " jsonb_set(calculation::jsonb, '{factor,value_per_unit}', '2')",
        "2400.0",
    ),
    "the library": ("UPDATE emission_factors SET value_per_unit = 2.5", "the library has 2.5"),
    "everything": ("UPDATE emissions SET calculation = NULL", "no calculation is stored"),
    "its form": ("""UPDATE emissions SET calculation = '{"version": 9}'""", "cannot be read"),
}


@pytest.mark.parametrize("part", TAMPERED)
def test_whatever_was_changed_afterwards_is_409_with_the_difference(
    client, alpha, figure, admin_engine, part
) -> None:
    statement, told = TAMPERED[part]
    with admin_engine.begin() as connection:
        connection.execute(
            text("SET LOCAL session_replication_role = replica")
        )  # past the triggers
        connection.execute(text(statement.replace(":", "\\:")))
    body = problem(verified(client, alpha, figure), 409, "verification_failed")
    assert any(told in difference for difference in body["differences"]), body
