"""The US consumer price index: brings dollars of one year to the prices of another.

Annual averages of CPI-U, all items, US city average, 1982-84 = 100 (series CUUR0000SA0), US Bureau
of Labor Statistics, public domain; core/factors/data/us_cpi_u.csv. The spend factors are in the
purchaser prices of one year, and ledgers are in the prices of theirs.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

SOURCE = "US Bureau of Labor Statistics, CPI-U, all items, annual average (CUUR0000SA0)"


@cache
def _table() -> dict[int, float]:
    text = (resources.files("core.factors") / "data" / "us_cpi_u.csv").read_text("utf-8")
    return {int(r["year"]): float(r["index"]) for r in csv.DictReader(text.splitlines())}


def index_of(year: int) -> tuple[float, int] | None:
    """Return (index, the year it is of) for a year.

    A year after the last published one takes the last published, which the caller discloses; a
    year before the table is None.
    """
    table = _table()
    if year in table:
        return table[year], year
    last = max(table)
    return (table[last], last) if year > last else None
