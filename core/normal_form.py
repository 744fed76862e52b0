"""Unicode's normal forms, of texts that strangers wrote.

To normalize sorts each run of combining marks, in a time that grows with the square of its length:
32,000 marks in one cell take seconds, in which no other thread of the process gets on. UAX #15
(stream-safe text) knows of no language that needs more than thirty; what is beyond is dropped.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

MOST_MARKS = 30  # in a run
# These count as letters and become marks only when they are taken apart.
_HIDDEN = re.compile("[\u0f73\u0f75\u0f81\uff9e\uff9f]")
_RUN = re.compile(rb"[^\0]{%d,}" % (MOST_MARKS + 1))


def normal(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """Return the normal form of `text`, of which no run of combining marks is endless."""
    if len(text) > MOST_MARKS and not text.isascii():
        text = _without_endless_runs(text)
    return unicodedata.normalize(form, text)


def _without_endless_runs(text: str) -> str:
    classes = bytes(map(unicodedata.combining, _HIDDEN.sub("\u0301", text)))  # 0: no mark
    kept, at = [], 0
    for run in _RUN.finditer(classes):
        kept.append(text[at : run.start() + MOST_MARKS])
        at = run.end()
    return "".join([*kept, text[at:]])
