"""A mapping that an organization confirmed once, found again by the headings of a table."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Default

from core.parsing.headings import fold_heading


class RememberedMapping(BaseModel):
    """What an earlier upload's mapping said of a table with these headings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: UUID
    mapping: dict[str, str] = Default(default_factory=dict)
    filename: str | None = None  # of the upload that it was confirmed with
    confirmed_on: dt.date

    def why(self) -> str:
        """Return where a column's field comes from."""
        # not its name: who sees this file may not see the other's project
        return f"remembered from an earlier upload of {self.confirmed_on.isoformat()}"


def signature_of(headings: Sequence[str]) -> str:
    """Return what tables with the same headings in the same order share.

    Capitals, accents, punctuation and empty columns at the end make no difference.
    """
    folded = [fold_heading(text) or " ".join(text.split()).casefold() for text in headings]
    while folded and not folded[-1]:
        folded.pop()
    return hashlib.sha256(json.dumps(folded).encode()).hexdigest()
