"""Scope and scope 3 category of a figure, each with its reason.

The factor says most. The activity's own words move it where the same figure serves several
purposes: commuting instead of business travel, an own vehicle instead of a hired one, capital
goods instead of consumables. Categories are those of the GHG Protocol Scope 3 Standard, table 5.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.factors.countries import plain
from core.records import ActivityQuery, ActivityRow, Dimension, EmissionFactor

CATEGORIES = {
    1: "Purchased goods and services",
    2: "Capital goods",
    3: "Fuel- and energy-related activities",
    4: "Upstream transportation and distribution",
    5: "Waste generated in operations",
    6: "Business travel",
    7: "Employee commuting",
    8: "Upstream leased assets",
    9: "Downstream transportation and distribution",
    10: "Processing of sold products",
    11: "Use of sold products",
    12: "End-of-life treatment of sold products",
    13: "Downstream leased assets",
    14: "Franchises",
    15: "Investments",
}

_COMMUTING = re.compile(
    r"commut|to work|home to work|work travel|arbeitsweg|pendel|domicile.travail|"
    r"desplazamiento al t",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"\b(?:own (?:fleet|vehicles?|trucks?|cars?|vans?)|"
    r"company (?:cars?|vans?|vehicles?|fleet|owned)|"
    r"pool cars?|fuhrpark|dienstwagen|firmenwagen)\b",
    re.IGNORECASE,
)
_EMPLOYEE = re.compile(r"employee|grey fleet|gray fleet|reimburs|personal|private", re.IGNORECASE)
# biogenic, biogenes, biogénique, biogénico; after `plain`
_BIOGENIC = re.compile(r"\bbiogen|\boutside (?:of )?(?:the )?scopes?\b")
_DOWNSTREAM = re.compile(r"\bdownstream\b|\bcustomer collect", re.IGNORECASE)
_CAPITAL = re.compile(
    r"\bcapex\b|capital (?:goods|equipment|expenditure)|fixed assets?|anlageverm|immobilisation",
    re.IGNORECASE,
)
# NAICS prefixes of things that are bought to last: computers, furniture, vehicles, buildings.
_DURABLE = ("334111", "3371", "3372", "3361", "2361", "2362", "3335")
_SPEND_CATEGORIES = (
    (("481", "482", "483", "4851", "4852", "4853", "4855", "721", "532111", "561510"), 6),
    (("484", "4885", "492", "4931", "4911"), 4),
    (("562", "221320"), 5),
    (("2211", "2212", "32411"), 3),
    (("5311",), 8),
)
_FREIGHT = re.compile(
    r"freight|cargo|fracht|fret|shipping|haulage|transport of goods", re.IGNORECASE
)
_TRAVELS = frozenset({"business_travel_land", "business_travel_air", "business_travel_sea"})


@dataclass(frozen=True, slots=True)
class ScopeDecision:
    """Where a figure is counted, and why. Scope None is outside of the scopes (biogenic CO2)."""

    scope: int | None
    scope3_category: int | None
    reason: str


def scope_of(factor: EmissionFactor, row: ActivityRow) -> ScopeDecision:
    """Return scope and category of a row that is calculated with `factor`."""
    if factor.scope is None:
        return ScopeDecision(None, None, "The publisher puts this outside of the scopes.")
    text = " ".join(
        part for part in (row.activity_name, row.activity_type, row.activity_description) if part
    )
    if factor.scope == 3:
        if factor.region == "US" and factor.dimension is Dimension.DISTANCE and _is_own(text):
            return ScopeDecision(1, None, "An own vehicle is scope 1: the activity says it is own.")
        return _scope3(factor, text)
    return ScopeDecision(factor.scope, None, f"Scope {factor.scope} by the factor's publisher.")


def says_biogenic(query: ActivityQuery) -> bool:
    """Return whether an activity is biogenic CO2 by its own words.

    Wood and biodiesel are not: they are burnt in scope 1, their biogenic CO2 stands beside it.
    """
    texts = (query.name, query.type, query.description)
    return any(_BIOGENIC.search(plain(text)) for text in texts if text)


def _is_own(text: str) -> bool:
    return bool(_OWN.search(text)) and not _EMPLOYEE.search(text)


def _scope3(factor: EmissionFactor, text: str) -> ScopeDecision:
    def three(category: int, why: str) -> ScopeDecision:
        return ScopeDecision(3, category, f"{why}: {CATEGORIES[category]}.")

    kind = factor.activity_kind
    if kind in _TRAVELS and _COMMUTING.search(text):
        return three(7, "The activity is travel to work")
    if kind == "freight" and _DOWNSTREAM.search(text):
        return three(9, "The activity says that it is downstream")
    if kind == "material" and (
        _CAPITAL.search(text) or any("Electrical items" in level for level in factor.levels)
    ):
        return three(2, "Equipment is bought to last")
    if kind == "spend":
        return _spend(factor, text)
    if factor.scope3_category is None:
        return ScopeDecision(3, None, "Scope 3 by the factor; it names no category.")
    return three(factor.scope3_category, "By the kind of the factor")


def _spend(factor: EmissionFactor, text: str) -> ScopeDecision:
    code = factor.source_id
    category, why = factor.scope3_category or 1, "Bought goods and services"
    if _CAPITAL.search(text) or code.startswith(_DURABLE):
        category, why = 2, "Equipment, furniture, vehicles and buildings are bought to last"
    for prefixes, number in _SPEND_CATEGORIES:
        if code.startswith(prefixes):
            category, why = number, f"By the sector, {factor.name}"
    if category == 6 and code.startswith("48") and _FREIGHT.search(text):
        category, why = 4, "Freight by the activity's words"
    if category == 6 and _COMMUTING.search(text):
        category, why = 7, "The activity is travel to work"
    return ScopeDecision(3, category, f"{why}: {CATEGORIES[category]}.")
