"""Sentence embeddings of an OpenAI-compatible server, in the place of the shipped model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openai
from numpy.typing import NDArray
from openai import OpenAI

from core.errors import Misconfigured, RateLimited, Unavailable
from runtime.adapters.embedder_onnx import cached_embed
from runtime.adapters.ranker_openai import retry_after_s

BATCH = 256
MAX_CHARS = 2000


class OpenAiEmbedder:
    """core.ports.CachingEmbedder over an OpenAI-compatible server."""

    def __init__(self, *, base_url: str, api_key: str, model: str, timeout_s: float) -> None:
        self._client = OpenAI(base_url=base_url, api_key=api_key, timeout=timeout_s, max_retries=0)
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
        distinct = list(dict.fromkeys(text[:MAX_CHARS] or " " for text in texts))
        rows: list[NDArray[np.float32]] = []
        for start in range(0, len(distinct), BATCH):
            rows += self._batch(distinct[start : start + BATCH])
        if not rows:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        vectors = np.stack(rows)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        place = {text: row for row, text in enumerate(distinct)}
        found: NDArray[np.float32] = vectors[[place[text[:MAX_CHARS] or " "] for text in texts]]
        return found

    def embed_cached(self, texts: Sequence[str], cache_dir: Path) -> NDArray[np.float32]:
        """As `embed`, keeping what was embedded in a file of `cache_dir`."""
        return cached_embed(self, texts, cache_dir)

    def _batch(self, texts: list[str]) -> list[NDArray[np.float32]]:
        try:
            answer = self._client.embeddings.create(
                model=self._model, input=texts, encoding_format="float"
            )
        except openai.RateLimitError as error:
            raise RateLimited(
                "the embedding server says: too many requests", retry_after_s=retry_after_s(error)
            ) from None
        except openai.APIStatusError as error:
            if error.status_code in (408, 409, 425) or error.status_code >= 500:
                raise Unavailable(f"the embedding server answered {error.status_code}") from None
            raise Misconfigured(f"the embedding server refused: {error.status_code}") from None
        except (openai.APIConnectionError, openai.APIResponseValidationError, ValueError) as error:
            raise Unavailable(f"the embedding server is away: {type(error).__name__}") from None
        ordered = sorted(answer.data, key=lambda item: item.index)
        if [item.index for item in ordered] != list(range(len(texts))):
            raise Unavailable("the embedding server left texts out")
        rows = [np.asarray(item.embedding, dtype=np.float32) for item in ordered]
        if len({row.shape for row in rows}) != 1 or not all(np.isfinite(row).all() for row in rows):
            raise Unavailable("the embedding server's vectors cannot be used")
        return rows
