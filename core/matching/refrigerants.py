"""Names of refrigerants and other gases: "R-410A", "HFC134a", "404A", "SF6" → one code."""

from __future__ import annotations

import re

_PREFIXED = re.compile(
    r"(?<![a-z0-9])(r|hfc|hcfc|cfc|hfo|pfc|hfe|halon)[\s-]?(\d{2,4}(?:-\d{1,2}){0,2})"
    r"(\s[a-f]|[a-z]{0,5}\d{0,3})(?![a-z0-9])"
)
_BARE = re.compile(r"(?<![a-z0-9-])(\d{3,4}[a-z]{1,2})(?![a-z0-9])")
_NAMED = (
    (r"\bsf6\b|sul(?:ph|f)ur hexafluoride|schwefelhexafluorid", "SF6"),
    (r"\bnf3\b|nitrogen trifluoride", "NF3"),
    (r"\bn2o\b|nitrous oxide|lachgas|entonox", "N2O"),
    (r"\bch4\b|\bmethane\b", "CH4"),
    (r"\bco2\b|carbon dioxide|r[ -]?744\b", "CO2"),
    (r"perfluoromethane", "PFC14"),
    (r"perfluoroethane", "PFC116"),
    (r"isobutane", "600A"),
)
# Older series share the plain number (R22 = HCFC-22); these do not.
_OWN_SERIES = {"hfe": "HFE", "pfc": "PFC", "halon": "HALON"}


def codes(text: str) -> tuple[str, ...]:
    """Return the codes in a publisher's name: "CFC-12/R12 = …" → ("12",)."""
    return _find(text, bare=False)


def codes_in_query(text: str, *, in_context: bool) -> tuple[str, ...]:
    """Return the codes in an activity; bare numbers ("404A") count only in context."""
    found = _find(text, bare=in_context)
    if not in_context:  # "CO2" and "methane" also stand in texts on other things
        return tuple(code for code in found if code not in ("CO2", "CH4", "N2O"))
    return found


def _find(text: str, *, bare: bool) -> tuple[str, ...]:
    folded = text.casefold().replace("–", "-")
    found: list[str] = []
    for prefix, digits, letters in _PREFIXED.findall(folded):
        found.append(
            _OWN_SERIES.get(prefix, "") + digits.replace("-", "") + letters.strip().upper()
        )
    if bare:
        found += [code.upper() for code in _BARE.findall(folded)]
    for pattern, code in _NAMED:
        if re.search(pattern, folded):
            found.append(code)
    return tuple(dict.fromkeys(found))
