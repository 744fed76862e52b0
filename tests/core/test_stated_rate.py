"""A line's own exchange rate: read as activities are told apart, so that one activity has one."""

from __future__ import annotations

import pytest

from core.activity_key import activity_key
from core.calculation import Calculation, calculate
from core.records import ActivityRow
from core.stated_rate import stated_rate
from tests.core.test_calculation import DECISION, LEGAL, factor, row


def line(text: str, **changes: object) -> ActivityRow:
    return row("Legal", 100, "GBP", activity_description=text, year=None, **changes)


def key_of(one: ActivityRow) -> str:
    return activity_key(
        name=one.activity_name, type=one.activity_type, description=one.activity_description,
        dimension=one.dimension, basis=one.basis, currency=one.currency, region=one.region,
        year=one.year,
    )  # fmt: skip


SPELLINGS = [
    "ledger rate 1 GBP = 1.2400 USD",
    "ledger rate 1 gbp = 1.2400 usd",
    "LEDGER  RATE 1 Gbp =\t1.2400 Usd",
    "ledger rate １ GBP ＝ 1.2400 ＵＳＤ",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_every_spelling_of_one_activity_states_the_same_rate(text: str) -> None:
    assert key_of(line(text)) == key_of(line(SPELLINGS[0]))
    made = calculate(line(text), factor(*LEGAL), DECISION, None)
    assert isinstance(made, Calculation)
    # 100 GBP x 1.24 = 124 USD, x 0.041 kg = 5.084
    assert made.emission_kg == pytest.approx(5.084, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["1 GBP = 1.24 EUR", "1 EUR = 1.24 USD", "1 GBP = 0 USD", "21 GBP = 3 USD", "GBP USD",
     "1 GBP = " + "9" * 400 + " USD", ""],
)  # fmt: skip
def test_other_texts_state_no_rate(text: str) -> None:
    assert stated_rate(line(text), "GBP", "USD") is None
