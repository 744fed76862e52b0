"""Matchers over the factors of PostgreSQL, built once a release set and kept in memory.

The whole library fits in memory (7,000 factors, some 30,000 search texts), and searching it there
is measured faster than asking pgvector for each activity; see docs/matching.md.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Engine
from temporalio import activity

from activities.deciding import Matcher
from activities.tries import put_back
from core.factors.library import DEFAULT_RELEASES, load_release
from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from core.matching.remembered import Remembered
from core.records import ActivityQuery, EmissionFactor
from db.engine import tenant_session
from db.queries import library, memory, pipeline
from runtime.rankers import make_embedder
from runtime.settings import Settings

# Organizations with factors of their own need an index each, of some 140 MB; the least recent one
# goes first. Of those that one organization alone has asked for, two are kept: what it pins and
# what it tries, before and after a change of its factors.
KEPT_INDEXES, KEPT_OF_ONE = 6, 2
# A batch that would have to wait longer for somebody else's index leaves its slot meanwhile.
BUILDER_WAIT_S = 1.0
BUILDER_AGAIN_S = 2


@dataclass
class Kept:
    """An index, and the one organization that has asked for it; None when others have too."""

    matcher: OfflineMatcher
    asked_by: UUID | None


@dataclass
class LibraryMatchers:
    """activities.deciding.MatcherSource over the database."""

    engine: Engine
    settings: Settings
    _lock: threading.Lock = field(default_factory=threading.Lock)  # of `_kept`, never for long
    _building: threading.Lock = field(default_factory=threading.Lock)
    _kept: OrderedDict[tuple[object, ...], Kept] = field(default_factory=OrderedDict)

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
        if (kept := self._look_up(key, organization_id)) is not None:
            return kept
        # One builder at a time: two would double the memory and take twice as long. Whoever has
        # an index goes on meanwhile, however many factors of their own others add.
        with self._built_alone():
            if (kept := self._look_up(key, organization_id)) is not None:
                return kept
            # Read first, then build without a transaction: embedding a library that was never
            # seen takes longer than the database lets a transaction idle.
            with tenant_session(self.engine, organization_id) as session:
                factors = [*own, *library.factors_of(session, pinned)]
            matcher = self.build(factors)
            self._keep(key, Kept(matcher, organization_id))
            return matcher

    @contextmanager
    def _built_alone(self) -> Iterator[None]:
        """Build while nobody else does; a batch that has to wait for that goes back to its queue.

        One organization's changes to its factors would hold every AI slot otherwise, each batch
        waiting for the index of the one before.
        """
        patience_s = BUILDER_WAIT_S if activity.in_activity() else -1
        if not self._building.acquire(timeout=patience_s):
            # Often: the builder has no queue, and whoever asks seldom would rarely find it free.
            raise put_back("waits until an index that is being built is done", BUILDER_AGAIN_S)
        try:
            yield
        finally:
            self._building.release()

    def _keep(self, key: tuple[object, ...], new: Kept) -> None:
        with self._lock:
            self._kept[key] = new
            own = [k for k, kept in self._kept.items() if kept.asked_by == new.asked_by]
            for surplus in own[:-KEPT_OF_ONE]:
                del self._kept[surplus]
            while len(self._kept) > KEPT_INDEXES:
                self._kept.popitem(last=False)

    def _look_up(self, key: tuple[object, ...], organization_id: UUID) -> OfflineMatcher | None:
        with self._lock:
            if (kept := self._kept.get(key)) is None:
                return None
            self._kept.move_to_end(key)
            if kept.asked_by != organization_id:
                kept.asked_by = None
            return kept.matcher

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
