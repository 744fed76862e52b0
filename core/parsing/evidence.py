"""What the values of whole columns prove: decimal signs, order of day and month, US states.

Collected while the rows stream past, because a sample could miss the one value that decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from core import dates, numbers
from core.numbers import Convention
from core.parsing.report import ParseOptions
from core.parsing.tables import Row
from core.records import Field
from core.regions import holds_us_states, parse_region

_NUMBER_FIELDS = (Field.VOLUME, Field.AMOUNT)
_REGION_VALUES = 1_000  # distinct ones kept, to tell states from countries


class Evidence:
    """Collects what each row proves and decides at the end."""

    def __init__(self, fields: Mapping[Field, int], default_region: str | None) -> None:
        self._watched = [(field, fields[field]) for field in _NUMBER_FIELDS if field in fields]
        self._date_at = fields.get(Field.DATE)
        self._region_at = fields.get(Field.REGION)
        self._default_region = default_region
        # Field → the usual convention of the row's region → how often each one was proved.
        self._numbers: dict[Field, dict[Convention, Counter[Convention]]] = {
            field: {} for field, _ in self._watched
        }
        self._orders: Counter[dates.DateOrder] = Counter()
        self._regions: dict[str, Convention] = {}

    def see(self, row: Row) -> None:
        """Take note of one row of data."""
        cells, width = row.cells, len(row.cells)
        usual = self._usual_convention(cells, width)
        for field, index in self._watched:
            if index >= width or index in row.typed:
                continue
            seen = self._numbers[field].get(usual)
            if seen is None:
                seen = self._numbers[field][usual] = Counter()
            proof = numbers.evidence(cells[index])
            if proof:
                seen[proof] += 1
        if self._date_at is not None and self._date_at < width:
            order = dates.evidence(cells[self._date_at])
            if order:
                self._orders[order] += 1

    def _usual_convention(self, cells: list[str], width: int) -> Convention:
        at = self._region_at
        text = cells[at] if at is not None and at < width else ""
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
        return {field: _decide(groups) for field, groups in self._numbers.items()}

    def date_order(self, options: ParseOptions) -> dates.DateOrder:
        """Return the order of day and month in the column of dates."""
        if options.date_order == "dmy":
            return dates.DateOrder.DAY_FIRST
        if options.date_order == "mdy":
            return dates.DateOrder.MONTH_FIRST
        region = None if self._region_at is not None else self._default_region
        return dates.order_of(self._orders, region=region)

    def us_states(self) -> bool:
        """Tell whether the column of regions holds codes of US states."""
        return holds_us_states(self._regions)


def _decide(groups: Mapping[Convention, Counter[Convention]]) -> dict[Convention, Convention]:
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
