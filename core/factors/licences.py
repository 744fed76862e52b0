"""Licences: which figures may be shipped, and which pass their terms on."""

from __future__ import annotations

import re

_SHARE_ALIKE = re.compile(
    r"\bBY(?:-NC)?-SA\b|share[ -]?alike|\bODbL\b|\bcopyleft\b|\bGPL\b", re.IGNORECASE
)
_SHIPPABLE = re.compile(
    r"open government licence|\bOGL\b|public domain|\bCC0\b|\bPDDL\b", re.IGNORECASE
)


def is_share_alike(licence: str) -> bool:
    """Tell whether a licence asks that what contains the figures is shared alike."""
    return bool(_SHARE_ALIKE.search(licence))


def may_ship(licence: str) -> bool:
    """Tell whether figures under a licence may be part of the project (domain.md §9)."""
    return bool(_SHIPPABLE.search(licence)) and not is_share_alike(licence)
