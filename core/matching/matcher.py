"""The offline matcher: distinct activities in, decisions out. Deterministic, no network, no key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from core.matching.candidates import LibraryIndex
from core.matching.decide import PRODUCT_UNKNOWN, held
from core.matching.money_rules import not_an_emission, nothing_but_a_vendor
from core.matching.own import own_matches
from core.matching.physical_match import match_physical
from core.matching.reading import read_activity
from core.matching.spend_match import match_spend
from core.records import ActivityQuery, Decision, Dimension, EmissionFactor, Thresholds

KEPT_CANDIDATES = 20


class OfflineMatcher:
    """Matches activities against an index; knows every factor that it may name."""

    def __init__(self, index: LibraryIndex, *, keep: int = KEPT_CANDIDATES) -> None:
        self.index = index
        self.keep = keep

    @property
    def factors(self) -> Mapping[UUID, EmissionFactor]:
        """The factors by id."""
        return self.index.by_id

    def match(self, queries: Sequence[ActivityQuery], thresholds: Thresholds) -> Sequence[Decision]:
        """Return one decision for each query, in order. The order of queries changes nothing."""
        decisions: dict[int, Decision] = {}
        spend: list[int] = []
        for place, query in enumerate(queries):
            decision = self._without_spend(query, thresholds)
            if decision is None:
                spend.append(place)
            else:
                decisions[place] = decision
        found = match_spend(self.index, [queries[p] for p in spend], thresholds, self.keep)
        decisions.update(zip(spend, found, strict=True))
        return [decisions[place] for place in range(len(queries))]

    def _without_spend(self, query: ActivityQuery, thresholds: Thresholds) -> Decision | None:
        """Decide what needs no spend ranking; None sends the query there."""
        own = own_matches(self.index, query, thresholds, self.keep)
        if own is not None:
            return own
        reading = read_activity(query, self.index.speller)
        money = query.dimension is Dimension.MONEY
        why = not_an_emission(reading, money=money)
        if why is not None:
            return held(query, *why)
        if not money:
            return match_physical(self.index, reading, thresholds, self.keep)
        vendor = nothing_but_a_vendor(reading)
        if vendor is not None:
            return held(query, PRODUCT_UNKNOWN, vendor)
        return None
