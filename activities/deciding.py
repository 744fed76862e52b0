"""How an organization's activities find their factors: what matching and recalculation share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from core.matching.remembered import Remembered, recall
from core.records import ActivityQuery, Decision, EmissionFactor, Thresholds


class Matcher(Protocol):
    """Decides on factors; knows every factor that it may name."""

    @property
    def factors(self) -> Mapping[UUID, EmissionFactor]:
        """Return the factors by id."""

    def match(self, queries: Sequence[ActivityQuery], thresholds: Thresholds) -> Sequence[Decision]:
        """Return one decision for each query, in order."""


class MatcherSource(Protocol):
    """Gives each organization the matcher over its own and its pinned releases' factors."""

    def matcher_for(
        self, organization_id: UUID, releases: tuple[str, ...] | None = None
    ) -> Matcher:
        """Return the organization's matcher; building one may take a while.

        `releases` stands in for the pinned ones: recalculation tries others.
        """


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions, one a query and in order, with the factors that they may name."""

    decisions: Sequence[Decision]
    factors: Mapping[UUID, EmissionFactor]


class Memory(Protocol):
    """Knows what each organization decided before."""

    def recall(
        self, organization_id: UUID, queries: Sequence[ActivityQuery]
    ) -> Mapping[str, Remembered]:
        """Return the remembered decisions that apply, by activity key."""


class Model(Protocol):
    """A language model that chooses among the candidates of matching."""

    def decide(
        self,
        organization_id: UUID,
        queries: Sequence[ActivityQuery],
        offered: Sequence[Decision],
        factors: Mapping[UUID, EmissionFactor],
        thresholds: Thresholds,
    ) -> Sequence[Decision]:
        """Return one decision for each query, in order."""


class Deciding:
    """Decides on batches of one organization's activities: by memory, else by matching, and by a
    language model among the candidates of matching where one is configured."""

    def __init__(
        self, matchers: MatcherSource, memory: Memory | None = None, model: Model | None = None
    ) -> None:
        self.matchers = matchers
        self.memory = memory
        self.model = model

    def decide(
        self,
        organization_id: UUID,
        queries: Sequence[ActivityQuery],
        thresholds: Thresholds,
        releases: tuple[str, ...] | None = None,
    ) -> Decided:
        """Return one decision for each query, in order."""
        matcher = self.matchers.matcher_for(organization_id, releases)
        offered = matcher.match(queries, thresholds)
        factors = matcher.factors
        known = self.memory.recall(organization_id, queries) if self.memory else {}
        decided: dict[str, Decision] = {}
        open_: list[tuple[ActivityQuery, Decision]] = []
        for query, decision in zip(queries, offered, strict=True):
            remembered = known.get(query.key)
            followed = remembered and recall(query, remembered, decision, factors)
            if followed:
                decided[query.key] = followed
            else:
                open_.append((query, decision))
        chosen: Sequence[Decision] = [decision for _, decision in open_]
        if self.model and open_:
            asked = [query for query, _ in open_]
            chosen = self.model.decide(organization_id, asked, chosen, factors, thresholds)
        decided |= {query.key: d for (query, _), d in zip(open_, chosen, strict=True)}
        return Decided([decided[query.key] for query in queries], factors)
