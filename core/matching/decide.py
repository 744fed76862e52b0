"""From scores to a decision: which factor, how sure, why; or why none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.records import (
    ActivityQuery,
    Candidate,
    Decision,
    EmissionFactor,
    Fallback,
    Method,
    Outcome,
    Reason,
    Thresholds,
)

NO_CANDIDATE = "no_candidate"
LOW_CONFIDENCE = "low_confidence"
UNIT_MISMATCH = "unit_mismatch"
REGION_MISSING = "region_missing"
REGION_UNAVAILABLE = "region_unavailable"
NOT_AN_EMISSION = "not_an_emission"
PRODUCT_UNKNOWN = "product_unknown"


@dataclass(slots=True)
class Scored:
    """A factor with its score and the score's parts."""

    factor: EmissionFactor
    score: float
    signals: dict[str, float] = field(default_factory=dict)


_EXPLAINED = 5  # candidates whose parts of the score are kept; the others keep the score alone


def candidate(scored: Scored, *, explained: bool = True) -> Candidate:
    """Turn a scored factor into the record that is kept."""
    factor = scored.factor
    return Candidate(
        factor_id=factor.id,
        source_id=factor.source_id,
        release=factor.release,
        name=factor.name,
        value_per_unit=factor.value_per_unit,
        unit=factor.unit,
        score=round(scored.score, 6),
        signals={n: round(v, 4) for n, v in scored.signals.items()} if explained else {},
    )


def held(query: ActivityQuery, code: str, sentence: str, ranked: Sequence[Scored] = ()) -> Decision:
    """Decide that no factor is used; near ones stay listed for the reviewer."""
    return Decision(
        activity_key=query.key,
        outcome=Outcome.HELD,
        method=Method.OFFLINE,
        factor_id=None,
        confidence=0.0,
        candidates=tuple(candidate(s, explained=i < _EXPLAINED) for i, s in enumerate(ranked)),
        reasons=(Reason(code, sentence),),
    )


def _percent(confidence: float) -> int:
    """Round down: "60 % confidence" is no reason to check where the threshold is 60 %."""
    return math.floor(100 * confidence + 1e-9)


def decided(
    query: ActivityQuery,
    ranked: Sequence[Scored],
    confidence: float,
    thresholds: Thresholds,
    rules: Sequence[Reason],
    fallbacks: Sequence[Fallback],
) -> Decision:
    """Decide for the first of `ranked`, by the organization's thresholds."""
    best = ranked[0].factor
    confidence = round(confidence, 4)
    if confidence < thresholds.hold_below:
        outcome = Outcome.HELD
        reason = Reason(
            LOW_CONFIDENCE,
            f"The best match, {best.name}, has only {_percent(confidence)} % confidence; "
            "please choose or reject.",
        )
    elif confidence < thresholds.review_below:
        outcome = Outcome.FLAGGED
        reason = Reason(
            LOW_CONFIDENCE,
            f"{best.name} was used with {_percent(confidence)} % confidence; please check.",
        )
    else:
        outcome = Outcome.MATCHED
        reason = Reason("matched", f"{best.name} ({best.category}) fits best.")
    return Decision(
        activity_key=query.key,
        outcome=outcome,
        method=Method.OFFLINE,
        factor_id=None if outcome is Outcome.HELD else best.id,
        confidence=0.0 if outcome is Outcome.HELD else confidence,
        candidates=tuple(candidate(s, explained=i < _EXPLAINED) for i, s in enumerate(ranked)),
        reasons=(reason, *rules),
        fallbacks=tuple(fallbacks),
    )
