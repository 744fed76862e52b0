"""The benchmark of searching runs, and writes its plans; figures come from a quiet machine."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bench_search


def test_the_benchmark_measures_every_list_with_few_rows(tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    found = bench_search.main(["--rows", "2000", "--runs", "2", "--plans", str(plans)])
    names = [name for name, *_ in found]
    assert names[0] == "SELECT 1"
    for part in ("summary: q", "list: name", "deep", "files", "reviews", "recalculation rows"):
        assert any(part in name for name in names), part
    assert len(list(plans.iterdir())) == len(names) - 1
    assert "Execution Time" in (plans / "summary__nothing.txt").read_text()
