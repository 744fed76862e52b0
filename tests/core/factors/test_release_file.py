"""A release is written and read back without loss, and always in the same bytes."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

from core.factors.importers.result import ImportResult
from core.factors.library import load_release
from core.factors.release_file import dump_factors, dump_sources, load_factors, load_sources
from runtime.factors_cli import write_release


def test_factors_survive_the_round_trip_in_any_order() -> None:
    release = load_release("epa-hub-2025")
    mixed = list(release.factors)
    random.Random(3).shuffle(mixed)
    text = dump_factors(mixed)
    assert text == dump_factors(release.factors)
    assert load_factors(text, release.meta) == release.factors


def test_sources_survive_the_round_trip() -> None:
    metas = {n: load_release(n).meta for n in ("desnz-2025", "epa-hub-2025")}
    assert load_sources(dump_sources(metas.values())) == metas


def test_a_second_release_leaves_the_first_one_s_entry_alone(tmp_path: Path) -> None:
    first, second = load_release("epa-hub-2025"), load_release("desnz-2025")
    few = second.factors[:3]
    write_release(ImportResult(first.meta, first.factors[:2], ()), tmp_path)
    write_release(ImportResult(second.meta, few, ()), tmp_path)
    sources = load_sources((tmp_path / "sources.toml").read_text("utf-8"))
    assert sources == {"epa-hub-2025": first.meta, "desnz-2025": second.meta}
    text = (tmp_path / "desnz-2025.csv").read_text("utf-8")
    assert load_factors(text, second.meta) == tuple(sorted(few, key=lambda f: f.source_id))


def test_text_with_commas_quotes_and_breaks_is_kept() -> None:
    factor = dataclasses.replace(
        load_release("epa-hub-2025").factors[0],
        name='A, "b"\nc; d', search_texts=("x, y", 'z "q"'), note="é – ü",
    )  # fmt: skip
    meta = load_release("epa-hub-2025").meta
    assert load_factors(dump_factors([factor]), meta) == (factor,)
