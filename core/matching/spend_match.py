"""Money lines → sectors of the spend table, many lines at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.factors.editions import covers
from core.matching.candidates import LibraryIndex
from core.matching.confidence import SPEND_TEMPERATURE, SpendEvidence, spend_confidence
from core.matching.decide import NO_CANDIDATE, Scored, decided, held
from core.matching.spend import FEATURES, Array
from core.records import ActivityQuery, Decision, EmissionFactor, Fallback, Reason, Thresholds

_BLOCK = 128  # 128 lines × 1,000 sectors × 12 features: 6 MB
_EXTRA = 0.35  # what description and type weigh beside the name


def match_spend(
    index: LibraryIndex,
    queries: Sequence[ActivityQuery],
    vectors: Array | None,
    thresholds: Thresholds,
    keep: int,
) -> list[Decision]:
    """Rank the sectors for each line; one decision each, in order. `vectors` as embedded below."""
    if not index.spend.factors:
        return [held(q, NO_CANDIDATE, "The library has no factors for money.") for q in queries]
    decisions: list[Decision] = []
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        texts = [_text(q) for q in block]
        part = None if vectors is None else vectors[start : start + _BLOCK]
        scores, features = index.spend.scores(texts, part)
        for row, query in enumerate(block):
            decisions.append(_decide(index, query, scores[row], features[:, row], thresholds, keep))
    return decisions


def _text(query: ActivityQuery) -> str:
    return " ".join(part for part in (query.name, query.description, query.type) if part)


def embedded(index: LibraryIndex, queries: Sequence[ActivityQuery]) -> Array | None:
    """Return a unit vector for each line; None without an embedder or without sectors."""
    if index.embedder is None or not index.spend.factors or not queries:
        return None
    extras = [" ".join(p for p in (q.description, q.type) if p) for q in queries]
    texts = list(dict.fromkeys([q.name for q in queries] + [e for e in extras if e]))
    place = {text: row for row, text in enumerate(texts)}
    all_vectors = index.embedder.embed(texts)
    mixed = np.stack([
        all_vectors[place[q.name]] + (_EXTRA * all_vectors[place[e]] if e else 0.0)
        for q, e in zip(queries, extras, strict=True)
    ]).astype(np.float32)  # fmt: skip
    normalized: Array = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9)
    return normalized


def _decide(
    index: LibraryIndex,
    query: ActivityQuery,
    scores: Array,
    features: Array,
    thresholds: Thresholds,
    keep: int,
) -> Decision:
    factors = index.spend.factors
    usable = index.usable_spend(query.year)
    if not usable.any():
        return held(query, NO_CANDIDATE, "No factor for money is valid for the activity's year.")
    if not usable.all():
        scores = np.where(usable, scores, -np.inf)
    count = min(keep, int(usable.sum()))
    top = np.argpartition(-scores, count - 1)[:count]
    order = sorted(top.tolist(), key=lambda i: (-float(scores[i]), factors[i].source_id))
    spread = (scores - scores.max()) * SPEND_TEMPERATURE
    share = float(1 / np.exp(spread).sum())
    ranked = [
        Scored(
            factors[i],
            float(scores[i]),
            {n: v for n, v in zip(FEATURES, features[:, i].tolist(), strict=True) if v},
        )
        for i in order
    ]
    best = ranked[0].factor
    fallbacks = _fallbacks(query, best)
    lead = ranked[0].score - (ranked[1].score if len(ranked) > 1 else 0.0)
    context = bool(query.type or query.description)
    confidence = spend_confidence(SpendEvidence(lead, share, context))
    rule = Reason("spend_based", "Only money is known, so the spend factor of the sector is used.")
    return decided(query, ranked, confidence, thresholds, [rule], fallbacks)


def _fallbacks(query: ActivityQuery, factor: EmissionFactor) -> list[Fallback]:
    found, region = [], factor.region
    if region and (query.region is None or query.region[:2] != region[:2]):
        found.append(Fallback("region", query.region or "not stated", region))
    if query.year is None or not covers(factor, query.year):
        found.append(Fallback("year", str(query.year or "not stated"), str(factor.data_year)))
    return found
