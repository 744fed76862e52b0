"""Sentence embeddings with all-MiniLM-L6-v2 (int8) on onnxruntime: no network, no key."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import Misconfigured
from runtime.adapters.library_vectors import look_up
from runtime.adapters.vector_cache import cached_embed

MODEL_FOLDER = Path(__file__).parent / "model"
DIMENSIONS = 384
# Longer texts are cut: the model was trained on 128 tokens, and activities have about 10.
_MAX_TOKENS = 96


class OnnxEmbedder:
    """The shipped model. Deterministic: a text gives the same vector whatever stands beside it.

    One text a run: the int8 model scales its numbers per tensor, so in a batch a text's vector
    would depend on its neighbours (measured: up to 0.03 in a coordinate), and a retried batch
    could decide otherwise. On two cores this costs about a tenth of the throughput. Safe to share
    between threads; a process needs one. `threads` runs go on side by side.
    """

    def __init__(self, *, threads: int = 2, folder: Path = MODEL_FOLDER) -> None:
        self._threads = threads
        self._folder = folder

    @property
    def name(self) -> str:
        """Identify model and version; part of every cache key."""
        return "all-MiniLM-L6-v2-int8/1"

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return DIMENSIONS

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array (len(texts), 384) of L2-normalized vectors."""
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        place = {text: index for index, text in enumerate(distinct)}
        vectors = np.zeros((len(distinct), DIMENSIONS), dtype=np.float32)
        encoded = self._tokenizer.encode_batch(distinct)

        def run(index: int) -> None:
            ids = np.array([encoded[index].ids], dtype=np.int64)
            feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            vectors[index] = self._session.run(["e"], feed)[0][0]

        if self._threads == 1 or len(distinct) < 2 * self._threads:
            for index in range(len(distinct)):
                run(index)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                # Longest first: the last one to finish is then a short one.
                list(pool.map(run, reversed(range(len(distinct)))))
        return vectors[[place[text] for text in texts]]

    def embed_cached(self, texts: Sequence[str], cache_dir: Path) -> NDArray[np.float32]:
        """As `embed`, to half precision: shipped vectors first, the rest through `cached_embed`.

        All are rounded alike, so a text has the same vector whether it was shipped or not.
        """
        known, shipped = look_up(self.name, texts)
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        if known.any():
            vectors[known] = shipped
        if not known.all():
            rest = [text for text, found in zip(texts, known, strict=True) if not found]
            embedded = cached_embed(self, rest, cache_dir)
            vectors[~known] = embedded.astype(np.float16).astype(np.float32)
        return vectors

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._existing("tokenizer.json")))
        tokenizer.enable_truncation(max_length=_MAX_TOKENS)
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _session(self) -> Any:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = self._existing("all-MiniLM-L6-v2-int8.onnx")
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def _existing(self, name: str) -> Path:
        path = self._folder / name
        if not path.exists():
            raise Misconfigured(f"the embedding model's {name} is missing; see model/rebuild.py")
        return path
