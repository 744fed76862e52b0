"""Indexes over the library: whose building holds up whom, and what pushes out what."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import permutations

import pytest
from sqlalchemy import Engine

from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from core.records import EmissionFactor
from runtime.matchers import KEPT_INDEXES, LibraryMatchers
from runtime.settings import Settings
from tests.factories import Uploader

NAMES = ("desnz-2025", "epa-hub-2025", "epa-supply-chain-1.3", "desnz-2024")


@dataclass
class Counted(LibraryMatchers):
    """Counts what is built, and builds when it is let."""

    built: int = 0
    begun: threading.Event = field(default_factory=threading.Event)
    let: threading.Event = field(default_factory=threading.Event)

    def build(self, factors: list[EmissionFactor]) -> OfflineMatcher:
        self.begun.set()
        assert self.let.wait(30)
        self.built += 1
        return OfflineMatcher(LibraryIndex.build(factors))


@pytest.fixture
def matchers(worker_engine: Engine, settings: Settings) -> Counted:
    made = Counted(worker_engine, settings)
    made.let.set()
    return made


def test_who_has_an_index_works_on_while_one_is_built_for_another(
    matchers: Counted, uploader: Uploader
) -> None:
    mine = matchers.matcher_for(uploader.organization_id, NAMES[:1])
    matchers.begun.clear()
    matchers.let.clear()
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(matchers.matcher_for, uploader.organization_id, NAMES[1:2])
        assert matchers.begun.wait(30)
        found = pool.submit(matchers.matcher_for, uploader.organization_id, NAMES[:1])
        assert found.result(30) is mine
        assert not other.done()
        matchers.let.set()
        assert other.result(30) is not mine


def test_the_same_releases_in_another_order_are_one_index(
    matchers: Counted, uploader: Uploader
) -> None:
    orders = list(permutations(NAMES))
    assert len(orders) > KEPT_INDEXES
    found = {id(matchers.matcher_for(uploader.organization_id, order)) for order in orders}
    assert (len(found), matchers.built) == (1, 1)
