"""One row, one factor → kg CO2e, with every step written down.

emission_kg = volume × (conversion factors, in order) × value_per_unit. What is stored by `to_json`
is enough for `verify` to come to the same digits with nothing else at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import price_index
from core.errors import InvalidInput
from core.ports import ExchangeRates
from core.records import (
    ActivityRow,
    Basis,
    Decision,
    Dimension,
    EmissionFactor,
    Fallback,
    GasPart,
    Method,
    Reason,
)
from core.scopes import scope_of
from core.stated_rate import stated_rate
from core.units import Unit, UnitMismatch, convert, energy_unit, unit
from core.upstream import LinkedFactor, LinkedFigure, linked_figures, linked_from_json

VERSION = 1
_METHODS = {
    Method.OFFLINE: "matched by the offline ranker",
    Method.MODEL: "matched by a language model among our candidates",
    Method.FALLBACK: "matched by the offline ranker while the model was away",
    Method.MEMORY: "matched by the organization's remembered decision",
    Method.REVIEW: "chosen by a person",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way, readable by itself: what was done, what came out, and by which source.

    `factor` is what the value was multiplied with; None on steps that only state something.
    """

    text: str
    value: float
    unit: str
    source: str
    factor: float | None = None


@dataclass(frozen=True, slots=True)
class Calculation:
    """A figure with all that explains it."""

    emission_kg: float
    scope: int | None
    scope3_category: int | None
    scope_reason: str
    category: str
    calculation_method: str
    gases: tuple[GasPart, ...]  # kg of the row, not per unit; empty where the source has none
    gwp_set: str | None
    biogenic: bool
    fallbacks: tuple[Fallback, ...]
    steps: tuple[Step, ...]
    formula: str
    inputs: Mapping[str, Any]  # the row's values, as text and as read
    factor: Mapping[str, Any]  # snapshot of the factor
    linked: tuple[LinkedFigure, ...] = ()  # beside the figure, in no total of it

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, everything that `verify` and the explanation need."""
        return {
            "version": VERSION,
            "emission_kg": self.emission_kg,
            "scope": self.scope,
            "scope3_category": self.scope3_category,
            "scope_reason": self.scope_reason,
            "category": self.category,
            "calculation_method": self.calculation_method,
            "gases": [_gas_json(part) for part in self.gases],
            "gases_note": "" if self.gases else "The source gives CO2e only, no gases apart.",
            "gwp_set": self.gwp_set,
            "biogenic": self.biogenic,
            "fallbacks": [
                {"kind": f.kind, "requested": f.requested, "used": f.used} for f in self.fallbacks
            ],
            "steps": [
                {"text": s.text, "value": s.value, "unit": s.unit, "source": s.source,
                 "factor": s.factor}
                for s in self.steps
            ],
            "formula": self.formula,
            "inputs": dict(self.inputs),
            "factor": dict(self.factor),
            "linked": [one.to_json() for one in self.linked],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """No figure can be had: the row waits for a person."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Verification:
    """What recomputing a stored calculation gave."""

    same: bool
    stored_kg: float
    recomputed_kg: float
    differences: tuple[str, ...] = ()


def calculate(
    row: ActivityRow,
    factor: EmissionFactor,
    decision: Decision,
    rates: ExchangeRates | None,
    linked: Sequence[LinkedFactor] = (),
) -> Calculation | Held:
    """Calculate a row, and beside it what is `linked` to its factor.

    Held when a conversion, an exchange rate or a price index is missing.
    """
    steps = [Step(f"Read as {row.volume!r} {row.unit}", row.volume, row.unit, "the upload")]
    fallbacks = list(decision.fallbacks)
    if row.year is None and not any(f.kind == "year" for f in fallbacks):  # a person's choice
        fallbacks.append(Fallback("year", "not stated", str(factor.data_year)))
    try:
        if factor.dimension is Dimension.MONEY and row.dimension is Dimension.MONEY:
            held = _money(row, factor, rates, steps, fallbacks)
            if held is not None:
                return held
        else:
            _convert(steps, _row_unit(row), _factor_unit(factor))
    except UnitMismatch as error:
        return Held(Reason("unit_mismatch", error.message))
    quantity = steps[-1].value
    emission = quantity * factor.value_per_unit
    per = f"kg CO2e per {factor.unit}"
    steps.append(
        Step(f"× {factor.value_per_unit!r} {per}: {factor.name}", emission, "kg CO2e",
             f"{factor.source}, {factor.source_row}", factor.value_per_unit)
    )  # fmt: skip
    scope = scope_of(factor, row)
    return Calculation(
        emission_kg=emission,
        scope=scope.scope,
        scope3_category=scope.scope3_category,
        scope_reason=scope.reason,
        category=factor.category,
        calculation_method=_method(factor, decision),
        gases=_gases(factor, quantity),
        gwp_set=factor.gwp_set,
        biogenic=factor.biogenic,
        fallbacks=tuple(fallbacks),
        steps=tuple(steps),
        formula=_formula(steps, emission),
        inputs=_inputs(row),
        factor=_snapshot(factor),
        linked=linked_figures(linked, quantity, scope.scope, scope.scope3_category),
    )


def from_json(stored: Mapping[str, Any]) -> Calculation:
    """Read back what `to_json` wrote; JSONB gives large whole numbers back as integers."""
    return Calculation(
        emission_kg=float(stored["emission_kg"]),
        scope=stored["scope"],
        scope3_category=stored["scope3_category"],
        scope_reason=stored["scope_reason"],
        category=stored["category"],
        calculation_method=stored["calculation_method"],
        gases=tuple(
            GasPart(g["gas"], float(g["kg_co2e"]), _float(g["kg_gas"])) for g in stored["gases"]
        ),
        gwp_set=stored["gwp_set"],
        biogenic=stored["biogenic"],
        fallbacks=tuple(
            Fallback(f["kind"], f["requested"], f["used"]) for f in stored["fallbacks"]
        ),
        steps=tuple(
            Step(s["text"], float(s["value"]), s["unit"], s["source"], _float(s["factor"]))
            for s in stored["steps"]
        ),
        formula=stored["formula"],
        inputs=dict(stored["inputs"]),
        factor=dict(stored["factor"]),
        linked=linked_from_json(stored.get("linked", ())),
    )


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def verify(stored: Mapping[str, Any]) -> Verification:
    """Recompute a stored calculation from its own parts, digit by digit.

    Raises core.errors.InvalidInput when it is of a version that this code does not know.
    """
    if stored.get("version") != VERSION:
        raise InvalidInput("the calculation is of an unknown version", code="version_unknown")
    calculation = from_json(stored)
    differences: list[str] = []
    value = float(calculation.inputs["volume"])
    if calculation.steps[0].value != value:
        differences.append("the first step is not the volume that was read")
    for step in calculation.steps[1:-1]:
        value = value * (1.0 if step.factor is None else step.factor)
        if value != step.value:
            differences.append(f"{step.text}: {step.value!r}, recomputed {value!r}")
    quantity = value
    emission = quantity * float(calculation.factor["value_per_unit"])
    if emission != calculation.emission_kg:
        differences.append(f"emission {calculation.emission_kg!r}, recomputed {emission!r}")
    for part, per_unit in zip(calculation.gases, calculation.factor["gases"], strict=True):
        if quantity * float(per_unit["kg_co2e"]) != part.kg_co2e:
            differences.append(f"{part.gas} differs")
    for one in calculation.linked:
        if quantity * one.value_per_unit != one.emission_kg:
            differences.append(f"{one.kind} {one.source_id} differs")
    return Verification(not differences, calculation.emission_kg, emission, tuple(differences))


# Fuels of the EPA hub are per million Btu, and US bills in therms of 100,000 of the same Btu; going
# through kWh would bring in the rounding of 29.3001.
_DIRECT = {("therm_us", "mmBtu"): (0.1, "1 therm_us = 0.1 mmBtu", "100,000 Btu by definition")}


def _convert(steps: list[Step], source: Unit, target: Unit) -> None:
    direct = _DIRECT.get((source.code, target.code))
    if direct is not None and not (source.basis and target.basis and source.basis != target.basis):
        ratio, text, origin = direct
        steps.append(Step(text, steps[-1].value * ratio, target.code, origin, ratio))
        return
    conversion = convert(steps[-1].value, source, target)
    value = steps[-1].value
    for step in conversion.steps:
        value = value * step.factor
        steps.append(Step(step.text, value, target.code, step.source, step.factor))


def _row_unit(row: ActivityRow) -> Unit:
    return energy_unit(row.unit, row.basis) if row.basis else unit(row.unit)


def _factor_unit(factor: EmissionFactor) -> Unit:
    return energy_unit(factor.unit, factor.basis) if factor.basis else unit(factor.unit)


def _money(
    row: ActivityRow,
    factor: EmissionFactor,
    rates: ExchangeRates | None,
    steps: list[Step],
    fallbacks: list[Fallback],
) -> Held | None:
    """Bring the amount to the factor's currency, then to its prices."""
    own, target = (
        row.currency or unit(row.unit).currency or row.unit,
        factor.currency or factor.unit,
    )
    _convert(steps, unit(row.unit), unit(own))
    if own != target:
        found = _rate(row, own, target, rates)
        if isinstance(found, Held):
            return found
        rate, source = found
        value = steps[-1].value * rate
        steps.append(Step(f"1 {own} = {rate!r} {target}", value, target, source, rate))
    return _prices(row, factor, target, steps, fallbacks)


def _rate(
    row: ActivityRow, own: str, target: str, rates: ExchangeRates | None
) -> tuple[float, str] | Held:
    stated = stated_rate(row, own, target)
    if stated is not None:
        return stated, "the rate that the line itself states"
    if row.year is None:
        return Held(
            Reason("exchange_rate_missing", f"{own} needs a year to find its rate to {target}.")
        )
    found = rates.annual_average(own, target, row.year) if rates is not None else None
    if found is None:
        return Held(
            Reason(
                "exchange_rate_missing",
                f"There is no annual average rate from {own} to {target} for {row.year}; give the "
                f"amount in {target} or the rate.",
            )
        )
    return found


def _prices(
    row: ActivityRow,
    factor: EmissionFactor,
    currency: str,
    steps: list[Step],
    fallbacks: list[Fallback],
) -> Held | None:
    year, base = row.year, factor.price_year
    if base is None or year == base:
        return None
    if year is None:
        fallbacks.append(Fallback("price_year", "not stated", str(base)))
        return None
    if currency != "USD":
        fallbacks.append(Fallback("price_year", str(year), str(base)))
        return None  # an own factor in another currency: no index at hand, and it is said
    there, here = price_index.index_of(base), price_index.index_of(year)
    if there is None or here is None or there[1] != base:
        return Held(
            Reason("price_index_missing", f"There is no price index from {year} to {base}.")
        )
    if here[1] != year:
        fallbacks.append(Fallback("price_index", str(year), str(here[1])))
    ratio = there[0] / here[0]
    steps.append(
        Step(
            f"{year} prices to {base} prices: × {there[0]!r} / {here[0]!r}"
            + ("" if here[1] == year else f" (index of {here[1]}, the last published)"),
            steps[-1].value * ratio,
            currency,
            price_index.SOURCE,
            ratio,
        )
    )
    return None


def _gases(factor: EmissionFactor, quantity: float) -> tuple[GasPart, ...]:
    return tuple(
        GasPart(
            part.gas,
            quantity * part.kg_co2e,
            None if part.kg_gas is None else quantity * part.kg_gas,
        )
        for part in factor.gases
    )


def _gas_json(part: GasPart) -> dict[str, Any]:
    return {"gas": part.gas, "kg_co2e": part.kg_co2e, "kg_gas": part.kg_gas}


def _method(factor: EmissionFactor, decision: Decision) -> str:
    basis = "spend" if factor.dimension is Dimension.MONEY else "activity data"
    return (
        f"{basis} × emission factor {factor.release} {factor.source_id}, "
        f"{_METHODS[decision.method]}"
    )


def _formula(steps: list[Step], emission: float) -> str:
    factors = "".join(f" × {s.factor!r}" for s in steps[1:] if s.factor is not None)
    return f"{steps[0].value!r} {steps[0].unit}{factors} = {emission!r} kg CO2e"


def _inputs(row: ActivityRow) -> dict[str, Any]:
    return {
        "sheet": row.sheet, "row_number": row.row_number, "column_number": row.column_number,
        "volume_text": row.volume_text, "unit_text": row.unit_text,
        "region_text": row.region_text, "date_text": row.date_text,
        "volume": row.volume, "unit": row.unit, "dimension": row.dimension.value,
        "basis": row.basis.value if isinstance(row.basis, Basis) else None,
        "region": row.region, "year": row.year, "currency": row.currency,
        "activity_on": row.activity_on.isoformat() if row.activity_on else None,
        "flags": list(row.flags),
    }  # fmt: skip


def _snapshot(factor: EmissionFactor) -> dict[str, Any]:
    return {
        "id": str(factor.id), "release": factor.release, "source_id": factor.source_id,
        "name": factor.name, "category": factor.category, "unit": factor.unit,
        "value_per_unit": factor.value_per_unit, "region": factor.region,
        "scope": factor.scope, "scope3_category": factor.scope3_category,
        "activity_kind": factor.activity_kind, "data_year": factor.data_year,
        "source_year": factor.source_year, "source": factor.source,
        "source_row": factor.source_row, "licence": factor.licence,
        "basis": factor.basis.value if factor.basis else None,
        "currency": factor.currency, "price_year": factor.price_year,
        "gwp_set": factor.gwp_set, "gases": [_gas_json(part) for part in factor.gases],
        "biogenic": factor.biogenic, "levels": list(factor.levels), "note": factor.note,
    }  # fmt: skip
