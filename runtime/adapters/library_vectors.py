"""The vectors of the shipped releases' texts, so that no machine has to embed them again.

Embedding 27,000 texts takes a minute on two cores; reading them takes a tenth of a second. The file
is derived: `python -m runtime.adapters.library_vectors` writes it from the shipped tables and the
shipped model (delete it first to embed everything anew); a test compares a sample. Half precision:
a coordinate differs by at most 0.0005; between processors with and without VNNI the int8 kernels
differ more (cosine 0.9955 and above, measured), so shipping them also keeps machines alike. Only
the releases that every organization starts with are in it: of an older edition a few dozen texts
differ, which are embedded in a moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.factors.library import DEFAULT_RELEASES, load_release
from core.matching.candidates import describing_text
from core.matching.spend import entry_texts
from core.records import Dimension

FILE = Path(__file__).parent / "model" / "library-vectors.npz"

Vectors = NDArray[np.float16]


def text_key(model: str, text: str) -> int:
    """Return 64 bits that stand for a text under a model; a text's change changes its key."""
    digest = hashlib.sha256(f"{model}\0{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def library_texts() -> list[str]:
    """Return every text of the default releases that is ever embedded, sorted."""
    texts: set[str] = set()
    for name in DEFAULT_RELEASES:
        for factor in load_release(name).factors:
            texts.add(describing_text(factor))
            if factor.dimension is Dimension.MONEY:
                texts.update(entry_texts(factor))
    return sorted(texts)


@cache
def _stored() -> tuple[NDArray[np.uint64], Vectors]:
    if not FILE.exists():  # optional: without it everything is embedded on first use
        return np.zeros(0, dtype=np.uint64), np.zeros((0, 0), dtype=np.float16)
    with np.load(FILE, allow_pickle=False) as archive:
        return archive["keys"], archive["vectors"]


def look_up(model: str, texts: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return which texts are stored, and the vectors of those that are, in order."""
    keys, vectors = _stored()
    wanted = np.array([text_key(model, text) for text in texts], dtype=np.uint64)
    if not len(keys) or not len(wanted):
        return np.zeros(len(wanted), dtype=np.bool_), np.zeros((0, 0), dtype=np.float32)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known = keys[places] == wanted
    return known, vectors[places[known]].astype(np.float32)


def write(path: Path = FILE) -> int:
    """Write the file; return how many texts there are.

    Vectors that it holds already are taken over: another model has other keys.
    """
    from runtime.adapters.embedder_onnx import OnnxEmbedder

    embedder = OnnxEmbedder()
    texts = library_texts()
    keys = np.array([text_key(embedder.name, text) for text in texts], dtype=np.uint64)
    known, kept = look_up(embedder.name, texts)
    vectors = np.zeros((len(texts), embedder.dimensions), dtype=np.float16)
    vectors[known] = kept
    rest = [text for text, here in zip(texts, known, strict=True) if not here]
    if rest:
        vectors[~known] = embedder.embed(rest)
    order = np.argsort(keys)
    np.savez(path, keys=keys[order], vectors=vectors[order])
    return len(texts)


if __name__ == "__main__":
    write()
