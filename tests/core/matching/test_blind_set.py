"""The set that was written blind: what is right on it stays right on new data, more or less.

The bounds are those the project promises for data it has not seen, below what was measured
(docs/matching.md), so that an honest change of a table does not break the build.
"""

from __future__ import annotations

from pathlib import Path

from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from runtime.adapters.embedder_onnx import OnnxEmbedder
from tests.benchmarks.bench_matching import evaluate, shipped
from tests.benchmarks.matching_sets import read_cases

SET = Path(__file__).parents[2] / "data" / "eval" / "activity_held_c.csv"


def test_the_matcher_keeps_what_is_promised_for_activities_nobody_looked_at(tmp_path) -> None:
    matcher = OfflineMatcher(LibraryIndex.build(shipped(), OnnxEmbedder(), tmp_path))
    found = evaluate("blind", read_cases(SET), matcher)
    assert found["rows"] == 200
    assert found["right_factor"] >= 0.85
    assert found["forced"] * 30 <= 0.05 * 200  # answers where none is right, of all rows
    assert found["arithmetic_right"] == 1.0
    assert found["ece"] <= 0.06
