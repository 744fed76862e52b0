"""What becomes of a remembered decision whose factor is gone."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from uuid import uuid4

from core.factors.library import load_release
from core.matching.candidates import LibraryIndex
from core.matching.decide import held
from core.matching.remembered import FACTOR_DELETED, Remembered, recall
from core.recalculation import propose
from core.records import ActivityQuery, Dimension, Method, Outcome

DIESEL = next(f for f in load_release("desnz-2025").factors if f.source_id == "1_101_1011_8_1"
              and f.activity_kind == "fuel")  # fmt: skip
QUERY = ActivityQuery("key", "Diesel", None, None, "l", Dimension.VOLUME, None, "GB", 2025, None)
OFFERED = held(QUERY, "low_confidence", "Please choose.")


def test_a_deleted_factor_of_ones_own_is_asked_about_again_and_nothing_stands_in() -> None:
    own = replace(DIESEL, id=uuid4(), release="own", organization_id=uuid4(), name="Our tariff")
    remembered = Remembered(uuid4(), own, dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    found = recall(QUERY, remembered, OFFERED, {DIESEL.id: DIESEL})
    assert found is not None
    assert (found.outcome, found.factor_id) == (Outcome.HELD, None)
    assert found.reasons[0].code == FACTOR_DELETED
    assert "Our tariff on 2026-11-01" in found.reasons[0].sentence
    assert found.remembered_id == remembered.id


def test_a_factor_of_a_release_that_is_not_pinned_leaves_the_choice_to_matching() -> None:
    remembered = Remembered(uuid4(), DIESEL, dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    assert recall(QUERY, remembered, OFFERED, {}) is None


BIOGENIC = next(f for f in load_release("desnz-2025").factors if f.source_id == "99_400_4001_5_2")
POWER = replace(QUERY, name="Electricity", unit="kWh", dimension=Dimension.ENERGY)


def test_what_a_person_decided_on_biogenic_co2_stays_where_the_releases_have_the_factor() -> None:
    query = replace(POWER, name="Biogenic part of the electricity")
    library = LibraryIndex.build([BIOGENIC])
    assert library.entries == []  # matching never offers it
    standing = replace(OFFERED, method=Method.REVIEW, factor_id=BIOGENIC.id)
    proposal = propose(query, standing, BIOGENIC, OFFERED, library.by_id)
    assert (proposal.kept, proposal.decision.factor_id) == (None, BIOGENIC.id)
    remembered = Remembered(uuid4(), BIOGENIC, dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    found = recall(query, remembered, OFFERED, library.by_id)
    assert found is not None
    assert (found.outcome, found.factor_id) == (Outcome.MATCHED, BIOGENIC.id)


def test_an_old_decision_never_takes_electricity_out_of_every_total() -> None:
    remembered = Remembered(uuid4(), BIOGENIC, dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    assert recall(POWER, remembered, OFFERED, {BIOGENIC.id: BIOGENIC}) is None
