"""What is remembered of texts, and what is not."""

from __future__ import annotations

import pytest

from core import dates, numbers, regions, units
from core.short_cache import LONGEST, short_cache


def test_short_texts_are_read_once_and_long_ones_every_time() -> None:
    asked: list[tuple[str, int]] = []

    @short_cache(10)
    def read(text: str, *, more: int = 0) -> int:
        asked.append((text, more))
        return len(text)

    long = "x" * (LONGEST + 1)
    for _ in range(2):
        assert (read("a"), read("a", more=1), read(long)) == (1, 1, LONGEST + 1)
    assert asked == [("a", 0), ("a", 1), (long, 0), (long, 0)]


@pytest.mark.parametrize(
    "read", [numbers.read_number, dates.read_date, regions.parse_region, units.parse_unit]
)
def test_long_cells_leave_nothing_behind(read) -> None:
    [remembered] = [cell.cell_contents for cell in read.__closure__ if _is_cache(cell)]
    before = remembered.cache_info().currsize
    for number in range(50):
        read(f"{number} " + "long " * LONGEST)
    assert remembered.cache_info().currsize == before


def _is_cache(cell: object) -> bool:
    return hasattr(getattr(cell, "cell_contents", None), "cache_info")
