"""An exchange rate that a line states itself: "ledger rate 1 GBP = 1.2400 USD"."""

from __future__ import annotations

import re

from core.activity_key import fold
from core.records import ActivityRow


def stated_rate(row: ActivityRow, own: str, target: str) -> float | None:
    """Return what one `own` is in `target` by the row's texts, None where they do not say.

    The texts are read as activities are told apart, without capitals: rows of one activity are
    decided together, so they must state the same.
    """
    text = " ".join(filter(None, (row.activity_description, row.activity_name)))
    if "=" not in text and text.isascii():
        return None
    own, target = re.escape(own.casefold()), re.escape(target.casefold())
    found = re.search(
        rf"\b1(?:\.0+)?\s*{own}\s*=\s*(\d{{1,20}}(?:\.\d{{1,20}})?)\s*{target}\b", fold(text)
    )
    rate = float(found.group(1)) if found else 0.0
    return rate if rate > 0 else None
