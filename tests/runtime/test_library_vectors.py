"""The shipped vectors are those of the shipped texts, under the shipped model."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from runtime.adapters import library_vectors
from runtime.adapters.embedder_onnx import OnnxEmbedder

MODEL = OnnxEmbedder().name


def test_every_text_of_the_shipped_releases_has_its_vector() -> None:
    texts = library_vectors.library_texts()
    known, vectors = library_vectors.look_up(MODEL, texts)
    assert len(texts) > 20_000
    assert known.all()
    assert vectors.shape == (len(texts), 384)


def test_a_sample_is_what_the_model_says_today() -> None:
    texts = random.Random(7).sample(library_vectors.library_texts(), 40)
    _, shipped = library_vectors.look_up(MODEL, texts)
    today = OnnxEmbedder().embed(texts)
    # Kernels for int8 round otherwise on processors with VNNI: cosines of 0.9955 and more were
    # measured over 2,000 texts. Another text's vector is far below (0.2 in the middle).
    assert (shipped * today).sum(axis=1).min() >= 0.99
    others = np.roll(today, 1, axis=0)
    assert np.median((shipped * others).sum(axis=1)) < 0.6


def test_a_text_of_another_model_or_spelling_is_not_known() -> None:
    text = library_vectors.library_texts()[0]
    known, _ = library_vectors.look_up("another-model", [text])
    assert not known.any()
    known, _ = library_vectors.look_up(MODEL, [text + "!"])
    assert not known.any()


def test_new_texts_are_embedded_beside_the_shipped_ones(tmp_path: Path) -> None:
    shipped = library_vectors.library_texts()[0]
    texts = ["a text that no release has", shipped, "and another one"]
    vectors = OnnxEmbedder().embed_cached(texts, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.sqlite"]
    for text, vector in zip(texts, vectors, strict=True):
        exact = OnnxEmbedder().embed([text])[0]
        assert np.abs(vector - exact).max() <= 2**-12
    again = OnnxEmbedder().embed_cached(texts, tmp_path)
    assert (again == vectors).all()
