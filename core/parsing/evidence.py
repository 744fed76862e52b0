"""What the values of whole columns prove: decimal signs, order of day and month, US states.

Collected while the rows stream past, because a sample could miss the one value that decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core import dates, numbers
from core.money import country_of
from core.numbers import Convention
from core.parsing.block import Mask, Numbers
from core.parsing.report import ParseOptions
from core.records import Field
from core.regions import calls_states, holds_us_states, parse_region

_NUMBER_FIELDS = (Field.VOLUME, Field.AMOUNT)
_REGION_VALUES = 1_000  # distinct ones kept, to tell states from countries
_PLACE = {convention: at for at, convention in enumerate(Convention)}
_EITHER = 2  # conventions, or orders, of which one is proved: more texts change nothing
_FEW = 64  # texts that are read before those that cannot tell more are left out

# What a text of this form proves at most: nothing, or one convention and never the other.
NOTHING = r"^[+-]?(?:[0-9]*|[1-9][0-9]{0,2}[.,][0-9]{3})$"
_POINT_AT_MOST = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|[0-9]{1,3}(?:,[0-9]{3})*\.[0-9]+)$"
_COMMA_AT_MOST = r"^[+-]?(?:[0-9]+(?:,[0-9]*)?|[0-9]{1,3}(?:\.[0-9]{3})*,[0-9]+)$"
AT_MOST = {Convention.POINT: _POINT_AT_MOST, Convention.COMMA: _COMMA_AT_MOST}
_YEAR_FIRST = r"^[0-9]{4}"  # dates that say which number is the day


class Evidence:
    """Collects what each row proves and decides at the end."""

    def __init__(self, fields: Mapping[Field, int], default_region: str | None) -> None:
        self._default_region = default_region
        # Field → the usual convention of the row's region → which ones were proved, if not how
        # often: whoever decides only asks whether.
        self._numbers: dict[Field, dict[Convention, Counter[Convention]]] = {
            field: {} for field in _NUMBER_FIELDS if field in fields
        }
        self._orders: Counter[dates.DateOrder] = Counter()
        self._regions: dict[str, Convention] = {}

    def see(
        self,
        texts: Mapping[Field, Any],
        data: Mask | None = None,
        typed: Mapping[Field, Mask] | None = None,
    ) -> None:
        """Take note of many rows: columns of texts, null where a row is too short.

        Only rows of `data` count, where given; no number is read that was held as one (`typed`).
        """
        count = len(next(iter(texts.values())))
        seen = np.full(count, True) if data is None else data
        usual = self._usual_conventions(texts.get(Field.REGION), seen)
        for field in self._numbers:
            column = texts[field]
            counted = seen & column.is_valid().to_numpy(zero_copy_only=False)
            if typed and field in typed:
                counted &= ~typed[field]
            for at, convention in enumerate(Convention):
                rows = counted & (usual == at)
                if rows.any():
                    proofs = self._numbers[field].setdefault(convention, Counter())
                    _prove(proofs, column if rows.all() else column.filter(pa.array(rows)))
        if Field.DATE in texts and len(self._orders) < _EITHER:
            column = texts[Field.DATE] if data is None else texts[Field.DATE].filter(pa.array(data))
            self._orders.update(filter(None, map(dates.evidence, distinct(column, _YEAR_FIRST))))

    def _usual_conventions(self, column: Any, seen: Mask) -> Numbers:
        """Return for each row the place, in Convention, of the one that is usual in its region."""
        if column is None:
            return np.full(len(seen), _PLACE[self._usual_convention("")])
        encoded = pc.fill_null(column, "").filter(pa.array(seen)).dictionary_encode()
        usual = [_PLACE[self._usual_convention(text)] for text in encoded.dictionary.to_pylist()]
        found = np.zeros(len(seen), np.int64)
        found[seen] = np.array(usual, np.int64)[encoded.indices.to_numpy(zero_copy_only=False)]
        return found

    def _usual_convention(self, text: str) -> Convention:
        usual = self._regions.get(text)
        if usual is None:
            found = parse_region(text) if text else self._default_region
            usual = numbers.region_convention(found if isinstance(found, str) else None)
            if len(self._regions) < _REGION_VALUES:
                self._regions[text] = usual
        return usual

    def decimals(self, options: ParseOptions) -> dict[Field, dict[Convention, Convention]]:
        """Return, for each column of numbers and each usual convention of a region, the decision.

        Values decide over regions, but only among rows of regions that usually write alike: a
        German "96.400" does not become 96.4 because British rows hold decimal points.
        """
        if options.decimal_separator:
            forced = Convention.POINT if options.decimal_separator == "." else Convention.COMMA
            return {field: dict.fromkeys(Convention, forced) for field in self._numbers}
        return {field: decide(groups) for field, groups in self._numbers.items()}

    def date_order(self, options: ParseOptions) -> dates.DateOrder:
        """Return the order of day and month in the column of dates, as told or proved.

        What neither says is left to the region of each row.
        """
        if options.date_order == "dmy":
            return dates.DateOrder.DAY_FIRST
        if options.date_order == "mdy":
            return dates.DateOrder.MONTH_FIRST
        return dates.order_of(self._orders)

    def us_states(self, heading: str) -> bool:
        """Tell whether the column of regions, with this heading, holds codes of US states."""
        called = calls_states(heading, country_of(self._default_region))
        return holds_us_states(self._regions, called_states=called)


def decide(groups: Mapping[Convention, Counter[Convention]]) -> dict[Convention, Convention]:
    """Decide how the numbers of each usual convention are read, from what was proved among them."""
    together: Counter[Convention] = sum(groups.values(), Counter())
    overall = numbers.convention_of(together)
    mixed = Convention.POINT in groups and Convention.COMMA in groups
    decided: dict[Convention, Convention] = {}
    for usual in Convention:
        own = numbers.convention_of(groups.get(usual, Counter()))
        if own is Convention.BY_REGION and not groups.get(usual):
            own = usual if mixed and usual is not Convention.BY_REGION else overall
        decided[usual] = own
    return decided


def _prove(seen: Counter[Convention], texts: Any) -> None:
    """Add what the texts prove; numbers.evidence reads only those that may tell something new."""
    few = texts.slice(0, _FEW).to_pylist() if not seen else []
    seen.update(filter(None, map(numbers.evidence, few)))
    if len(seen) < _EITHER:
        known = next(iter(seen), None)
        pattern = AT_MOST[known] if known else NOTHING
        seen.update(filter(None, map(numbers.evidence, distinct(texts, pattern))))


def distinct(texts: Any, pattern: str) -> list[str]:
    """Return the different texts that do not have this form."""
    other = texts.filter(pc.invert(pc.match_substring_regex(texts, pattern)))
    found: list[str] = other.drop_null().unique().to_pylist()
    return found
