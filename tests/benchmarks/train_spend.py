"""Learns the weights of core.matching.spend from labelled purchase lines.

    python tests/benchmarks/train_spend.py SET.csv [SET.csv …]   (columns text,label_code)

Softmax regression over the features of all sectors, L2-regularized towards the hand-set start.
Prints five-fold cross-validated top-1/5/10/20 first (what to expect on new lines), then the
weights from all lines.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np

from core.factors.library import load_release
from core.matching.spend import FEATURES, WEIGHTS, SpendIndex, entry_texts
from runtime.adapters.embedder_onnx import OnnxEmbedder
from runtime.adapters.vector_cache import cached_embed

CACHE = Path(tempfile.gettempdir()) / "tonnage-embeddings"


def train(x: np.ndarray, y: np.ndarray, steps: int = 300, l2: float = 1e-2) -> np.ndarray:
    """Fit weights by the softmax likelihood; x is (lines, sectors, features)."""
    mean, scale = x.mean((0, 1)), x.std((0, 1)) + 1e-6
    z = (x - mean) / scale
    w = WEIGHTS.astype(np.float64) * scale
    start, m, v = w.copy(), np.zeros_like(w), np.zeros_like(w)
    rows = np.arange(len(y))
    for step in range(1, steps + 1):
        s = z @ w
        p = np.exp(s - s.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        g = (np.einsum("ij,ijk->k", p, z) - z[rows, y].sum(0)) / len(y) + l2 * (w - start)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - 0.05 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    return w / scale


def tops(scores: np.ndarray, y: np.ndarray) -> list[float]:
    """Return top-1, 5, 10, 20."""
    own = scores[np.arange(len(y)), y][:, None]
    rank = (scores > own).sum(1)
    return [round(float((rank < k).mean()), 3) for k in (1, 5, 10, 20)]


def main() -> None:
    factors = load_release("epa-supply-chain-1.3").factors
    embedder = OnnxEmbedder()
    entries = [text for f in factors for text in entry_texts(f)]
    index = SpendIndex(factors, cached_embed(embedder, entries, CACHE))
    codes = {f.source_id: i for i, f in enumerate(index.factors)}
    rows = [
        row
        for path in sys.argv[1:]
        for row in csv.DictReader(Path(path).read_text("utf-8").splitlines())
    ]
    texts = [r["text"] for r in rows]
    y = np.array([codes[r["label_code"]] for r in rows])
    features = index.features(texts, cached_embed(embedder, texts, CACHE))
    x = np.moveaxis(features, 0, 2).astype(np.float64)
    print("start          ", tops(x @ WEIGHTS, y))
    fold = np.random.default_rng(7).permutation(len(y)) % 5
    # Lines of one label text family fall together by their first word, so that near copies do
    # not leak between folds.
    first = {}
    for i, t in enumerate(texts):
        first.setdefault(t.split()[0].lower(), fold[i])
        fold[i] = first[t.split()[0].lower()]
    held = np.zeros(x.shape[:2])
    for k in range(5):
        held[fold == k] = x[fold == k] @ train(x[fold != k], y[fold != k])
    print("cross-validated", tops(held, y))
    for name, column in zip(FEATURES, range(len(FEATURES)), strict=True):
        print(f"  {name:7s} alone", tops(x[:, :, column], y))
    w = train(x, y)
    print("all lines      ", tops(x @ w, y))
    print(np.round(w, 2).tolist())


if __name__ == "__main__":
    main()
