"""Matchers over the factors of PostgreSQL, built once a release set and kept in memory.

The whole library fits in memory (7,000 factors, some 30,000 search texts), and searching it there
is measured faster than asking pgvector for each activity; see docs/matching.md.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Engine

from activities.deciding import Matcher
from core.factors.library import DEFAULT_RELEASES, load_release
from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from core.matching.remembered import Remembered
from core.records import ActivityQuery, EmissionFactor
from db.engine import tenant_session
from db.queries import library, memory, pipeline
from runtime.rankers import make_embedder
from runtime.settings import Settings

# Organizations with factors of their own need an index each; the least recent one goes first.
KEPT_INDEXES = 8


@dataclass
class LibraryMatchers:
    """activities.deciding.MatcherSource over the database."""

    engine: Engine
    settings: Settings
    _lock: threading.Lock = field(default_factory=threading.Lock)  # of `_kept`, never for long
    _building: threading.Lock = field(default_factory=threading.Lock)
    _kept: OrderedDict[tuple[object, ...], OfflineMatcher] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.embedder = make_embedder(self.settings)

    def warm_up(self) -> None:
        """Index the default releases before the first file asks for them.

        What is kept is the embeddings on disk, whatever releases an organization pins.
        """
        spend = [f for name in DEFAULT_RELEASES for f in load_release(name).factors]
        with self._building:
            self.build(spend)

    def matcher_for(
        self, organization_id: UUID, releases: tuple[str, ...] | None = None
    ) -> Matcher:
        """Return the matcher over the organization's own factors and its pinned releases."""
        with tenant_session(self.engine, organization_id) as session:
            pinned = releases or pipeline.get_organization(session, organization_id).factor_releases
            own = library.own_factors(session, organization_id)
        # In no order: who names the same releases otherwise must not push out others' indexes.
        key = (tuple(sorted(set(pinned))), tuple(sorted(own, key=lambda f: f.id)))
        if (kept := self._look_up(key)) is not None:
            return kept
        # One builder at a time: two would double the memory and take twice as long. Whoever has
        # an index goes on meanwhile, however many factors of their own others add.
        with self._building:
            if (kept := self._look_up(key)) is not None:
                return kept
            # Read first, then build without a transaction: embedding a library that was never
            # seen takes longer than the database lets a transaction idle.
            with tenant_session(self.engine, organization_id) as session:
                factors = [*own, *library.factors_of(session, pinned)]
            matcher = self.build(factors)
            with self._lock:
                self._kept[key] = matcher
                while len(self._kept) > KEPT_INDEXES:
                    self._kept.popitem(last=False)
            return matcher

    def _look_up(self, key: tuple[object, ...]) -> OfflineMatcher | None:
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
            return kept

    def build(self, factors: list[EmissionFactor]) -> OfflineMatcher:
        """Index factors; embeddings of texts seen before come from the cache on disk."""
        cache = self.settings.work_dir / "embeddings"
        cache.mkdir(parents=True, exist_ok=True)
        return OfflineMatcher(LibraryIndex.build(factors, self.embedder, cache))


@dataclass(frozen=True)
class DatabaseMemory:
    """activities.deciding.Memory over the database."""

    engine: Engine

    def recall(
        self, organization_id: UUID, queries: Sequence[ActivityQuery]
    ) -> Mapping[str, Remembered]:
        """Return what the organization decided before on these activities."""
        with tenant_session(self.engine, organization_id) as session:
            return memory.recall(session, organization_id, queries)
