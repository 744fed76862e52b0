"""Money lines in the words of bookkeeping, and words that may be names."""

from __future__ import annotations

import pytest

from core.factors.library import load_release
from core.matching.candidates import LibraryIndex
from core.matching.matcher import OfflineMatcher
from core.records import ActivityQuery, Decision, Outcome, Thresholds
from core.units import unit

ALWAYS = Thresholds(review_below=0.0, hold_below=0.0)


@pytest.fixture(scope="module")
def matcher() -> OfflineMatcher:
    factors = load_release("epa-supply-chain-1.3").factors
    return OfflineMatcher(LibraryIndex.build(factors))  # without an embedder: words alone


def decide(matcher: OfflineMatcher, line: str, thresholds: Thresholds = ALWAYS) -> Decision:
    """Decide a line written as "name | account"."""
    name, _, account = (part.strip() for part in line.partition("|"))
    money = unit("GBP")
    query = ActivityQuery(
        name, name, account or None, None, money.code, money.dimension, None, "GB", 2022,
        money.currency,
    )  # fmt: skip
    (decision,) = matcher.match([query], thresholds)
    return decision


@pytest.mark.parametrize(
    "line",
    [
        "Payments to Ext Contractors", "Fixed Assets greater than 5k | ITD", "Stock Purchases",
        "Sundry Debtors", "Trade debtors | Finance", "Rail Settlement Plan - PAYG Creditor",
        "External contractors", "Equipment", "Fremdleistungen extern", "Third party contracts",
        "Wareneinkauf", "Materials | Works", "Forderungen aus Lieferungen", "Apple Inc",
        "Créances clients", "Immobilisations", "Subcontractors", "Fees",
        "Other Supplies & Services",
    ],
)  # fmt: skip
def test_words_of_bookkeeping_are_no_product(matcher: OfflineMatcher, line: str) -> None:
    decision = decide(matcher, line)
    assert decision.outcome is Outcome.HELD
    assert decision.reasons[0].code == "product_unknown"


@pytest.mark.parametrize(
    ("line", "sector"),
    [
        ("Payments to Ext Contractors | Office cleaning", "561720"),
        ("Stock purchases | Stationery", "322230"),
        ("Contractors | Landscaping", "561730"),
    ],
)
def test_what_stands_beside_them_decides_and_is_listed(
    matcher: OfflineMatcher, line: str, sector: str
) -> None:
    decision = decide(matcher, line)
    beside = decide(matcher, line.partition("|")[2])
    assert decision.outcome is Outcome.FLAGGED
    assert decision.reasons[0].code == "product_unknown"
    assert decision.candidates[0].source_id == beside.candidates[0].source_id == sector
    assert decision.confidence == pytest.approx(0.6 * beside.confidence, abs=1e-4)


@pytest.mark.parametrize(
    "line",
    [
        "Ext Contractors - electrical", "Office equipment", "Debtors insurance", "Water rates",
        "Building materials", "Contract cleaning", "Stock photography", "Rechargeable batteries AA",
        "Battery recharge station", "Wooden pallets, third party",
    ],
)  # fmt: skip
def test_a_trade_or_a_thing_among_them_goes_to_the_sectors(
    matcher: OfflineMatcher, line: str
) -> None:
    codes = {reason.code for reason in decide(matcher, line).reasons}
    assert "product_unknown" not in codes
    assert "not_an_emission" not in codes


@pytest.mark.parametrize("line", ["Bldg Mgmt Recharged Works", "ICT Rechargeables"])
def test_what_is_recharged_is_no_battery(matcher: OfflineMatcher, line: str) -> None:
    decision = decide(matcher, line)
    assert decision.outcome is Outcome.FLAGGED
    assert decision.candidates[0].source_id not in ("335911", "335912")


@pytest.mark.parametrize("line", ["Rates - Central Listed", "Rates", "Empty property rates"])
def test_rates_on_premises_are_a_tax(matcher: OfflineMatcher, line: str) -> None:
    assert decide(matcher, line).reasons[0].code == "not_an_emission"


@pytest.mark.parametrize("line", ["Apple", "Jaguar", "Oyster"])
def test_one_word_that_may_be_a_name_is_listed(matcher: OfflineMatcher, line: str) -> None:
    decision = decide(matcher, line)
    assert decision.outcome is Outcome.FLAGGED
    assert decision.reasons[0].code == "product_unknown"
    assert decision.confidence < Thresholds().review_below


def test_what_is_then_too_unsure_gets_no_figure(matcher: OfflineMatcher) -> None:
    sure = decide(matcher, "Jaguar")
    above = Thresholds(review_below=0.99, hold_below=sure.confidence + 0.01)
    decision = decide(matcher, "Jaguar", above)
    assert decision.outcome is Outcome.HELD
    assert decision.factor_id is None
    assert decision.confidence == 0.0
