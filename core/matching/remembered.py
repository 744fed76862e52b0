"""What an organization decided before: how its decision is found again, and applied.

A remembered decision belongs to the words of an activity and what they are measured in, not to its
year: next year's upload must meet it. It goes before every factor of the library.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from core.activity_key import fold
from core.records import (
    ActivityQuery,
    Candidate,
    Decision,
    EmissionFactor,
    Fallback,
    Method,
    Outcome,
    Reason,
)
from core.scopes import says_biogenic

REMEMBERED = "remembered_decision"
REJECTED_BEFORE = "rejected_before"
FACTOR_DELETED = "remembered_factor_deleted"
# A person decided on these very words: not a probability of the ranker. One below a decision on
# the row itself, since the same words may come to mean something else in another year.
MEMORY_CONFIDENCE = 0.98
REVIEW_CONFIDENCE = 1.0
_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Remembered:
    """One decision of an organization on an activity. Without a factor: none fits."""

    id: UUID
    factor: EmissionFactor | None
    decided_at: dt.datetime


def memory_key(query: ActivityQuery) -> str:
    """Return the sha256 hex of what a remembered decision is about: all but the year."""
    parts = (
        _VERSION,
        fold(query.name),
        fold(query.type),
        fold(query.description),
        query.dimension.value,
        query.basis.value if query.basis else "",
        (query.currency or "").upper(),
        (query.region or "").upper(),
    )
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def release_family(release: str) -> str:
    """Return what the editions of one publication have in common: "desnz" of "desnz-2025"."""
    return release.rpartition("-")[0] or release


def successor(
    factor: EmissionFactor, factors: Mapping[UUID, EmissionFactor]
) -> EmissionFactor | None:
    """Return the factor itself where it is at hand, else the one of the same id in the newest
    other edition of its publication, else None."""
    if factor.id in factors:
        return factors[factor.id]
    family = release_family(factor.release)
    same = [
        other
        for other in factors.values()
        if other.source_id == factor.source_id
        and other.dimension is factor.dimension
        and release_family(other.release) == family
    ]
    return max(same, key=lambda f: (f.data_year, f.release), default=None)


def disclosed(
    query: ActivityQuery, chosen: EmissionFactor, used: EmissionFactor
) -> tuple[Fallback, ...]:
    """Return what was asked for and not had when a person's choice is applied to `query`."""
    found = []
    if used.id != chosen.id:
        found.append(Fallback("release", chosen.release, used.release))
    if used.region and (query.region or "")[:2] != used.region[:2]:
        found.append(Fallback("region", query.region or "not stated", used.region))
    if query.year != used.data_year:
        found.append(Fallback("year", str(query.year or "not stated"), str(used.data_year)))
    return tuple(found)


def recall(
    query: ActivityQuery,
    remembered: Remembered,
    offered: Decision,
    factors: Mapping[UUID, EmissionFactor],
) -> Decision | None:
    """Return the decision that memory makes; None when its factor is in no pinned release.

    For a factor of the organization's own that was deleted since, a person is asked again: what
    stands next in the ranking is not what was decided.

    `offered` is what matching would have said: its candidates stay listed.
    """
    day = remembered.decided_at.date().isoformat()
    if remembered.factor is None:
        reason = Reason(
            REJECTED_BEFORE,
            f"Your organization decided on {day} that no factor fits this; please look again.",
        )
        return replace(
            offered, outcome=Outcome.HELD, method=Method.MEMORY, factor_id=None, confidence=0.0,
            reasons=(reason,), fallbacks=(), remembered_id=remembered.id,
        )  # fmt: skip
    used = successor(remembered.factor, factors)
    if used is not None and used.biogenic and not says_biogenic(query):
        return None  # decided before that was refused; the activity would be in no total
    if used is None and remembered.factor.organization_id is not None:
        reason = Reason(
            FACTOR_DELETED,
            f"Your organization decided for {remembered.factor.name} on {day}, a factor of its own "
            "that was deleted since; please choose again.",
        )
        return replace(
            offered, outcome=Outcome.HELD, method=Method.MEMORY, factor_id=None, confidence=0.0,
            reasons=(reason,), fallbacks=(), remembered_id=remembered.id,
        )  # fmt: skip
    if used is None:
        return None
    reason = Reason(REMEMBERED, f"Your organization decided for {used.name} on {day}.")
    return Decision(
        activity_key=query.key,
        outcome=Outcome.MATCHED,
        method=Method.MEMORY,
        factor_id=used.id,
        confidence=MEMORY_CONFIDENCE,
        candidates=chosen_first(used, offered.candidates, "remembered"),
        reasons=(reason,),
        fallbacks=disclosed(query, remembered.factor, used),
        remembered_id=remembered.id,
    )


def reviewed(query: ActivityQuery, factor: EmissionFactor, offered: Decision) -> Decision:
    """Return the decision of a person for `factor` on this very activity."""
    return Decision(
        activity_key=query.key,
        outcome=Outcome.MATCHED,
        method=Method.REVIEW,
        factor_id=factor.id,
        confidence=REVIEW_CONFIDENCE,
        candidates=chosen_first(factor, offered.candidates, "chosen_by_a_person"),
        reasons=(Reason("reviewed", f"A person decided for {factor.name}."), *offered.reasons),
        fallbacks=disclosed(query, factor, factor),
    )


def rejected(query: ActivityQuery, offered: Decision) -> Decision:
    """Return the decision of a person that no factor fits this very activity."""
    reason = Reason("rejected", "A person decided that no factor fits.")
    return Decision(
        activity_key=query.key,
        outcome=Outcome.REJECTED,
        method=Method.REVIEW,
        factor_id=None,
        confidence=0.0,
        candidates=offered.candidates,
        reasons=(reason, *offered.reasons),
    )


def chosen_first(
    factor: EmissionFactor, candidates: Iterable[Candidate], signal: str
) -> tuple[Candidate, ...]:
    """Return candidates with the chosen one in front; the others keep their order and scores."""
    listed = {candidate.factor_id: candidate for candidate in candidates}
    known = listed.pop(factor.id, None)
    first = Candidate(
        factor_id=factor.id,
        source_id=factor.source_id,
        release=factor.release,
        name=factor.name,
        value_per_unit=factor.value_per_unit,
        unit=factor.unit,
        score=known.score if known else 0.0,
        signals={**(known.signals if known else {}), signal: 1.0},
    )
    return (first, *listed.values())
