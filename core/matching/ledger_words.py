"""The words of ledgers, by lists: core/matching/data/ledger_words.csv."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from core.matching.text import STOP, is_code, read_data


@cache
def table() -> dict[str, tuple[str, ...]]:
    """Return the lists of core/matching/data/ledger_words.csv.

    Of the line's name: `settles`: phrases that no purchase has, unless a `service` in the matter
    is bought ("payroll services"). `entry`: words that settle it where nothing but `filler` stands
    beside them, `mostly`: where they are half of the line. One word of each of `debt` and
    `debt_moved`, `income` and `income_came`, `moved` and `moved_between` settle it together.
    `=word`: short forms of it, in ledgers alone.

    Of the account (activity_type): `account_settles`: names of accounts that hold no purchases.
    `account` and `codes:XX` (numbers of the country's chart begin so): accounts that hold few,
    which need a word of `supports` in the name and none of `fee`.

    Of vendors: `vendor`: names and words that say nothing of what was bought; `form` and
    `processor`: what stands behind or before the name of a firm, `generic`: words of such names.
    `ambiguous`: names of firms that are words of goods too.

    `bookkeeping`: ways of booking and buying, and goods in general: alone they name no product.
    `owed`: of accounts of what is owed. `rates_of`: beside "rates" they make it a tax on premises.
    `recharged`: charged on, unless one of `rechargeable_goods` is bought.

    `electricity` is always power, `power_bill` beside "power" or "elec" makes it power,
    `electrical_goods` does not.
    """
    return {row["list"]: tuple(row["words"].split("|")) for row in read_data("ledger_words.csv")}


@cache
def listed(name: str) -> frozenset[str]:
    """Return the words of one list."""
    return frozenset(table()[name])


def told_words(tokens: Iterable[str]) -> list[str]:
    """Return the words that are no stop words, sizes or part numbers."""
    return [token for token in tokens if token not in STOP and not is_code(token)]
