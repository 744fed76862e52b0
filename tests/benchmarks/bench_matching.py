"""How right the matcher is, and how fast: `make bench-matching`.

    make bench-matching ARGS="--set FILE [--candidates FILE] --ranker offline --json OUT"

Without --set: activity_dev.csv and activity_held_c.csv of tests/data/eval, and the Austin lines
beside the project where they are. A set with the columns of activity_dev.csv is matched against
the shipped releases; one with text,label_code against the given candidates (the shipped NAICS
sectors without them). Prints a table; --json writes it, and a reliability diagram and a
coverage–precision curve beside it as PNG (--plots says where). Nothing but what `make` sets up is
needed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.calculation import Calculation, calculate
from core.errors import TonnageError
from core.factors.library import DEFAULT_RELEASES, load_release
from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from core.records import Decision, EmissionFactor, Thresholds
from runtime.adapters.embedder_onnx import OnnxEmbedder
from runtime.adapters.rates_ecb import EcbRates
from tests.benchmarks.matching_sets import Case, candidate_factors, read_cases, row_of
from tests.benchmarks.model_matcher import ModelMatcher, ranker_of_settings
from tests.benchmarks.plots import Answer, coverage_precision, reliability

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "eval"
OWN = Path(__file__).resolve().parents[1] / "data" / "eval"
CACHE = Path(tempfile.gettempdir()) / "tonnage-embeddings"


def evaluate(
    name: str,
    cases: Sequence[Case],
    matcher: OfflineMatcher | ModelMatcher,
    plots: Path | None = None,
) -> dict[str, Any]:
    """Match a set and measure it; see docs/matching.md for what each figure means."""
    model = matcher if isinstance(matcher, ModelMatcher) else None
    ranker = "model" if model else "offline"
    asked = [case for case in cases if case.query is not None]
    queries = [case.query for case in asked if case.query is not None]
    if model is None:
        matcher.match(queries[:4], Thresholds())  # loads the embedding model
    start = time.perf_counter()
    decisions = list(matcher.match(queries, Thresholds()))
    seconds = time.perf_counter() - start
    # One activity at a time; of a model, whose calls are paid, the calls as they were made.
    single = list(model.call_ms) if model else []
    for query in queries[:100] if model is None else ():
        begun = time.perf_counter()
        matcher.match([query], Thresholds())
        single.append((time.perf_counter() - begun) * 1000)
    if model and model.failures:
        print(f"{name}: {len(model.failures)} calls failed and were decided offline: "
              f"{', '.join(sorted(set(model.failures)))}", file=sys.stderr)  # fmt: skip
    by_id = {case.id: decision for case, decision in zip(asked, decisions, strict=True)}
    single.sort()
    if plots is not None:
        answers = answers_of(cases, by_id)
        reliability(name, answers, plots / f"{name}-{ranker}-reliability.png")
        coverage_precision(name, answers, len(cases), plots / f"{name}-{ranker}-coverage.png")
    return {
        "set": name, "ranker": ranker, "rows": len(cases), **_ranks(cases, by_id),
        **_figures(cases, by_id, matcher), "ece": calibration_error(cases, by_id),
        "per_second": round(len(queries) / max(seconds, 1e-9), 1) if queries else None,
        "p50_ms": round(single[len(single) // 2], 2) if single else None,
        "p95_ms": round(single[int(len(single) * 0.95)], 2) if single else None,
        "usd_per_1000": round(1000 * model.cost_usd / max(len(queries), 1), 4) if model else 0.0,
    }  # fmt: skip


def _ranks(cases: Sequence[Case], decisions: dict[str, Decision]) -> dict[str, Any]:
    labelled = [case for case in cases if case.accepted]
    unmatched = [case for case in cases if not case.accepted]
    places = [place_of(case, decisions.get(case.id)) for case in labelled]
    answered = [(c, d) for c in labelled if (d := decisions.get(c.id)) and d.factor_id]
    right = sum(case.accepts(decision.candidates[0]) for case, decision in answered)
    forced = sum(bool((d := decisions.get(c.id)) and d.factor_id) for c in unmatched)
    count = max(len(labelled), 1)

    def top(k: int) -> float:
        return round(sum(p is not None and p < k for p in places) / count, 4)

    return {
        "top1": top(1), "top5": top(5), "top10": top(10), "top20": top(20),
        "right_factor": round(right / count, 4),
        "forced": round(forced / len(unmatched), 4) if unmatched else None,
        "refused": round(1 - len(answered) / count, 4) if labelled else None,
    }  # fmt: skip


def _figures(
    cases: Sequence[Case], decisions: dict[str, Decision], matcher: OfflineMatcher | ModelMatcher
) -> dict[str, Any]:
    """Arithmetic where the factor is right; the error of all kg, weighted by kg."""
    rates = EcbRates()
    right = checked = 0
    wrong_kg = all_kg = 0.0
    for case in cases:
        decision = decisions.get(case.id)
        if case.expected_kg is None or case.volume is None:
            continue
        all_kg += abs(case.expected_kg)
        if decision is None or decision.factor_id is None:
            wrong_kg += abs(case.expected_kg)
            continue
        factor = matcher.factors[decision.factor_id]
        found = calculate(row_of(case), factor, decision, rates)
        kg = found.emission_kg if isinstance(found, Calculation) else 0.0
        wrong_kg += abs(kg - case.expected_kg)
        # Labels give the figure of the first accepted factor; the others differ by design.
        if case.accepts(decision.candidates[0]) and _is_first(case, decision):
            checked += 1
            right += abs(kg - case.expected_kg) <= max(1e-6 * abs(case.expected_kg), 6e-5)
    return {
        "arithmetic_right": round(right / checked, 4) if checked else None,
        "emission_error": round(wrong_kg / all_kg, 4) if all_kg else None,
    }


def _is_first(case: Case, decision: Decision) -> bool:
    first = Case(case.id, case.query, case.accepted[:1])
    return first.accepts(decision.candidates[0])


def place_of(case: Case, decision: Decision | None) -> int | None:
    """Return the place of the first accepted factor among the candidates."""
    if decision is None:
        return None
    places = (i for i, c in enumerate(decision.candidates) if case.accepts(c))
    return next(places, None)


def answers_of(cases: Sequence[Case], decisions: dict[str, Decision]) -> list[Answer]:
    """Return confidence and rightness of every row that got a factor."""
    found = []
    for case in cases:
        decision = decisions.get(case.id)
        if decision is not None and decision.factor_id is not None:
            right = bool(case.accepted) and case.accepts(decision.candidates[0])
            found.append((decision.confidence, right))
    return found


def calibration_error(
    cases: Sequence[Case], decisions: dict[str, Decision], bins: int = 10
) -> float | None:
    """Return the expected calibration error of the answers, over equally wide bins."""
    table: list[list[Answer]] = [[] for _ in range(bins)]
    for confidence, right in answers_of(cases, decisions):
        table[min(int(confidence * bins), bins - 1)].append((confidence, right))
    count = sum(len(cell) for cell in table)
    if not count:
        return None
    error = sum(abs(sum(c for c, _ in cell) - sum(r for _, r in cell)) for cell in table if cell)
    return round(error / count, 4)


def shipped() -> list[EmissionFactor]:
    """Return the factors of the releases that every organization starts with."""
    return [factor for name in DEFAULT_RELEASES for factor in load_release(name).factors]


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Evaluate the sets asked for."""
    embedder = OnnxEmbedder()
    sets = [(options.set, options.candidates)] if options.set else _default_sets()
    indexes: dict[Path | None, OfflineMatcher] = {}
    results = []
    for path, candidates in sets:
        if candidates not in indexes:
            factors = candidate_factors(candidates) if candidates else shipped()
            indexes[candidates] = OfflineMatcher(LibraryIndex.build(factors, embedder, CACHE))
        offline = indexes[candidates]
        matcher = ModelMatcher(offline, ranker_of_settings()) if options.ranker == "model" else None
        results.append(evaluate(path.stem, read_cases(path), matcher or offline, plots_of(options)))
    return results


def plots_of(options: argparse.Namespace) -> Path | None:
    """Return the folder of the pictures: the one asked for, or that of the JSON."""
    if options.plots:
        return Path(options.plots)
    return Path(options.json).parent if options.json else None


def _default_sets() -> list[tuple[Path, Path | None]]:
    sets: list[tuple[Path, Path | None]] = [
        (OWN / f"{name}.csv", None) for name in ("activity_dev", "activity_held_c")
    ]
    if SHARED.exists():
        candidates = SHARED / "naics_candidates.csv"
        sets += [(SHARED / f"{name}.csv", candidates)
                 for name in ("austin_naics_dev", "austin_nomatch_dev")]  # fmt: skip
    return sets


def table_of(results: Sequence[dict[str, Any]]) -> str:
    """Return the figures as text: one column a set."""
    lines = []
    for key in results[0]:
        cells = ["–" if r[key] is None else str(r[key]) for r in results]
        lines.append(f"{key:>17} " + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    """Print a table; write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path)
    parser.add_argument("--candidates", type=Path)
    parser.add_argument("--ranker", choices=["offline", "model"], default="offline")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plots", type=Path, help="folder for the PNGs")
    options = parser.parse_args()
    try:
        results = run(options)
    except (TonnageError, OSError) as error:
        sys.exit(f"bench-matching: {error}")
    print(table_of(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
