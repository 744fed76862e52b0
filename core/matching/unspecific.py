"""Money lines in the words of bookkeeping: what is left of them when those are taken away.

"Payments to external contractors", "Fixed assets", "Equipment", "Stock purchases" name a way of
booking and no product. Likeness alone finds a sector for each of them: apparel contractors, bolts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.matching.decide import PRODUCT_UNKNOWN
from core.matching.ledger_words import listed, told_words
from core.matching.money_rules import tells
from core.matching.reading import Reading
from core.matching.spend import entry_texts
from core.matching.text import content_stems, words
from core.records import ActivityQuery, Decision, EmissionFactor, Outcome, Reason, Thresholds

_DOUBT = 0.6  # what is left of a confidence that rests on an account or on one ambiguous word
_FARMS = "11"  # agriculture, forestry, fishing: few buy there, but brands are named after fruit
_OWED = "This is an account of what is owed, not of what was bought; please say what was bought."
_BOOKKEEPING = "These are words of bookkeeping; please say what was bought."
_BY_ACCOUNT = Reason(
    PRODUCT_UNKNOWN,
    "The line's name is words of bookkeeping, so what stands beside it decided; please check.",
)
_RECHARGED = Reason(
    PRODUCT_UNKNOWN,
    "The line is charged on from elsewhere, and few words tell what was bought; please check.",
)
_ONE_WORD = Reason(
    PRODUCT_UNKNOWN,
    "One word decided that may be a name and no product; please check.",
)


@dataclass(frozen=True, slots=True)
class Purchase:
    """What of a money line is compared with the sectors, and what is doubtful of it."""

    query: ActivityQuery
    doubt: Reason | None = None  # why the words that are left tell little


def purchase_of(reading: Reading) -> Purchase | str:
    """Return what was bought as far as the line tells, or the sentence why it does not."""
    query = reading.query
    told = told_words(words(query.name))
    if set(told) & listed("owed") and not set(told) & listed("service"):
        return _OWED
    empty = listed("bookkeeping") | listed("vendor") | listed("filler")
    if told and set(told) & listed("bookkeeping") and set(told) <= empty:
        beside = " ".join(part for part in (query.description, query.type) if part)
        if not any(tells(word) for word in told_words(words(beside)) if word not in empty):
            return _BOOKKEEPING
        return Purchase(replace(query, name=beside, description=None, type=None), _BY_ACCOUNT)
    recharged = set(told) & listed("recharged")
    if recharged and not set(told) & listed("rechargeable_goods"):
        # Charged on to another department, which tells nothing of what it was.
        kept = " ".join(word for word in words(query.name) if word not in recharged)
        return Purchase(replace(query, name=kept), _RECHARGED)
    return Purchase(query)


def doubted(
    purchase: Purchase, best: EmissionFactor, decision: Decision, thresholds: Thresholds
) -> Decision:
    """Take back confidence where no product was named, or where one word may be a name."""
    if purchase.doubt is not None:
        return _less_sure(decision, purchase.doubt, thresholds)
    if _may_be_a_name(purchase.query, best):
        return _less_sure(decision, _ONE_WORD, thresholds)
    return decision


def _may_be_a_name(query: ActivityQuery, best: EmissionFactor) -> bool:
    told = set(told_words(words(query.name))) - listed("form") - listed("vendor")
    alone = not (query.description or query.type)
    if alone and len(told) == 1 and told <= listed("ambiguous"):
        return True
    if not best.source_id.startswith(_FARMS):
        return False
    of_sector = {s for text in entry_texts(best) for s in content_stems(text, expand=False)}
    beside = f"{query.name} {query.description or ''} {query.type or ''}"
    return len(set(content_stems(beside, expand=False)) & of_sector) <= 1


def _less_sure(decision: Decision, reason: Reason, thresholds: Thresholds) -> Decision:
    if decision.outcome is Outcome.HELD:
        return replace(decision, reasons=(reason, *decision.reasons))
    confidence = round(decision.confidence * _DOUBT, 4)
    if confidence < thresholds.hold_below:
        return replace(
            decision, outcome=Outcome.HELD, factor_id=None, confidence=0.0,
            reasons=(reason, *decision.reasons), fallbacks=(),
        )  # fmt: skip
    return replace(
        decision, outcome=Outcome.FLAGGED, confidence=confidence,
        reasons=(reason, *(r for r in decision.reasons if r.code != "matched")),
    )  # fmt: skip
