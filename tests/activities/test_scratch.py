"""Scratch space: empty when it is given, gone afterwards, and nothing left of who was killed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from activities.objects import ABANDONED_S, scratch


def left(work_dir: Path, name: str, age_s: float) -> Path:
    """Make what a worker leaves that was killed."""
    folder = work_dir / name / "parts"
    folder.mkdir(parents=True)
    (folder / "upload").write_bytes(b"a customer's")
    os.utime(folder.parent, (time.time() - age_s,) * 2)
    return folder.parent


def test_what_a_killed_worker_left_goes_a_day_later_and_nothing_else(tmp_path: Path) -> None:
    old = left(tmp_path, "stage-old", ABANDONED_S + 60)
    others = left(tmp_path, "stage-of-another", ABANDONED_S - 60)
    cache = left(tmp_path, "embeddings", 100 * ABANDONED_S)
    with scratch(tmp_path) as mine:
        assert list(mine.iterdir()) == []
        (mine / "upload").write_bytes(b"x")
    assert [path.exists() for path in (old, others, cache, mine)] == [False, True, True, False]
