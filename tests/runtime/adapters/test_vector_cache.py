"""Vectors that are kept a text: what is embedded again, what goes, what a broken file does."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.adapters import vector_cache
from runtime.adapters.vector_cache import FILE, cached_embed

TEXTS = ["diesel for vans", "electricity", "coach hire", "diesel"]


class Counting:
    """Makes a vector of a text's hash, and says what it was asked for."""

    def __init__(self, name: str = "counting/1") -> None:
        self.name, self.dimensions = name, 4
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return as many vectors."""
        self.asked += texts
        seeds = [np.random.default_rng(list(f"{self.name}{text}".encode())) for text in texts]
        return np.stack([seed.random(4, dtype=np.float32) for seed in seeds])


def stored(folder: Path) -> int:
    with closing(sqlite3.connect(folder / FILE)) as connection:
        return int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])


def test_of_texts_that_changed_a_little_the_new_ones_alone_are_embedded(tmp_path: Path) -> None:
    first, again = Counting(), Counting()
    vectors = cached_embed(first, TEXTS, tmp_path)
    assert np.array_equal(vectors, Counting().embed(TEXTS))
    changed = ["gas oil", *TEXTS[::-1], "gas oil"]
    found = cached_embed(again, changed, tmp_path)
    assert again.asked == ["gas oil"]
    assert np.array_equal(found, Counting().embed(changed))
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_another_model_has_vectors_of_its_own(tmp_path: Path) -> None:
    cached_embed(Counting(), TEXTS, tmp_path)
    other = Counting("counting/2")
    assert np.array_equal(cached_embed(other, TEXTS, tmp_path), Counting("counting/2").embed(TEXTS))
    assert other.asked == TEXTS


def test_beyond_the_limit_goes_what_was_not_used_for_longest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000_000.0]
    monkeypatch.setattr(vector_cache.time, "time", lambda: now[0])
    room = 10 * 16  # ten vectors
    cached_embed(Counting(), TEXTS, tmp_path, most_bytes=room)
    now[0] += 3_600
    for number in range(40):
        cached_embed(Counting(), [*TEXTS[:2], f"own {number}"], tmp_path, most_bytes=room)
        assert stored(tmp_path) <= 10
        now[0] += 3_600
    kept = Counting()
    cached_embed(kept, TEXTS, tmp_path, most_bytes=room)
    assert kept.asked == TEXTS[2:]


def test_a_broken_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1_000)
    for _ in range(2):
        assert np.array_equal(cached_embed(Counting(), TEXTS, tmp_path), Counting().embed(TEXTS))
    assert stored(tmp_path) == len(TEXTS)


def test_what_was_kept_for_each_change_of_a_set_is_removed(tmp_path: Path) -> None:
    for name in ("embeddings-abc.npy", "tmp123.tmp"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "other.npy").write_bytes(b"")
    assert cached_embed(Counting(), [], tmp_path).shape == (0, 4)
    assert {path.name for path in tmp_path.iterdir()} == {FILE, "other.npy"}
