"""Sentence embeddings of an OpenAI-compatible server, in the place of the shipped model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from openai import AsyncOpenAI

from core.errors import Unavailable
from runtime.adapters.openai_calls import Calls
from runtime.adapters.vector_cache import cached_embed

BATCH = 256
MAX_CHARS = 2000


class OpenAiEmbedder:
    """core.ports.CachingEmbedder over an OpenAI-compatible server."""

    def __init__(self, *, base_url: str, api_key: str, model: str, timeout_s: float) -> None:
        self._calls = Calls(
            base_url=base_url, api_key=api_key, timeout_s=timeout_s, who="the embedding server"
        )
        self._base_url, self._model = base_url, model
        self._dimensions: int | None = None

    @property
    def name(self) -> str:
        """Identify server and model; part of every cache key."""
        return f"{self._base_url}#{self._model}"

    @property
    def dimensions(self) -> int:
        """Return the length of a vector, asked of the server once."""
        if self._dimensions is None:
            self._dimensions = int(self.embed(["dimensions"]).shape[1])
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return L2-normalized vectors. Raises RateLimited, Unavailable or Misconfigured."""
        sent = [sendable(text) for text in texts]
        distinct = list(dict.fromkeys(sent))
        rows: list[NDArray[np.float32]] = []
        for start in range(0, len(distinct), BATCH):
            rows += self._batch(distinct[start : start + BATCH])
        if not rows:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        if len({row.shape for row in rows}) != 1:
            raise Unavailable("the embedding server's vectors are of several lengths")
        vectors = np.stack(rows)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        self._dimensions = vectors.shape[1]
        place = {text: row for row, text in enumerate(distinct)}
        found: NDArray[np.float32] = vectors[[place[text] for text in sent]]
        return found

    def embed_cached(self, texts: Sequence[str], cache_dir: Path) -> NDArray[np.float32]:
        """As `embed`, keeping what was embedded in a file of `cache_dir`."""
        return cached_embed(self, texts, cache_dir)

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()

    def _batch(self, texts: list[str]) -> list[NDArray[np.float32]]:
        async def call(client: AsyncOpenAI) -> object:
            return await client.embeddings.create(
                model=self._model, input=texts, encoding_format="float"
            )

        return vectors_of(self._calls.run(call), len(texts))


def sendable(text: str) -> str:
    """Return a text that the protocol takes: neither empty nor long, and real Unicode."""
    return text[:MAX_CHARS].encode("utf-8", "replace").decode() or " "


def vectors_of(answer: object, count: int) -> list[NDArray[np.float32]]:
    """Return the vectors in the order of the texts; a server may leave out what it promises."""
    data = getattr(answer, "data", None)
    try:
        by_index = {item.index: np.asarray(item.embedding, dtype=np.float32) for item in data or ()}
    except (AttributeError, TypeError, ValueError):
        raise Unavailable("the embedding server's vectors cannot be used") from None
    if by_index.keys() != set(range(count)):
        raise Unavailable("the embedding server left texts out")
    rows = [by_index[index] for index in range(count)]
    if any(row.ndim != 1 or not row.size or not np.isfinite(row).all() for row in rows):
        raise Unavailable("the embedding server's vectors cannot be used")
    return rows
