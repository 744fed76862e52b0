"""Indexes over the library: whose building holds up whom, and what pushes out what."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from core.records import EmissionFactor
from runtime.matchers import KEPT_INDEXES, KEPT_OF_ONE, LibraryMatchers
from runtime.settings import Settings
from tests.factories import Uploader
from workflows import options

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


def test_an_organization_pushes_out_its_own_indexes_and_not_those_of_others(
    matchers: Counted, uploader: Uploader, platform_engine: Engine
) -> None:
    other = Uploader.make(platform_engine, uploader.storage, "Other")
    third = Uploader.make(platform_engine, uploader.storage, "Third")
    theirs = matchers.matcher_for(other.organization_id, NAMES[:1])
    shared = matchers.matcher_for(uploader.organization_id, NAMES[1:2])
    assert matchers.matcher_for(third.organization_id, NAMES[1:2]) is shared
    tried = [(one, two) for one, two in permutations(NAMES, 2) if one < two]
    assert len(tried) >= KEPT_INDEXES
    for releases in tried:
        matchers.matcher_for(uploader.organization_id, releases)
    built = matchers.built
    assert matchers.matcher_for(other.organization_id, NAMES[:1]) is theirs
    assert matchers.matcher_for(third.organization_id, NAMES[1:2]) is shared
    for releases in tried[-KEPT_OF_ONE:]:
        matchers.matcher_for(uploader.organization_id, releases)
    assert matchers.built == built
    matchers.matcher_for(uploader.organization_id, tried[0])
    assert matchers.built == built + 1


def test_a_batch_leaves_its_slot_while_an_index_is_built_for_another(
    matchers: Counted, uploader: Uploader
) -> None:
    matchers.let.clear()
    kept: list[Any] = []
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, heartbeat_details=(9,))  # waited nine times
    environment.on_heartbeat = lambda *details: kept.append(details)
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(matchers.matcher_for, uploader.organization_id, NAMES[:1])
        assert matchers.begun.wait(30)
        with pytest.raises(ApplicationError) as caught:
            environment.run(matchers.matcher_for, uploader.organization_id, NAMES[1:2])
        matchers.let.set()
        building.result(30)
    assert caught.value.type == options.WAITS_ITS_TURN
    assert kept == [(10,)]
    # It asks again as soon as the first time: whoever asks seldom rarely finds a builder free.
    delay = caught.value.next_retry_delay
    assert delay is not None
    assert delay <= timedelta(seconds=3)
    # And then it has its turn.
    assert environment.run(matchers.matcher_for, uploader.organization_id, NAMES[1:2])
