"""The organization's own factors: before the library, by their names."""

from __future__ import annotations

from core.matching.candidates import LibraryIndex
from core.matching.confidence import text_confidence
from core.matching.decide import Scored, decided
from core.matching.text import content_stems
from core.records import ActivityQuery, Decision, Dimension, Reason, Thresholds

_ENOUGH = 0.6


def overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the share of common stems of two texts (Dice)."""
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


def own_matches(
    index: LibraryIndex, query: ActivityQuery, thresholds: Thresholds, keep: int
) -> Decision | None:
    """Decide by an own factor when one of the same dimension has nearly the activity's words."""
    if not index.own:
        return None
    texts = [frozenset(content_stems(query.name, expand=False))]
    if query.description:
        texts.append(frozenset(content_stems(f"{query.name} {query.description}", expand=False)))
    scored = []
    for factor, names in index.own:
        if factor.dimension is not query.dimension:
            continue
        if not index.editions.current(factor, query.year):
            continue
        if query.dimension is Dimension.MONEY and factor.currency != query.currency:
            continue
        if factor.basis and query.basis and factor.basis is not query.basis:
            continue
        if factor.region and query.region and factor.region[:2] != query.region[:2]:
            continue
        share = max(overlap(text, name) for text in texts for name in names)
        if share >= _ENOUGH:
            scored.append(Scored(factor, 10 * share, {"own_words": share}))
    if not scored:
        return None
    scored.sort(key=lambda s: (-s.score, -s.factor.data_year, s.factor.source_id))
    rule = Reason("own_factor", "The organization's own factor goes before the library.")
    confidence = text_confidence(scored[0].signals["own_words"], own=True)
    return decided(query, scored[:keep], confidence, thresholds, [rule], [])
