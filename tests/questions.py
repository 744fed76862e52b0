"""Questions to a language model, of published figures, for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from core.matching.prompt import Question
from core.records import (
    ActivityQuery,
    Candidate,
    Decision,
    Dimension,
    EmissionFactor,
    Method,
    Outcome,
    Reason,
)

SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
# DESNZ 2025, kg CO2e a litre
FUELS: Mapping[str, float] = {
    "Diesel (average biofuel blend)": 2.57082,
    "Diesel (100% mineral diesel)": 2.66155,
    "Petrol (average biofuel blend)": 2.06916,
}


def factor(name: str, value: float = 2.5, **values: Any) -> EmissionFactor:
    """Return a factor whose id follows from its name."""
    fields: dict[str, Any] = {
        "id": uuid5(SPACE, name), "release": "desnz-2025", "source_id": name, "name": name,
        "category": "Fuels", "unit": "l", "dimension": Dimension.VOLUME,
        "value_per_unit": value, "region": "GB", "scope": 1, "scope3_category": None,
        "activity_kind": "fuel", "data_year": 2025, "source_year": 2025, "source": "DESNZ",
        "licence": "OGL",
    }  # fmt: skip
    return EmissionFactor(**fields | values)


FACTORS = [factor(name, value) for name, value in FUELS.items()]
BY_ID = {f.id: f for f in FACTORS}


def candidate(of: EmissionFactor, score: float = 0.9) -> Candidate:
    """Return a factor as a candidate."""
    return Candidate(
        of.id, of.source_id, of.release, of.name, of.value_per_unit, of.unit, score, {"words": 1.0}
    )


def query(name: str = "Diesel", **values: Any) -> ActivityQuery:
    """Return an activity in litres."""
    fields: dict[str, Any] = {
        "key": hashlib.sha256(repr((name, sorted(values.items()))).encode()).hexdigest(),
        "name": name, "type": None, "description": None, "unit": "l",
        "dimension": Dimension.VOLUME, "basis": None, "region": "GB", "year": 2025,
    }  # fmt: skip
    return ActivityQuery(**fields | values)


def question(name: str = "Diesel", of: Sequence[EmissionFactor] = (), **values: Any) -> Question:
    """Return a question about an activity, among some factors."""
    return Question(query(name, **values), tuple(candidate(f) for f in of or FACTORS))


def offered(
    asked: ActivityQuery, of: Sequence[EmissionFactor] = (), confidence: float = 0.95
) -> Decision:
    """Return what the offline ranker says: the first factor, held where it is not sure at all."""
    factors = of or FACTORS
    outcome = (
        Outcome.HELD
        if confidence < 0.3
        else (Outcome.FLAGGED if confidence < 0.6 else Outcome.MATCHED)
    )
    held = outcome is Outcome.HELD
    return Decision(
        asked.key, outcome, Method.OFFLINE, None if held else factors[0].id,
        0.0 if held else confidence, tuple(candidate(f) for f in factors),
        (Reason("matched", f"{factors[0].name} fits best."), Reason("unit", "A rule.")),
    )  # fmt: skip
