"""How sure a match is: evidence → a probability that the first factor is the right one.

Two calibrations, one a family of matches, both logistic (Platt) in few quantities, so that they
can be written down and checked. They are fitted by tests/benchmarks/calibrate.py with
cross-validation on the dev sets; docs/matching.md shows the reliability diagrams.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.matching.physical import Fit
from core.matching.reading import Reading

# Spend: logit(confidence) = A + B × lead of the first score over the second (at most MAX_LEAD)
# + C × logit of the first's share of a softmax + D where type or description stand beside the
# name. A, B and C from tests/benchmarks/calibrate.py, cross-validated on 387 different lines; the
# lead alone tells most, and the share takes back where many sectors lie close behind. D is
# judgement: of the few labelled lines with such context all were right.
SPEND_TEMPERATURE = 0.5
MAX_LEAD = 8.0
SPEND_PLATT = (-0.9545, 0.4915, -0.1954, 0.7)
# Physical: starts at BASE and loses for what was assumed or contradicted.
_BASE = 3.2
_LOSS = {
    "conflict": 1.2,  # a stated attribute that the factor does not have
    "stand_in": 1.0,  # another product stands in
    "haul": 2.2,  # a flight of unknown length
    "waste_route": 2.6,  # waste with no way of disposal
    "homeworking": 0.6,
    "state": 3.0,  # liquid or gas
    "proxy": 0.5,  # another country's figure
    "region_missing": 1.2,
    "close_second": 1.6,  # another figure scores about the same
    "near_second": 0.5,
    "uncovered": 1.6,  # times the share of the name's words that we do not know
    "two_products": 0.8,
}


def sigmoid(x: float) -> float:
    """The logistic function."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def physical_confidence(
    reading: Reading, best: Fit, rival_gap: float | None, notes: tuple[str, ...]
) -> float:
    """Return the confidence of a facet match.

    `rival_gap` is the lead over the best factor with another figure (None: there is none).
    """
    z = _BASE - _LOSS["conflict"] * best.conflicts
    for note in (*best.assumed, *notes):
        z -= _LOSS.get(note, 0.0)
    if rival_gap is not None and rival_gap < 0.45:
        z -= _LOSS["close_second"]
    elif rival_gap is not None and rival_gap < 1.0:
        z -= _LOSS["near_second"]
    z -= _LOSS["uncovered"] * max(0.0, 0.6 - reading.covered)
    return sigmoid(z)


@dataclass(frozen=True, slots=True)
class SpendEvidence:
    """What the confidence of a spend match rests on."""

    lead: float  # of the first score over the second
    share: float  # of the first in a softmax of all, at SPEND_TEMPERATURE
    context: bool  # a type or a description stands beside the name

    def terms(self) -> tuple[float, float, float, float]:
        """Return the terms of the logistic, in the order of SPEND_PLATT."""
        share = min(max(self.share, 1e-6), 1 - 1e-6)
        return 1.0, min(self.lead, MAX_LEAD), math.log(share / (1 - share)), float(self.context)


def spend_confidence(evidence: SpendEvidence) -> float:
    """Return the confidence of a spend match."""
    terms = zip(SPEND_PLATT, evidence.terms(), strict=True)
    return sigmoid(sum(weight * term for weight, term in terms))


def text_confidence(overlap: float, own: bool) -> float:
    """Return the confidence of a match by words alone; an own factor of the same name is meant."""
    return min(0.97, overlap * (0.97 if own else 0.75))
