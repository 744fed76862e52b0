"""How an organization's activities find their factors: what matching and recalculation share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

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


class Deciding:
    """Decides on batches of one organization's activities."""

    def __init__(self, matchers: MatcherSource) -> None:
        self.matchers = matchers

    def decide(
        self,
        organization_id: UUID,
        queries: Sequence[ActivityQuery],
        thresholds: Thresholds,
        releases: tuple[str, ...] | None = None,
    ) -> Decided:
        """Return one decision for each query, in order."""
        matcher = self.matchers.matcher_for(organization_id, releases)
        return Decided(matcher.match(queries, thresholds), matcher.factors)
