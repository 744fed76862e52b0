"""Which passwords may be set (NIST SP 800-63B-4): long, and not among those that are tried first.

No rules of composition. What is compared is the whole password and not its parts: it is refused
when nothing else is in it than common words, what an attacker knows of the person, runs of the
keyboard and a few digits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum

SHORTEST = 15  # characters, where the password is the only factor
LONGEST_BYTES = 1024  # of what is hashed: more only costs time
FEWEST_DISTINCT = 5
SHORTEST_PERIOD = 8  # "abcabcabc…" is as good as "abc"
LONGEST_DIGITS = 8  # a date or a counter beside words; more digits may be a real secret
SHORTEST_RUN = 4
SHORTEST_WORD = 3

# Of what leaked lists begin with in six languages, the words; their usual tails are covered above.
_COMMON = """
    password passwort kennwort motdepasse contrasena senha wachtwoord haslo parola pass passphrase
    passwd passw word secret geheim hallo hello welcome willkommen bienvenue letmein login admin
    administrator root user guest test testing default changeme change please let me in my is the
    iloveyou love you god monkey dragon master shadow sunshine princess football baseball soccer
    superman batman pokemon starwars trustno computer internet google facebook microsoft apple
    samsung michael jordan charlie daniel thomas jessica ashley summer winter spring autumn herbst
    sommer january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday correct horse battery staple company
    organization organisation carbon climate emission emissions footprint tonnage demo example
    """
COMMON = frozenset(_COMMON.split())
_ROWS = (
    "0123456789012345678901234567890", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
    "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiop", "yxcvbnm",
    "azertyuiop", "qsdfghjklm", "wxcvbn", "1q2w3e4r5t6y7u8i9o0p", "qazwsxedcrfvtgbyhnujmikolp",
)  # fmt: skip
ROWS = (*_ROWS, *(row[::-1] for row in _ROWS))
LOOKALIKES = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t",
                            "@": "a", "$": "s", "!": "i"})  # fmt: skip

SIGNS = str.maketrans({"@": "a", "$": "s", "!": "i"})


class Weakness(StrEnum):
    """Why a password is refused."""

    TOO_SHORT = "password_too_short"
    TOO_LONG = "password_too_long"
    GUESSABLE = "password_guessable"


SENTENCES = {
    Weakness.TOO_SHORT: f"use at least {SHORTEST} characters; several words are easy to remember",
    Weakness.TOO_LONG: f"use at most {LONGEST_BYTES} bytes",
    Weakness.GUESSABLE: "is among what is tried first: common words, your names, keyboard runs",
}


def weakness_of(password: str, known: Iterable[str] = ()) -> Weakness | None:
    """Return why a password may not be set, or None.

    `known` is what others know of the person: mail address, names, organizations.
    """
    normal = unicodedata.normalize("NFKC", password)
    if len(normal) < SHORTEST:
        return Weakness.TOO_SHORT
    if len(normal.encode()) > LONGEST_BYTES:
        return Weakness.TOO_LONG
    words = COMMON | _words(known)
    folded = normal.casefold()
    within = re.sub(r"(?<=[a-z@$!])[0-9](?=[a-z])", lambda m: m[0].translate(LOOKALIKES), folded)
    forms = {
        _squashed(folded),
        _squashed(folded.translate(LOOKALIKES)),
        _squashed(within.translate(SIGNS)),
    }
    return Weakness.GUESSABLE if any(_guessable(form, words) for form in forms) else None


def _squashed(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def _words(known: Iterable[str]) -> frozenset[str]:
    """Return the names and their parts, as they stand in a squashed password."""
    found: set[str] = set()
    for name in known:
        folded = unicodedata.normalize("NFKC", name).casefold()
        found |= {_squashed(folded), *re.findall(r"[^\W_]+", folded)}
    return frozenset(word for word in found if len(word) >= SHORTEST_WORD)


def _guessable(text: str, words: frozenset[str]) -> bool:
    """Tell whether a squashed password is nothing but repetition, words, runs and few digits."""
    if len(set(text)) < FEWEST_DISTINCT:
        return True
    period = (text + text).find(text, 1)
    return period < min(SHORTEST_PERIOD, len(text)) or _covered(text, words)


def _covered(text: str, words: frozenset[str]) -> bool:
    lengths = sorted({len(word) for word in words})
    reached = [True] + [False] * len(text)
    for start in range(len(text)):
        if not reached[start]:
            continue
        for length in lengths:
            if text[start : start + length] in words and start + length <= len(text):
                reached[start + length] = True
        for end in _runs(text, start):
            reached[end] = True
    return reached[-1]


def _runs(text: str, start: int) -> Iterable[int]:
    """Yield where keyboard runs, repeated characters and short numbers from `start` on may end."""
    for end in range(start + SHORTEST_RUN, min(len(text), start + 52) + 1):
        piece = text[start:end]
        if any(piece in row for row in ROWS) or len(set(piece)) == 1:
            yield end
        else:
            break
    if (start == 0 or not text[start - 1].isdigit()) and text[start].isdigit():
        number = re.match(r"\d+", text[start:])
        if number and len(number.group()) <= LONGEST_DIGITS:
            yield start + number.end()
