"""`make bench-matching` on a user's own file: the JSON's shape, both rankers, clear refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.model_server import KEY, ModelServer

SCRIPT = Path(__file__).parent / "bench_matching.py"
KEYS = {
    "set", "ranker", "rows", "top1", "top5", "top10", "top20", "right_factor", "forced", "refused",
    "arithmetic_right", "emission_error", "ece", "per_second", "p50_ms", "p95_ms", "usd_per_1000",
}  # fmt: skip
# Two activities of domain.md §8 and one that has no factor: 1,200 × 2.57082; 10,000 × 0.18296.
ACTIVITIES = """activity_name,volume,unit,region,year,accepted,expected_kgco2e
Diesel average biofuel blend,"1,200",litres,GB,2025,desnz2025:1_101_1011_8_1,3084.984
Natural gas,"10,000",kWh,GB,2025,desnz2025:1_100_1004_6_1,1829.6
laptops,12,units,GB,2025,,
"""
LINES = """text,label_code
hex head bolts zinc,332722
"""
CANDIDATES = """code,name,index_entries
332722,"Bolt, Nut, Screw, Rivet, and Washer Manufacturing",Bolts metal manufacturing
111140,Wheat Farming,Wheat farming
"""


def bench(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | environment, timeout=110, check=False,
    )  # fmt: skip


def results(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text()))


def test_a_set_of_activities_is_measured_against_the_shipped_releases(tmp_path) -> None:
    (tmp_path / "mine.csv").write_text(ACTIVITIES)
    done = bench(tmp_path, "--set", "mine.csv", "--json", "out.json")
    assert done.returncode == 0, done.stderr
    [found] = results(tmp_path / "out.json")
    assert set(found) == KEYS
    assert (found["set"], found["ranker"], found["rows"]) == ("mine", "offline", 3)
    assert (found["right_factor"], found["forced"], found["arithmetic_right"]) == (1.0, 0.0, 1.0)
    assert found["emission_error"] == 0.0
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"mine-offline-reliability.png", "mine-offline-coverage.png"}


def test_a_set_of_lines_is_measured_against_the_given_candidates_by_a_model(tmp_path) -> None:
    (tmp_path / "lines.csv").write_text(LINES)
    (tmp_path / "candidates.csv").write_text(CANDIDATES)
    with ModelServer() as server:
        done = bench(
            tmp_path, "--set", "lines.csv", "--candidates", "candidates.csv", "--ranker", "model",
            "--json", "out.json",
            TONNAGE_OPENAI_BASE_URL=server.url, TONNAGE_OPENAI_API_KEY=KEY,
            TONNAGE_OPENAI_MODEL="test-model", TONNAGE_OPENAI_INPUT_USD_PER_MTOK="1000",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert len(server.requests) == 1
    [found] = results(tmp_path / "out.json")
    assert set(found) == KEYS
    assert (found["ranker"], found["top1"]) == ("model", 1.0)
    assert found["usd_per_1000"] > 0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a,b\n1,2\n", "activity_name"),
        ("activity_name,volume,unit,accepted\nx,1,kWh,nowhere:1\n", "nowhere"),
        ("activity_name,volume,unit,accepted\n", "no rows"),
    ],
)
def test_a_wrong_file_is_refused_by_what_is_wrong_with_it(tmp_path, text, named) -> None:
    (tmp_path / "wrong.csv").write_text(text)
    done = bench(tmp_path, "--set", "wrong.csv")
    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_server_the_model_is_refused_with_the_settings_to_give(tmp_path) -> None:
    (tmp_path / "mine.csv").write_text(ACTIVITIES)
    done = bench(tmp_path, "--set", "mine.csv", "--ranker", "model")
    assert done.returncode == 1
    assert "TONNAGE_OPENAI_BASE_URL" in done.stderr
