"""What becomes of a remembered decision whose factor is gone."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from uuid import uuid4

from core.factors.library import load_release
from core.matching.decide import held
from core.matching.remembered import FACTOR_DELETED, Remembered, recall
from core.records import ActivityQuery, Dimension, Outcome

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
