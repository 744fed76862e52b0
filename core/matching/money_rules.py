"""Ledger lines that are no activity at all, and lines that do not say what was bought."""

from __future__ import annotations

from functools import cache

from core.matching.decide import NO_CANDIDATE, NOT_AN_EMISSION
from core.matching.lexicon import lexicon
from core.matching.reading import Reading
from core.matching.text import STOP, content_stems, is_code, read_data, words


@cache
def _list(name: str) -> frozenset[str]:
    """Return a list of core/matching/data/ledger_words.csv.

    `no_activity`: one word settles it, unless a `service` in the matter is bought ("payroll
    services"). `vendor`: names and words that say nothing of what was bought. `electricity` is
    always power, `power_bill` beside "power" or "elec" makes it power, `electrical_goods` does not.
    """
    rows = {row["list"]: row["words"] for row in read_data("ledger_words.csv")}
    return frozenset(rows[name].split("|"))


def not_an_emission(reading: Reading, *, money: bool) -> tuple[str, str] | None:
    """Return (reason code, sentence) why a line has no figure by its kind, or None.

    Non-cash entries, taxes, pay, totals and the like; offsets are reported apart.
    """
    tokens = words(reading.query.name)
    told = [t for t in tokens if t not in STOP and not is_code(t)]
    if money and _electricity(reading, told):
        return (
            NO_CANDIDATE,
            "The spend table has no sector for electricity, so money alone gives no figure; "
            "please give the kWh.",
        )
    hits = [h for h in lexicon().find(tokens) if h.facet == "kind" and h.value == "non_emission"]
    if not hits:
        return None
    if not money:
        offsets = any("offset" in h.phrase or "carbon credit" in h.phrase for h in hits)
        sentence = "Offsets are no activity; they are reported apart."
        return (NOT_AN_EMISSION, sentence) if offsets else None
    if _list("service") & set(told):
        return None
    covered = {i for h in hits for i in h.span}
    strong = any(tokens[i] in _list("no_activity") for i in covered)
    share = sum(1 for i in covered if tokens[i] in told) / max(len(told), 1)
    if strong or share >= 0.5 or any(len(h.span) >= 2 for h in hits):
        return (
            NOT_AN_EMISSION,
            "This looks like a booking without an activity (pay, tax, interest, a non-cash entry, "
            "an offset or a total), which has no emission factor.",
        )
    return None


def _electricity(reading: Reading, told: list[str]) -> bool:
    if not reading.has("product", "electricity"):
        return False
    tokens = set(reading.tokens)
    if tokens & _list("electrical_goods"):
        return False
    if set(told) & _list("electricity"):
        return True
    return bool(set(told) & {"power", "elec", "electric", "luz", "electrical"}) and bool(
        tokens & _list("power_bill")
    )


def nothing_but_a_vendor(reading: Reading) -> str | None:
    """Return the sentence why a line does not say what was bought, or None."""
    query = reading.query
    told = [t for t in words(query.name) if t not in STOP and not is_code(t)]
    more = content_stems(f"{query.description or ''} {query.type or ''}", expand=False)
    informative = [t for t in told if t not in _list("vendor")]
    if informative or (more and not set(more) <= set(content_stems(" ".join(_list("vendor"))))):
        return None
    if not told:
        return "The line has no words that tell what was bought."
    return "The line names a vendor or nothing in particular; please say what was bought."
