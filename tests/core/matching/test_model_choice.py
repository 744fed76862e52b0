"""From a model's choice to a decision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.matching.model_choice import decide, model_confidence, stood_in, unusable
from core.records import (
    Basis,
    Candidate,
    Decision,
    Dimension,
    EmissionFactor,
    Fallback,
    Method,
    Outcome,
    Thresholds,
)
from tests.questions import BY_ID, FACTORS, candidate, factor, offered, query

DIESEL, MINERAL, PETROL = FACTORS
CERTAINTY = st.floats(0, 1)


def choose(chosen: EmissionFactor | None, confidence: float = 0.95) -> Decision:
    asked = query("Diesel")
    choice: Candidate | None = candidate(chosen) if chosen else None
    return decide(asked, offered(asked, confidence=confidence), choice, chosen, Thresholds(), "gpt")


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def test_the_same_choice_as_our_own_makes_it_surer() -> None:
    decision = choose(DIESEL)
    assert (decision.outcome, decision.method) == (Outcome.MATCHED, Method.MODEL)
    assert decision.factor_id == DIESEL.id
    assert decision.confidence == 0.986  # 1 − 0.28 × (1 − 0.95)
    assert codes(decision) == ["model_choice", "matched", "unit"]
    assert decision.candidates[0].factor_id == DIESEL.id
    assert decision.candidates[0].signals == {"words": 1.0, "chosen_by_model": 1.0}


def test_another_choice_is_used_and_listed_for_review_where_our_own_was_sure() -> None:
    decision = choose(MINERAL)
    assert (decision.outcome, decision.method) == (Outcome.FLAGGED, Method.MODEL)
    assert decision.factor_id == MINERAL.id
    assert decision.confidence == 0.435  # 0.72 − 0.3 × 0.95
    # Why our own was taken is no reason any more; rules that hold for the activity stay.
    assert codes(decision) == ["model_choice", "unit"]
    assert "would have taken another" in decision.reasons[0].sentence
    assert [c.factor_id for c in decision.candidates] == [MINERAL.id, DIESEL.id, PETROL.id]


def test_another_choice_is_matched_where_our_own_was_unsure() -> None:
    decision = choose(PETROL, confidence=0.35)
    assert (decision.outcome, decision.confidence) == (Outcome.MATCHED, 0.615)  # 0.72 − 0.3 × 0.35


def test_none_of_them_holds_the_activity_with_its_candidates() -> None:
    decision = choose(None)
    assert (decision.outcome, decision.method) == (Outcome.HELD, Method.MODEL)
    assert (decision.factor_id, decision.confidence) == (None, 0.0)
    assert codes(decision) == ["model_says_none", "matched", "unit"]
    assert len(decision.candidates) == 3


def test_a_factor_that_is_gone_is_none_of_them() -> None:
    asked = query("Diesel")
    decision = decide(asked, offered(asked), candidate(DIESEL), None, Thresholds(), "gpt")
    assert decision.outcome is Outcome.HELD


@pytest.mark.parametrize(
    ("thresholds", "outcome"),
    [
        (Thresholds(0.3, 0.1), Outcome.MATCHED),
        (Thresholds(0.6, 0.3), Outcome.FLAGGED),
        (Thresholds(0.9, 0.5), Outcome.HELD),
    ],
)
def test_the_organizations_thresholds_decide(thresholds: Thresholds, outcome: Outcome) -> None:
    asked = query("Diesel")
    decision = decide(
        asked, offered(asked), candidate(MINERAL), MINERAL, thresholds, "gpt"
    )  # confidence 0.435
    assert decision.outcome is outcome
    held = outcome is Outcome.HELD
    assert decision.factor_id == (None if held else MINERAL.id)
    assert decision.confidence == (0.0 if held else 0.435)


def test_what_was_not_to_be_had_is_disclosed_for_the_models_factor() -> None:
    american = factor("Natural gas", unit="kWh", dimension=Dimension.ENERGY, region="US",
                      data_year=2023, basis=Basis.NET)  # fmt: skip
    asked = query("Gas", unit="kWh", dimension=Dimension.ENERGY)
    decision = decide(
        asked, offered(asked, confidence=0.1), candidate(american), american, Thresholds(), "gpt"
    )
    assert decision.fallbacks == (
        Fallback("region", "GB", "US"),
        Fallback("year", "2025", "2023"),
        Fallback("basis", "not stated", "net"),
    )


@given(CERTAINTY, CERTAINTY)
def test_confidence_is_one_and_agreement_never_lowers_it(one: float, other: float) -> None:
    low, high = sorted((one, other))
    for value in (low, high):
        agreed, different = (model_confidence(value, agrees=a) for a in (True, False))
        assert 0 <= different <= agreed <= 1
        assert agreed >= value
    assert model_confidence(low, agrees=True) <= model_confidence(high, agrees=True)
    assert model_confidence(low, agrees=False) >= model_confidence(high, agrees=False)


def test_an_unusable_answer_leaves_our_own_choice_listed_for_review() -> None:
    asked = query("Diesel")
    for confidence, outcome in (
        (0.95, Outcome.FLAGGED),
        (0.5, Outcome.FLAGGED),
        (0.1, Outcome.HELD),
    ):
        decision = unusable(offered(asked, confidence=confidence), "model_answer_refusal", "Look.")
        assert (decision.outcome, decision.method) == (outcome, Method.FALLBACK)
        assert codes(decision)[0] == "model_answer_refusal"
        assert decision.factor_id == offered(asked, confidence=confidence).factor_id


def test_our_own_choice_in_the_models_place_says_so_and_changes_nothing() -> None:
    own = offered(query("Diesel"))
    decision = stood_in(own, "budget_exhausted", "Used up.")
    assert (decision.outcome, decision.method) == (own.outcome, Method.FALLBACK)
    assert (decision.factor_id, decision.confidence) == (own.factor_id, own.confidence)
    assert codes(decision) == ["matched", "unit", "budget_exhausted"]
    assert BY_ID[DIESEL.id] is DIESEL
