"""What a reviewer or a model is offered where the lexicon knows no word of an activity."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.factors.library import load_release
from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from core.records import ActivityQuery, Dimension, Outcome, Thresholds
from runtime.adapters.embedder_onnx import OnnxEmbedder


@pytest.fixture(scope="module")
def factors():
    return load_release("desnz-2025").factors


@pytest.fixture(scope="module")
def matcher(factors, tmp_path_factory) -> OfflineMatcher:
    cache: Path = tmp_path_factory.mktemp("vectors")
    return OfflineMatcher(LibraryIndex.build(factors, OnnxEmbedder(), cache))


def asked(name: str, unit: str, dimension: Dimension, year: int = 2025) -> ActivityQuery:
    return ActivityQuery("key", name, None, None, unit, dimension, None, "GB", year, None)


def test_unknown_words_decide_nothing_and_still_bring_what_is_near_in_meaning(matcher) -> None:
    (found,) = matcher.match([asked("Zeppelin joyride", "passenger_km",
                                    Dimension.PASSENGER_DISTANCE)], Thresholds())  # fmt: skip
    assert found.outcome is Outcome.HELD
    assert found.factor_id is None
    assert len(found.candidates) == 20
    # DESNZ counts a passenger's kilometres in the air, on rails, on water and by taxi or bus.
    assert any("Flights" in c.name for c in found.candidates)


def test_what_is_offered_fits_the_unit_and_is_no_upstream_figure(matcher) -> None:
    (found,) = matcher.match([asked("gubbins", "kg", Dimension.MASS)], Thresholds())
    assert found.candidates
    for candidate in found.candidates:
        factor = matcher.factors[candidate.factor_id]
        assert factor.dimension is Dimension.MASS
        assert factor.activity_kind != "well_to_tank"


def test_without_an_embedder_words_alone_are_searched(factors) -> None:
    bare = OfflineMatcher(LibraryIndex.build(factors))
    (found,) = bare.match([asked("gubbins", "kg", Dimension.MASS)], Thresholds())
    assert (found.outcome, found.candidates) == (Outcome.HELD, ())
