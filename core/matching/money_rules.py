"""Ledger lines that are no activity at all, and lines that do not say what was bought."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from core.matching.decide import NO_CANDIDATE, NOT_AN_EMISSION
from core.matching.energy_money import waits_for_kwh
from core.matching.ledger_words import listed, table, told_words
from core.matching.lexicon import Lexicon, lexicon
from core.matching.reading import Reading
from core.matching.spend import everyday_terms
from core.matching.text import content_stems, plain, stem, words

_PAIRS = (("debt", "debt_moved"), ("income", "income_came"), ("moved", "moved_between"))
_TELLING = 5  # letters of a known word that a longer one may hide: "Gebäudereinigung"
_NO_EMISSION = (
    "This looks like a booking without an activity (pay, tax, interest, a non-cash entry, "
    "an offset or a total), which has no emission factor."
)


@cache
def _ledger() -> Lexicon:
    return Lexicon([(name, name, "|".join(table()[name])) for name in ("settles", "entry")])


@cache
def _shorts() -> dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]]:
    """Return first word → (words of a short form, what it stands for), longest first."""
    found: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for name, forms in table().items():
        if name.startswith("="):
            for form in forms:
                short = tuple(form.split())
                found.setdefault(short[0], []).append((short, tuple(name[1:].split())))
    for choices in found.values():
        choices.sort(key=lambda choice: -len(choice[0]))
    return found


def _written_out(tokens: list[str]) -> list[str]:
    """Write out the short forms of ledgers: "loan repmt" → "loan repayment"."""
    out: list[str] = []
    place = 0
    while place < len(tokens):
        for short, full in _shorts().get(tokens[place], ()):
            if tuple(tokens[place : place + len(short)]) == short:
                out.extend(full)
                place += len(short)
                break
        else:
            out.append(tokens[place])
            place += 1
    return out


def not_an_emission(reading: Reading, *, money: bool) -> tuple[str, str] | None:
    """Return (reason code, sentence) why a line has no figure by its kind, or None.

    Non-cash entries, taxes, pay, totals and the like; offsets are reported apart.
    """
    if not money:
        found = lexicon().find(words(reading.query.name))
        phrases = [h.phrase for h in found if h.facet == "kind" and h.value == "non_emission"]
        if any("offset" in phrase or "carbon credit" in phrase for phrase in phrases):
            return NOT_AN_EMISSION, "Offsets are no activity; they are reported apart."
        return None
    waits = waits_for_kwh(reading)
    if waits is not None:
        return NO_CANDIDATE, waits
    return (NOT_AN_EMISSION, _NO_EMISSION) if _booking(reading) else None


def _booking(reading: Reading) -> bool:
    """Tell whether a money line books something that nobody bought."""
    tokens = _written_out(words(reading.query.name))
    hits = _ledger().find(tokens)
    settled = {place for hit in hits if hit.facet == "settles" for place in hit.span}
    told = told_words(tokens)
    others = set(told_words(token for place, token in enumerate(tokens) if place not in settled))
    if others & listed("service"):
        return False
    if settled or any(_pair(told, *pair) for pair in _PAIRS):
        return True
    entries = {tokens[place] for hit in hits for place in hit.span}
    if entries and set(told) <= entries | listed("filler"):
        return True
    if "rates" in entries and set(told) <= entries | listed("filler") | listed("rates_of"):
        return True  # the British tax on premises
    mostly = sum(token in listed("mostly") for token in told)
    if mostly and mostly >= len(told) / 2:
        return True
    return _accounttells(reading, told, bool(entries) or bool(mostly))


def _pair(told: Collection[str], one: str, other: str) -> bool:
    """Tell whether a word of each list stands in a line, and not the same one."""
    first, second = set(told) & listed(one), set(told) & listed(other)
    return bool(first) and bool(second) and len(first | second) > 1


def _accounttells(reading: Reading, told: list[str], hinted: bool) -> bool:
    """Tell whether the account that a line stands in makes it no purchase."""
    query = reading.query
    account = words(query.type or "")
    if not account or set(told) & listed("fee"):
        return False
    name = " ".join(told_words(account))
    if " ".join(account) in listed("account_settles") or name in listed("account_settles"):
        return True
    numbers = table().get(f"codes:{(query.region or '')[:2]}", ())
    numbered = len(account[0]) >= 3 and account[0].isdigit() and account[0].startswith(numbers)
    if not numbered and not (name and set(name.split()) <= listed("account")):
        return False
    return hinted or not told or bool(set(told) & listed("supports"))


def nothing_but_a_vendor(reading: Reading) -> str | None:
    """Return the sentence why a line does not say what was bought, or None."""
    query = reading.query
    told = told_words(words(query.name))
    more = content_stems(f"{query.description or ''} {query.type or ''}", expand=False)
    nothing = set(content_stems(" ".join(listed("vendor")), expand=False))
    informative = [token for token in told if token not in listed("vendor")]
    if informative and _names_a_firm(query.name):
        informative = [token for token in informative if tells(token)]
        if set(informative) <= listed("ambiguous"):
            informative = []
    if informative or not set(more) <= nothing:
        return None
    if not told:
        return "The line has no words that tell what was bought."
    return "The line names a vendor or nothing in particular; please say what was bought."


def _names_a_firm(name: str) -> bool:
    """Tell whether a name has the form of a firm's: "Smith & Sons Ltd", "SQ *JOES"."""
    tokens = words(name)
    if any(token in listed("form") for token in tokens[1:]):
        return True
    before, star, _ = name.partition("*")
    return bool(star) and plain(before) in listed("processor")


@cache
def _known() -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the stems of what can be bought, and the words long enough to hide in others."""
    found = {w for terms in everyday_terms().values() for term in terms for w in words(term)}
    found |= lexicon().vocabulary
    found -= listed("form") | listed("generic") | listed("vendor")
    long = sorted(w for w in found if len(w) >= _TELLING and w.isalpha())
    return frozenset(stem(w) for w in found), tuple(long)


def tells(token: str) -> bool:
    """Tell whether a word says what is sold, of a firm's name or an account's."""
    if token in listed("form") or token in listed("generic") or token in listed("processor"):
        return False
    stems, long = _known()
    if stem(token) in stems:
        return True
    return len(token) > _TELLING and any(token.startswith(w) or token.endswith(w) for w in long)
