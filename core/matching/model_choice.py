"""From a model's choice to a decision: which factor, how sure, what is disclosed."""

from __future__ import annotations

from dataclasses import replace

from core.matching.energy_money import SUPPLY_ONLY
from core.matching.remembered import chosen_first, disclosed
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

# A model's own words about its certainty are worth little, so what we take is how far two rankers
# that know nothing of each other agree. These are priors and no calibration: without a key there
# is nothing to calibrate on; docs/model.md says so too. The two meet where the offline ranker knows
# nothing (0): agreement is never worth less than disagreement.
_DOUBT_LEFT = 0.28  # of the offline ranker's doubt when the model chooses the same
_OTHER = 0.72  # when it chooses another, less where the offline ranker was sure
_OTHER_LOSS = 0.3


def model_confidence(offline: float, *, agrees: bool) -> float:
    """Return the confidence of a model's choice, from that of the offline ranker's first."""
    if agrees:
        return 1 - _DOUBT_LEFT * (1 - offline)
    return _OTHER - _OTHER_LOSS * offline


def decide(
    query: ActivityQuery,
    offered: Decision,
    choice: Candidate | None,
    factor: EmissionFactor | None,
    thresholds: Thresholds,
    model: str,
) -> Decision:
    """Return the decision for a model's `choice` (None: it says that no candidate fits)."""
    if choice is None or factor is None:
        sentence = f"The model {model} says that none of the candidates fits; please choose one."
        return replace(
            offered, outcome=Outcome.HELD, method=Method.MODEL, factor_id=None, confidence=0.0,
            reasons=(Reason("model_says_none", sentence), *offered.reasons), fallbacks=(),
        )  # fmt: skip
    first = offered.candidates[0].factor_id if offered.candidates else None
    agrees = offered.factor_id == factor.id or (offered.factor_id is None and first == factor.id)
    confidence = round(model_confidence(offered.confidence, agrees=agrees), 4)
    if confidence < thresholds.hold_below:
        outcome = Outcome.HELD
    elif confidence < thresholds.review_below:
        outcome = Outcome.FLAGGED
    else:
        outcome = Outcome.MATCHED
    words = "as our own ranker did" if agrees else "where our own ranker would have taken another"
    said = Reason("model_choice", f"The model {model} chose {factor.name}, {words}.")
    kept = offered.reasons if agrees else offered.reasons[1:]
    missing = tuple(r for r in offered.reasons if r.code == SUPPLY_ONLY)
    if missing:  # whichever sector it is, the burning of the fuel is not in its figure
        outcome = Outcome.FLAGGED if outcome is Outcome.MATCHED else outcome
        kept = (*missing, *(r for r in kept if r.code != SUPPLY_ONLY))
    return Decision(
        activity_key=query.key,
        outcome=outcome,
        method=Method.MODEL,
        factor_id=None if outcome is Outcome.HELD else factor.id,
        confidence=0.0 if outcome is Outcome.HELD else confidence,
        candidates=chosen_first(factor, offered.candidates, "chosen_by_model"),
        reasons=(said, *kept),
        fallbacks=offered.fallbacks if agrees else fallbacks_of(query, factor),
    )


def fallbacks_of(query: ActivityQuery, factor: EmissionFactor) -> tuple[Fallback, ...]:
    """Return what was asked for and not had with this factor."""
    found = list(disclosed(query, factor, factor))
    if query.basis is None and factor.basis is not None and query.unit == "kWh":
        found.append(Fallback("basis", "not stated", factor.basis.value))
    return tuple(found)


def unusable(offered: Decision, code: str, sentence: str) -> Decision:
    """Return the offline decision, listed for review: the model's answer could not be used."""
    outcome = Outcome.FLAGGED if offered.outcome is Outcome.MATCHED else offered.outcome
    return replace(
        offered, outcome=outcome, method=Method.FALLBACK,
        reasons=(Reason(code, sentence), *offered.reasons),
    )  # fmt: skip


def stood_in(offered: Decision, code: str, sentence: str) -> Decision:
    """Return the offline decision in the model's place, and say why."""
    return replace(
        offered, method=Method.FALLBACK, reasons=(*offered.reasons, Reason(code, sentence))
    )
