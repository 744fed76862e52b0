"""How long importing a release of 20,000 factors takes, embeddings included.

    .venv/bin/python tests/benchmarks/bench_import.py [ROWS]

Every text is new, so every one is embedded. The floor is the same import with vectors of zeros.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.factors.importers import generic_csv
from core.ports import Embedder
from db.engine import make_engine
from runtime import migrate
from runtime.adapters.embedder_onnx import OnnxEmbedder
from runtime.factor_releases import import_release, new_release
from runtime.postgres import start_postgres

THINGS = (
    "pump",
    "valve",
    "cable",
    "boiler",
    "panel",
    "motor",
    "filter",
    "gasket",
    "sensor",
    "duct",
)
MADE_OF = ("steel", "copper", "aluminium", "brass", "plastic", "glass", "rubber", "ceramic")
KINDS = ("small", "large", "industrial", "domestic", "marine")


class Nothing:
    """Embeds nothing: the floor."""

    name = "nothing"
    dimensions = 384

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return zeros."""
        return np.zeros((len(texts), 384), dtype=np.float32)


def table(rows: int, release: str) -> bytes:
    """Return a generic CSV of distinct factors."""
    lines = ["name,category,unit,value,region,data_year,source,licence"]
    for n in range(rows):
        name = f"{KINDS[n % 5]} {MADE_OF[n // 5 % 8]} {THINGS[n // 40 % 10]} type {n // 400}"
        lines.append(f"{name},{release} goods,kg,{1 + n / 1000},GB,2025,bench,CC0")
    return "\n".join(lines).encode()


def timed(url: str, rows: int, release: str, embedder: Embedder) -> float:
    """Return the seconds from the file's bytes to the commit."""
    engine = make_engine(url, pool_size=1)
    content = table(rows, release)
    start = time.perf_counter()
    result = generic_csv.read(
        content,
        generic_csv.Provenance(release=release, publisher="bench", title="bench"),
        file_name="bench.csv",
    )
    import_release(engine, new_release(result.meta, result.factors), embedder)
    seconds = time.perf_counter() - start
    engine.dispose()
    return seconds


def main() -> None:
    """Print both figures."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory(prefix="tonnage-bench-") as folder:
        Path(folder).chmod(0o755)
        server = start_postgres(Path(folder) / "pg")
        try:
            url = f"postgresql+psycopg://{server.uri('postgres').partition('://')[2]}"
            engine = make_engine(url)
            with engine.connect() as connection:
                migrate.upgrade(connection)
            engine.dispose()
            floor = timed(url, rows, "bench-floor", Nothing())
            full = timed(url, rows, "bench-full", OnnxEmbedder())
        finally:
            server.stop()
    print(f"{rows} factors: {full:.1f} s, without embeddings {floor:.1f} s")


if __name__ == "__main__":
    main()
