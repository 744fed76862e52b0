"""Thousands and millions of money, as headings and the lines above a table state them.

"Spend (£000)", "Betrag in TEUR", "All figures in thousands of EUR": read as single pounds or euros,
a ledger would come to a thousandth of its emissions.
"""

from __future__ import annotations

import re
from typing import Literal

from core.money import ISO_4217
from core.short_cache import short_cache

Scale = Literal["", "thousand", "million"]
PREFIXES: dict[Scale, str] = {"": "", "thousand": "k", "million": "M"}  # of the codes of core.units

_CODES = "|".join(sorted(ISO_4217))
_MONEY = rf"(?:(?:US|AU|CA)?[€£$]|(?:{_CODES})\b|(?i:euros?|dollars?|pounds?|sterling)\b)"
_THOUSANDS = r"(?i:thousands?\b|tsd\b\.?|tausend\b|milliers?\b|miles\s+de\b)"
_MILLIONS = r"(?i:millions?\b|mio\b\.?|millionen\b|millones\b)"
_OF = r"(?:\s*(?:\b(?:of|de|an)\b|d['’]))?"
_ZEROS = r"['’]?000['’]?s?(?![\d.,])"
# Not behind a number: "over 25 thousand euros" says what is listed, not how.
_ALONE = r"(?<![\d.,])(?<!\d )"


def _pattern(words: str, before: str, after: str) -> re.Pattern[str]:
    return re.compile(
        rf"\b(?i:in|en)\s+{words}|{_ALONE}\b{words}{_OF}\s*{_MONEY}|{_MONEY}\s*{words}|"
        rf"\b{before}(?:[€£$]|(?:{_CODES})\b)|{_MONEY}\s*{after}"
    )


_STATED: dict[Scale, re.Pattern[str]] = {
    "thousand": _pattern(_THOUSANDS, "[kKT]", rf"(?:k\b|{_ZEROS})"),
    "million": _pattern(_MILLIONS, "M", r"(?:mn?|mm|M)\b"),
}
_ZEROS_STATED = re.compile(rf"\b(?i:in|en)\s+1?[.,' ]?{_ZEROS}|{_ALONE}{_ZEROS}\s*{_MONEY}|['’]000")
_NO_NAME = r"(?!\s+[A-Z])"  # "Thousand Oaks" is a place
# Where only the scale can be meant: in the heading of a column of money.
_BARE: dict[Scale, re.Pattern[str]] = {
    "thousand": re.compile(rf"\b{_THOUSANDS}{_NO_NAME}|(?<![\w.,]){_ZEROS}|(?<=[(\[])k(?=[)\]])"),
    "million": re.compile(rf"\b{_MILLIONS}{_NO_NAME}"),
}
_PREFIXED = re.compile(rf"\b[kKTM](?=(?:{_CODES})\b)")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


@short_cache(4096)
def scale_of_heading(heading: str) -> Scale:
    """Return in what the cells of a column of money are counted, "" for single units."""
    return _only({s for s, bare in _BARE.items() if bare.search(heading)} | _stated(heading))


@short_cache(4096)
def scale_of_line(line: str) -> Scale:
    """Return what a line above a table says of its amounts; "" where it holds figures itself."""
    found = _stated(line)
    rest = _YEAR.sub("", _ZEROS_STATED.sub("", line))
    for pattern in _STATED.values():
        rest = pattern.sub("", rest)
    return "" if re.search(r"\d", rest) else _only(found)


def unscaled(text: str) -> str:
    """Return a text with "EUR" for each "TEUR" and "kEUR"."""
    return _PREFIXED.sub("", text)


def _stated(text: str) -> set[Scale]:
    found = {scale for scale, pattern in _STATED.items() if pattern.search(text)}
    return found | ({"thousand"} if _ZEROS_STATED.search(text) else set())


def _only(found: set[Scale]) -> Scale:
    return found.pop() if len(found) == 1 else ""
