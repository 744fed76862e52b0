"""The identity of an activity: rows with the same key share one match.

The fields are compared in NFKC, without capitals and with runs of white space as one space.
Nothing else is folded: reference numbers, places and dates inside a text stay, because a ledger's
"Unit 4" and "Unit 5" may be different things, and a key that merges two activities could carry a
remembered decision to a row it was never made for. Noise costs a match more, never a wrong one.
"""

from __future__ import annotations

import hashlib

from core.normal_form import normal
from core.records import Basis, Dimension

# Changing what goes into a key orphans every remembered decision: then raise this.
_VERSION = "1"


def fold(text: str | None) -> str:
    """Return the form in which texts are compared: NFKC, casefolded, white space as one space."""
    return " ".join(normal("NFKC", text or "").casefold().split())


def activity_key(
    *,
    name: str,
    type: str | None,
    description: str | None,
    dimension: Dimension,
    basis: Basis | None,
    currency: str | None,
    region: str | None,
    year: int | None,
) -> str:
    """Return the sha256 hex of what is matched.

    The unit is in it by dimension only: litres and gallons of the same diesel are one activity.
    """
    parts = (
        _VERSION,
        fold(name),
        fold(type),
        fold(description),
        dimension.value,
        basis.value if basis else "",
        (currency or "").upper(),
        (region or "").upper(),
        str(year) if year is not None else "",
    )
    # The unit separator cannot survive folding, so no two field lists give the same bytes.
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
