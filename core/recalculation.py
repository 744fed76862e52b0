"""What becomes of a figure against other factor releases, and why.

A recalculation replaces figures; it neither adds nor removes one. Where these releases offer
nothing sure enough, and where a person decided for a factor that they do not have, the figure that
stands stays, and that is said.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from core import exact
from core.matching.remembered import chosen_first, disclosed, release_family, successor
from core.records import (
    ActivityQuery,
    ActivityRow,
    Basis,
    Decision,
    Dimension,
    EmissionFactor,
    Method,
    Outcome,
)

BY_PEOPLE = frozenset({Method.MEMORY, Method.REVIEW})


class Status(StrEnum):
    """How far a recalculation is."""

    PREVIEWING = "previewing"
    PREVIEWED = "previewed"
    COMMITTING = "committing"
    COMMITTED = "committed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # previewed, and nobody committed it in time


class ReasonCode(StrEnum):
    """Why a row's figure comes out as it does. The first five carry a newly calculated figure."""

    SAME_FIGURE = "same_figure"
    NEWER_RELEASE = "newer_release"
    OLDER_RELEASE = "older_release"
    OTHER_FACTOR = "other_factor"
    OTHER_CONVERSION = "other_conversion"
    NOW_HELD = "now_held"
    KEPT_BY_REVIEW = "kept_by_review"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would be decided on an activity; `kept` says why what stands stays."""

    decision: Decision
    kept: ReasonCode | None = None


def propose(
    query: ActivityQuery,
    standing: Decision,
    factor: EmissionFactor | None,
    offered: Decision,
    factors: Mapping[UUID, EmissionFactor],
) -> Proposal:
    """Decide on an activity again.

    `standing` is the decision today with its `factor`, `offered` what matching (or memory) says
    against the other releases, whose factors and the organization's own are `factors`.
    """
    if standing.method in BY_PEOPLE:
        used = None if factor is None else successor(factor, factors)
        if factor is None or used is None:
            return Proposal(standing, ReasonCode.KEPT_BY_REVIEW)
        if used.id == factor.id:
            return Proposal(standing)
        return Proposal(
            replace(
                standing,
                factor_id=used.id,
                candidates=chosen_first(used, offered.candidates, "chosen_by_a_person"),
                fallbacks=disclosed(query, factor, used),
            )
        )
    if offered.outcome is Outcome.HELD or offered.factor_id is None:
        return Proposal(standing, ReasonCode.NOW_HELD)
    return Proposal(offered)


def reason_of(
    old: EmissionFactor | None, new: EmissionFactor, old_kg: float, new_kg: float
) -> ReasonCode:
    """Return why a newly calculated figure is what it is; kg are compared to the last digit."""
    if old_kg == new_kg:
        return ReasonCode.SAME_FIGURE
    if old is None:
        return ReasonCode.OTHER_FACTOR
    if old.id == new.id:
        return ReasonCode.OTHER_CONVERSION
    same_family = release_family(old.release) == release_family(new.release)
    if old.source_id != new.source_id or not same_family:
        return ReasonCode.OTHER_FACTOR
    newer = (new.data_year, new.source_year) >= (old.data_year, old.source_year)
    return ReasonCode.NEWER_RELEASE if newer else ReasonCode.OLDER_RELEASE


@dataclass(frozen=True, slots=True)
class Cited:
    """A factor as a sentence names it."""

    release: str
    source_id: str
    name: str
    value_per_unit: float
    unit: str


def sentence(code: ReasonCode, old: Cited | None, new: Cited | None) -> str:
    """Return the reason in one sentence for people."""
    if code is ReasonCode.KEPT_BY_REVIEW:
        return "A person decided for this factor and the releases do not have it: the figure stays."
    if code is ReasonCode.NOW_HELD:
        return "No factor of the releases is sure enough: the figure stays."
    if code is ReasonCode.OTHER_CONVERSION:
        return "The same factor; a conversion, exchange rate or price index came out differently."
    if new is None:
        return "The figure is the same."
    cited = f"{new.name} [{new.release} {new.source_id}]"
    if code is ReasonCode.SAME_FIGURE:
        return f"The figure is the same, to the last digit, with {cited}."
    if old is None or code is ReasonCode.OTHER_FACTOR:
        before = "" if old is None else f" instead of {old.name} [{old.release} {old.source_id}]"
        return f"Matched to {cited}{before}."
    return (
        f"{cited}: {old.value_per_unit!r} kg CO2e per {old.unit} in {old.release}, "
        f"{new.value_per_unit!r} per {new.unit} in {new.release}."
    )


def row_of(
    inputs: Mapping[str, Any],
    *,
    activity_key: str,
    name: str,
    type: str | None,
    description: str | None,
) -> ActivityRow:
    """Return the row behind a stored figure: `inputs` of its calculation, and its words."""
    on = inputs["activity_on"]
    return ActivityRow(
        sheet=inputs["sheet"],
        row_number=inputs["row_number"],
        column_number=inputs["column_number"],
        activity_key=activity_key,
        activity_name=name,
        activity_type=type,
        activity_description=description,
        volume_text=inputs["volume_text"],
        unit_text=inputs["unit_text"],
        region_text=inputs["region_text"],
        date_text=inputs["date_text"],
        volume=float(inputs["volume"]),
        unit=inputs["unit"],
        dimension=Dimension(inputs["dimension"]),
        basis=Basis(inputs["basis"]) if inputs["basis"] else None,
        region=inputs["region"],
        activity_on=dt.date.fromisoformat(on) if on else None,
        year=inputs["year"],
        currency=inputs["currency"],
        flags=tuple(inputs["flags"]),
    )


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of a recalculation with the same scopes and reason, and the exact sums of their kg."""

    old_scope: int | None
    new_scope: int | None
    old_biogenic: bool
    new_biogenic: bool
    reason: ReasonCode
    rows: int
    changed: int
    old_kg: Decimal
    new_kg: Decimal


@dataclass(frozen=True, slots=True)
class Waiting:
    """Activities that wait for a person; of them those for which a factor would be found now."""

    activities: int = 0
    rows: int = 0
    found_activities: int = 0
    found_rows: int = 0
    found_kg: float = 0.0


def totals_of(groups: Iterable[Group], waiting: Waiting) -> dict[str, Any]:
    """Return the sums of a preview as JSON values. Biogenic CO2 is apart and in no total."""
    found = list(groups)
    counted = [g for g in found if not g.old_biogenic], [g for g in found if not g.new_biogenic]
    scopes = {g.old_scope for g in counted[0]} | {g.new_scope for g in counted[1]}
    return {
        "rows": sum(g.rows for g in found),
        "changed": sum(g.changed for g in found),
        **_sums(*counted),
        "biogenic": _sums(
            [g for g in found if g.old_biogenic], [g for g in found if g.new_biogenic]
        ),
        "by_scope": [
            {"scope": scope}
            | _sums(
                [g for g in counted[0] if g.old_scope == scope],
                [g for g in counted[1] if g.new_scope == scope],
            )
            for scope in sorted(scopes, key=lambda s: s or 9)
        ],
        "by_reason": [
            {"code": code.value, "rows": sum(g.rows for g in found if g.reason is code)}
            | _sums(
                [g for g in counted[0] if g.reason is code],
                [g for g in counted[1] if g.reason is code],
            )
            for code in ReasonCode
            if any(g.reason is code for g in found)
        ],
        "in_review": {
            "activities": waiting.activities,
            "rows": waiting.rows,
            "with_a_factor": {
                "activities": waiting.found_activities,
                "rows": waiting.found_rows,
                "kg_co2e": waiting.found_kg,
            },
        },
    }


def _sums(old: Iterable[Group], new: Iterable[Group]) -> dict[str, float]:
    before, after = exact.total(g.old_kg for g in old), exact.total(g.new_kg for g in new)
    return {
        "old_kg_co2e": float(before),
        "new_kg_co2e": float(after),
        "difference_kg_co2e": float(exact.add(after, before.copy_negate())),
    }
