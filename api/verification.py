"""Recompute a stored figure: from its own parts, and against the row and the factor beside it."""

from __future__ import annotations

from typing import Any

from api.errors import ApiError
from api.schemas.emissions import Verified
from core.calculation import Verification
from core.calculation import verify as recompute
from core.errors import InvalidInput
from db.queries.emissions import Explained

CHECKED = [
    "every step of the calculation, to the last digit",
    "the gases and the linked figures",
    "the columns of the row against the calculation",
    "the factor's copy against the library",
]


def verify(found: Explained) -> Verified:
    """Return that everything is the same. Raises 409 with every difference."""
    emission, stored = found.emission, found.emission.calculation
    if stored is None:
        raise ApiError("verification_failed", differences=["no calculation is stored"])
    try:
        recomputed = recompute(stored)
    except (InvalidInput, KeyError, TypeError, ValueError, IndexError):
        raise ApiError(
            "verification_failed", differences=["the stored calculation cannot be read"]
        ) from None
    differences = [*recomputed.differences, *beside(found, recomputed)]
    if differences or not recomputed.same:
        raise ApiError(
            "verification_failed",
            differences=differences,
            stored_kg_co2e=emission.calculated_emission,
            recomputed_kg_co2e=recomputed.recomputed_kg,
        )
    return Verified(
        emission_id=emission.id,
        same=True,
        stored_kg_co2e=emission.calculated_emission,
        recomputed_kg_co2e=recomputed.recomputed_kg,
        formula=stored["formula"],
        checked=CHECKED,
    )


def beside(found: Explained, recomputed: Verification) -> list[str]:
    """Return where the row's columns or the library's factor differ from the calculation."""
    emission, factor = found.emission, found.factor
    stored = emission.calculation or {}
    pairs = (
        ("calculated_emission", emission.calculated_emission, recomputed.recomputed_kg),
        ("volume", emission.volume, stored["inputs"]["volume"]),
        ("scope", emission.scope, stored["scope"]),
        ("scope3_category", emission.scope3_category, stored["scope3_category"]),
        ("emission_factor_id", str(emission.emission_factor_id), stored["factor"]["id"]),
    )
    differences = [
        f"the row has {name} {column!r}, its calculation {value!r}"
        for name, column, value in pairs
        if column != like(column, value)
    ]
    if factor is None:
        differences.append("the factor is no longer in the library")
    elif factor.value_per_unit != float(stored["factor"]["value_per_unit"]):
        differences.append(
            f"the library has {factor.value_per_unit!r} kg CO2e per {factor.unit} for this factor, "
            f"the calculation {stored['factor']['value_per_unit']!r}"
        )
    return differences


def like(column: Any, value: Any) -> Any:
    """Return a value of JSON as the float that its column is: large ones come back as integers."""
    return float(value) if isinstance(column, float) and value is not None else value
