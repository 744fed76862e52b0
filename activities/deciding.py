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


class Deciding:
    """Decides on batches of one organization's activities: by memory, else by matching."""

    def __init__(self, matchers: MatcherSource, memory: Memory | None = None) -> None:
        self.matchers = matchers
        self.memory = memory

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
        known = self.memory.recall(organization_id, queries) if self.memory else {}
        decisions = [
            self.follow(query, decision, known.get(query.key), matcher.factors)
            for query, decision in zip(queries, offered, strict=True)
        ]
        return Decided(decisions, matcher.factors)

    @staticmethod
    def follow(
        query: ActivityQuery,
        offered: Decision,
        remembered: Remembered | None,
        factors: Mapping[UUID, EmissionFactor],
    ) -> Decision:
        """Return the remembered decision where there is one that can be followed."""
        recalled = None if remembered is None else recall(query, remembered, offered, factors)
        return recalled or offered
