"""docs/api.md and the README's first calls, pasted into a shell beside a running `make dev`."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.postgres import start_postgres
from tests.e2e.conftest import CACHE
from tests.e2e.test_dev_stack import processes_of, start

pytestmark = pytest.mark.timeout(420)

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(bash|json)\n(.*?)^```$", re.M | re.S)
END = "=== end of block ==="
RUN_S = 280


def blocks(page: str) -> list[tuple[str, str]]:
    """Return each block of shell with the answers that the page shows after it, if any."""
    found: list[tuple[str, str]] = []
    for kind, text in BLOCK.findall(page):
        if kind == "bash":
            found.append((text, ""))
        else:
            found[-1] = (found[-1][0], text)
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project directory in which `make dev` runs: its state and the demo workbook."""
    place = tmp_path_factory.mktemp("project")
    (place / "tests").symlink_to(ROOT / "tests")
    state = place / ".tonnage"
    (state / "work").mkdir(parents=True)
    (CACHE / "embeddings").mkdir(parents=True, exist_ok=True)
    shutil.copytree(CACHE / "embeddings", state / "work" / "embeddings")
    log = place / "dev.log"
    try:
        process, _ = start(state, log)
        yield place
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
    finally:
        for left in processes_of(state):
            left.kill()
        if (state / "pg" / "postmaster.pid").exists():
            start_postgres(state / "pg").stop()


def pasted(place: Path, shown: list[tuple[str, str]]) -> list[str]:
    """Paste blocks into one shell that stops at the first failure; return what each printed."""
    script = "".join(f"{text}\necho; echo '{END}'\n" for text, _ in shown)
    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        cwd=place, input=script, capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-3000:] + done.stderr
    *printed, rest = done.stdout.split(f"\n{END}\n")
    assert rest == ""
    return printed


# What a block prints, by a piece that no other block has. Figures by hand from the published
# tables: DESNZ 2025 diesel 2.57082 kg/l, power 0.177 kg/kWh, average car 0.16725 kg/km; diesel
# of 2024 2.51279.
EXPECTED: list[tuple[str, list[str]]] = [
    ("/auth/me", ['"role": "admin"', '"recalculate": true']),
    ("UPLOAD=$(call", ['"status": "uploaded"', '"duplicate_of": ']),
    ("grep -iE", ["idempotency-replayed: true", '{"file_id":"', '"code": "duplicate_file"']),
    (
        "/events",
        [
            "event: status", '"status":"completed"', '"percent": 100.0', '"total": 4',
            '"calculated": 2', '"in_review": 1', '"rejected": 1', '"code": "unit_unknown"',
            "rejected,unit_unknown",
        ],
    ),
    # 1,200 l x 2.57082 = 3,084.984; 5,000 kWh x 0.177 = 885; 3,084.984 + 885 = 3,969.984
    (
        "FIGURES=",
        [
            '"emission_kg_co2e": 3084.984', '"total_kg_co2e": 3969.984', '"kg_co2e": 885.0',
            '"count": 2',
        ],
    ),
    ("/verify", ['"same": true', '"value": 3084.984', '"factor": 2.57082', "DESNZ"]),
    ("NEXT=", ["2\nGrid electricity"]),
    ("colour=red", ["HTTP/1.1 422", "application/problem+json", '"pointer": "query/colour"']),
    ('\\"choose\\"', ['"status": "chosen"', '"applied": true']),
    # 3,969.984 + 5,000 km x 0.16725 = 3,969.984 + 836.25
    ("wait_for() {", ["4806.234"]),
    ("OWN=", ['"release": "own"', '"value_kg_co2e_per_unit": 0.021', '"deleted":true']),
    # 1,200 l x 2.51279 = 3,015.348; the revision has the figure of before
    ("TRIAL=", ['"older_release"', "\n3015.348\n", '"emission_kg_co2e": 3084.984']),
    ("for FORMAT", ['"status": "completed"', "record,", "3015.348", "%PDF", '"deleted":true']),
    ("ETAG=", ["Logistics ", '"code": "precondition_failed"']),
    (
        "ADAS=",
        ["204\n", '"permission_denied"', '"role": "user"', '"removed":true', '"project_id":"'],
    ),
    ("MADE=", ["3\n", '"revoked":true', '"code": "unauthenticated"']),
    ("HOOK=", ["webhook.test", '"number": 1', '"status_code": null', '"deleted":true']),
    ("/audit?", ['"action": "file.recalculated"', '"hash": "']),
    ("/v1/auth/logout", ['"emissions": 3', "not_found", "204\n", "unauthenticated"]),
]  # fmt: skip


def test_every_block_of_the_page_works_as_it_stands_and_prints_what_it_shows(place: Path) -> None:
    page = blocks((ROOT / "docs" / "api.md").read_text())
    printed = pasted(place, page)
    for (text, shown), output in zip(page, printed, strict=True):
        for key in re.findall(r'"(\w+)":', shown):
            assert re.search(rf'"{key}": ?', output), (key, text, output[-2000:])
    checked = set()
    for piece, wanted in EXPECTED:
        [number] = [n for n, (text, _) in enumerate(page) if piece in text]
        checked.add(number)
        for words in wanted:
            assert words in printed[number], (piece, words, printed[number][-3000:])
    assert checked == set(range(len(page)))


def test_the_first_calls_of_the_readme_work_as_they_stand(place: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    section = readme[readme.index("## First calls") : readme.index("## What it stands for")]
    [printed] = pasted(place, blocks(section))
    assert '"status":"completed"' in printed
    # tests/data/demo_expected.csv: 52 figures, the largest the air freight from Hong Kong
    assert '"count":52' in printed
    assert "Air freight Hong Kong - London" in printed
    assert "Strom Büro Kassel" in printed


def test_the_page_is_short_enough_to_be_read() -> None:
    assert len((ROOT / "docs" / "api.md").read_text().splitlines()) <= 420
