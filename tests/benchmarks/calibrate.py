"""Fits the confidence of spend matches: how often the first sector is right.

    python tests/benchmarks/calibrate.py LINES.csv [NOMATCH.csv] [ACTIVITIES.csv]

Logistic in the logit of the softmax share and whether there is context, on purchase lines
(text,label_code), lines that nobody could label, and the money rows of an activity set. Prints
the five-fold cross-validated expected calibration error, then the coefficients from all rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.matching import confidence, spend_match
from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from core.records import Dimension, Thresholds
from runtime.adapters.embedder_onnx import OnnxEmbedder
from tests.benchmarks.bench_matching import CACHE, shipped
from tests.benchmarks.matching_sets import RELEASES, Case, activity_cases, line_cases


def observe(cases: list[Case], matcher: OfflineMatcher) -> tuple[np.ndarray, np.ndarray]:
    """Return (quantities, right) of the spend matches of a set."""
    seen: list[confidence.SpendEvidence] = []
    real = confidence.spend_confidence

    def spy(evidence: confidence.SpendEvidence) -> float:
        seen.append(evidence)
        return 1.0

    spend_match.spend_confidence = spy  # type: ignore[assignment]
    try:
        asked = [case for case in cases if case.query and case.query.currency]
        x, y = [], []
        for case in asked:
            seen.clear()
            assert case.query is not None
            (decision,) = matcher.match([case.query], Thresholds(0.0, 0.0))
            if seen:
                x.append(seen[0].terms())
                y.append(bool(case.accepted) and case.accepts(decision.candidates[0]))
    finally:
        spend_match.spend_confidence = real
    return np.array(x), np.array(y, dtype=float)


def fit(x: np.ndarray, y: np.ndarray, l2: float = 1.0) -> np.ndarray:
    """Logistic regression by Newton's method."""
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ w))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + l2 * np.eye(len(w))
        w -= np.linalg.solve(hessian, x.T @ (p - y) + l2 * w)
    return w


def ece(p: np.ndarray, y: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over equally wide bins."""
    place = np.minimum((p * bins).astype(int), bins - 1)
    return float(sum(abs(p[place == b].sum() - y[place == b].sum()) for b in range(bins)) / len(p))


def main() -> None:
    matcher = OfflineMatcher(LibraryIndex.build(shipped(), OnnxEmbedder(), CACHE))
    parts = []
    for name in sys.argv[1:]:
        path = Path(name)
        header = path.read_text("utf-8").splitlines()[0]
        cases = line_cases(path) if header.startswith("text") else activity_cases(path)
        cases = [c for c in cases if c.query and c.query.dimension is Dimension.MONEY]
        parts.append(observe(cases, matcher))
        x, y = parts[-1]
        print(f"{path.stem}: {len(y)} answers, {y.mean():.3f} right")
    x, y = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    fold = np.random.default_rng(11).permutation(len(y)) % 5
    held = np.zeros(len(y))
    for k in range(5):
        held[fold == k] = 1 / (1 + np.exp(-x[fold == k] @ fit(x[fold != k], y[fold != k])))
    print(
        "cross-validated ece", round(ece(held, y), 4), "brier", round(((held - y) ** 2).mean(), 4)
    )
    now = 1 / (1 + np.exp(-x @ np.array(confidence.SPEND_PLATT)))
    print("as it is        ece", round(ece(now, y), 4), "brier", round(((now - y) ** 2).mean(), 4))
    print("coefficients", np.round(fit(x, y), 3).tolist(), "releases", sorted(RELEASES.values()))


if __name__ == "__main__":
    main()
