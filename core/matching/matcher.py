"""The offline matcher: distinct activities in, decisions out. Deterministic, no network, no key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from core.matching.candidates import LibraryIndex
from core.matching.decide import PRODUCT_UNKNOWN, held
from core.matching.energy_money import without_burning
from core.matching.money_rules import not_an_emission, nothing_but_a_vendor
from core.matching.own import own_matches
from core.matching.physical_match import match_physical
from core.matching.reading import Reading, read_activity
from core.matching.spend_match import embedded, match_spend
from core.matching.unspecific import Purchase, doubted, purchase_of
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
        """Return one decision for each query, in order. The order of queries changes nothing.

        Texts of money are embedded in a thread beside the rest: the model runs outside of
        Python's lock, and each of the two keeps a core busy.
        """
        decisions: dict[int, Decision] = {}
        spend: dict[int, tuple[Reading, Purchase]] = {}

        def decide(place: int) -> None:
            found = self._without_spend(queries[place], thresholds)
            if isinstance(found, Decision):
                decisions[place] = found
            else:
                spend[place] = found

        money = [p for p, q in enumerate(queries) if q.dimension is Dimension.MONEY]
        for place in money:
            decide(place)
        lines = [purchase.query for _, purchase in spend.values()]
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="embed") as beside:
            vectors = beside.submit(embedded, self.index, lines)
            for place in set(range(len(queries))).difference(money):
                decide(place)
            found = match_spend(self.index, lines, vectors.result(), thresholds, self.keep)
        for (place, line), decision in zip(spend.items(), found, strict=True):
            decisions[place] = self._doubted(*line, decision, thresholds)
        return [decisions[place] for place in range(len(queries))]

    def _without_spend(
        self, query: ActivityQuery, thresholds: Thresholds
    ) -> Decision | tuple[Reading, Purchase]:
        """Decide what needs no spend ranking; what was read and bought goes there."""
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
        purchase = purchase_of(reading)
        if isinstance(purchase, str):
            return held(query, PRODUCT_UNKNOWN, purchase)
        return reading, purchase

    def _doubted(
        self, reading: Reading, purchase: Purchase, decision: Decision, thresholds: Thresholds
    ) -> Decision:
        """Say what the sector that was found does not tell."""
        if not decision.candidates:
            return decision
        best = self.factors[decision.candidates[0].factor_id]
        decision = doubted(purchase, best, decision, thresholds)
        return without_burning(reading, best, decision)
