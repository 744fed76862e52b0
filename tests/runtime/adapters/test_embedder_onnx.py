"""The embedding model: shapes, determinism, and its cache on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import Misconfigured
from core.ports import CachingEmbedder
from runtime.adapters.embedder_onnx import OnnxEmbedder

TEXTS = ["diesel for vans", "electricity", "a much longer text about the hire of a coach", "diesel"]


@pytest.fixture(scope="module")
def embedder() -> OnnxEmbedder:
    return OnnxEmbedder(threads=2)


def test_vectors_have_length_one(embedder: OnnxEmbedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (4, embedder.dimensions)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert embedder.embed([]).shape == (0, 384)


def test_a_vector_does_not_depend_on_its_neighbours_or_threads(embedder: OnnxEmbedder) -> None:
    together = embedder.embed(TEXTS)
    alone = np.concatenate([OnnxEmbedder(threads=1).embed([text]) for text in TEXTS])
    assert np.array_equal(together, alone)
    assert np.array_equal(embedder.embed(TEXTS[::-1])[::-1], together)


def test_like_texts_are_nearer_than_others(embedder: OnnxEmbedder) -> None:
    fuel, power, _, diesel = embedder.embed(TEXTS)
    assert fuel @ diesel > fuel @ power


def test_the_embedder_can_keep_what_it_embeds(embedder: OnnxEmbedder) -> None:
    assert isinstance(embedder, CachingEmbedder)


def test_a_missing_model_is_the_operator_s_matter(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="tokenizer"):
        OnnxEmbedder(folder=tmp_path).embed(["x"])
