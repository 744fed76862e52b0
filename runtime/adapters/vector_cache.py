"""Vectors on disk, each text's own: of a set of texts that changed a little, little is embedded.

One SQLite file, which processes share; what was not used for the longest time goes first. A file
that cannot be read or written costs time, and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.ports import Embedder

log = logging.getLogger(__name__)

FILE = "vectors.sqlite"
# The library's 27,000 texts take 40 MB with the shipped model, and 170 MB with one of OpenAI's.
MOST_BYTES = 512 * 1024 * 1024
_USED_EVERY_S = 600  # to note each use would write the whole library for every index
_KEYS_A_QUESTION = 500
_TABLE = (
    "CREATE TABLE IF NOT EXISTS vectors"
    " (key BLOB PRIMARY KEY, vector BLOB NOT NULL, used_at INTEGER NOT NULL)"
)

Vectors = NDArray[np.float32]


def cached_embed(
    embedder: Embedder, texts: Sequence[str], cache_dir: Path, *, most_bytes: int = MOST_BYTES
) -> Vectors:
    """Embed `texts`, but for those that this or another process embedded before."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    _remove_former(cache_dir)
    keys = {text: _key(embedder.name, text) for text in texts}
    found = _read(cache_dir, list(keys.values()), embedder.dimensions)
    missing = [text for text, key in keys.items() if key not in found]
    if missing:
        made = embedder.embed(missing)
        new = {keys[text]: made[row] for row, text in enumerate(missing)}
        _keep(cache_dir, new, most_bytes)
        found |= new
    if not texts:
        return np.zeros((0, embedder.dimensions), dtype=np.float32)
    return np.stack([found[keys[text]] for text in texts])


def _key(model: str, text: str) -> bytes:
    return hashlib.sha256(f"{model}\0{text}".encode()).digest()


def _work(cache_dir: Path, work: Callable[[sqlite3.Connection], None]) -> None:
    """Work on the file, and commit what was done; one that is broken is begun anew."""
    path = cache_dir / FILE
    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
            connection.execute(_TABLE)
            work(connection)
    except sqlite3.OperationalError as error:  # locked for long, a full disk
        log.warning("vectors cannot be kept: %s", error)
    except sqlite3.DatabaseError as error:
        log.warning("the file of vectors is broken and begun anew: %s", error)
        path.unlink(missing_ok=True)


def _read(cache_dir: Path, keys: Sequence[bytes], dimensions: int) -> dict[bytes, Vectors]:
    now = int(time.time())
    found: dict[bytes, Vectors] = {}

    def read(connection: sqlite3.Connection) -> None:
        aged = []
        for start in range(0, len(keys), _KEYS_A_QUESTION):
            some = keys[start : start + _KEYS_A_QUESTION]
            marks = ",".join("?" * len(some))
            asked = f"SELECT key, vector, used_at FROM vectors WHERE key IN ({marks})"  # noqa: S608
            for key, vector, used_at in connection.execute(asked, some):
                if len(vector) == 4 * dimensions:
                    found[key] = np.frombuffer(vector, dtype="<f4")
                    if used_at < now - _USED_EVERY_S:
                        aged.append((now, key))
        connection.executemany("UPDATE vectors SET used_at = ? WHERE key = ?", aged)

    _work(cache_dir, read)
    return found


def _keep(cache_dir: Path, vectors: Mapping[bytes, Vectors], most_bytes: int) -> None:
    now = int(time.time())
    rows = [(key, vector.astype("<f4").tobytes(), now) for key, vector in vectors.items()]

    def keep(connection: sqlite3.Connection) -> None:
        connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
        count, held = connection.execute(
            "SELECT count(*), coalesce(sum(length(vector)), 0) FROM vectors"
        ).fetchone()
        if held > most_bytes:
            # A tenth more than must go, or the next text would make the next one go.
            surplus = min(count, int(count * (1 - 0.9 * most_bytes / held)) + 1)
            connection.execute(
                "DELETE FROM vectors WHERE key IN"
                " (SELECT key FROM vectors ORDER BY used_at, key LIMIT ?)",
                (surplus,),
            )

    _work(cache_dir, keep)


def _remove_former(cache_dir: Path) -> None:
    """Remove the files of a set of texts each that were kept here before, one for every change."""
    for pattern in ("embeddings-*.npy", "tmp*.tmp"):
        for path in cache_dir.glob(pattern):
            with suppress(OSError):
                path.unlink()
