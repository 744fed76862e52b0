"""Ledger lines that are no activity at all, and lines that do not say what was bought."""

from __future__ import annotations

from core.matching.lexicon import lexicon
from core.matching.reading import Reading
from core.matching.text import STOP, content_stems, is_code, words

# One of these alone settles it, whatever stands beside it.
_STRONG = frozenset(
    [
        "depreciation",
        "amortisation",
        "amortization",
        "payroll",
        "intercompany",
        "dividend",
        "dividends",
        "accrual",
        "accruals",
        "salaries",
        "salary",
        "wages",
        "wage",
        "zinsen",
        "salaires",
        "gehalter",
        "gehalt",
        "nominas",
        "impots",
        "impuestos",
        "goodwill",
        "impairment",
        "severance",
        "redundancy",
        "revaluation",
    ]
)
# … unless the line is about a service in the matter: "payroll services", "tax advice".
_SERVICE = frozenset(
    [
        "advice",
        "advisory",
        "adviser",
        "advisor",
        "consulting",
        "consultant",
        "consultancy",
        "accountant",
        "accountants",
        "service",
        "services",
        "software",
        "bureau",
        "processing",
        "preparation",
        "provider",
        "training",
        "insurance",
        "broker",
        "agency",
        "outsourcing",
        "system",
        "systems",
        "beratung",
        "berater",
        "conseil",
        "asesoria",
        "legal",
        "lawyer",
        "audit",
        "fuel",
        "energies",
        "subscription",
        "licence",
        "license",
    ]
)
_VENDORS = frozenset(
    [
        "shell",
        "bp",
        "esso",
        "texaco",
        "total",
        "totalenergies",
        "exxon",
        "exxonmobil",
        "mobil",
        "chevron",
        "amazon",
        "tesco",
        "sainsburys",
        "asda",
        "morrisons",
        "aldi",
        "lidl",
        "walmart",
        "costco",
        "target",
        "aral",
        "repsol",
        "eni",
        "omv",
        "jet",
        "amex",
        "visa",
        "mastercard",
        "barclaycard",
        "paypal",
        "sumup",
        "stripe",
        "square",
        "ebay",
        "alibaba",
        "argos",
        "boots",
        "wilko",
        "homebase",
        "various",
        "misc",
        "miscellaneous",
        "sundry",
        "sundries",
        "diverse",
        "divers",
        "varios",
        "other",
        "others",
        "unknown",
        "na",
        "adjustment",
        "correction",
        "item",
        "items",
        "goods",
        "purchase",
        "purchases",
        "invoice",
        "rechnung",
        "facture",
        "factura",
        "payment",
        "zahlung",
        "paiement",
        "pago",
        "supplier",
        "vendor",
        "lieferant",
        "fournisseur",
        "proveedor",
        "expense",
        "expenses",
        "card",
        "cc",
        "po",
        "ref",
        "account",
        "general",
        "journal",
        "ledger",
    ]
)
_POWER = frozenset(
    [
        "bill",
        "account",
        "acct",
        "usage",
        "charges",
        "charge",
        "utility",
        "utilities",
        "consumption",
        "supplier",
        "supply",
        "amount",
        "invoice",
        "tariff",
        "energy",
        "rechnung",
        "abschlag",
        "kosten",
        "facture",
        "factura",
        "cost",
        "costs",
        "site",
        "office",
        "meter",
        "kwh",
        "monthly",
        "quarterly",
        "only",
    ]
)
_NOT_POWER = frozenset(
    [
        "work",
        "works",
        "contractor",
        "contractors",
        "repair",
        "repairs",
        "equipment",
        "supplies",
        "installation",
        "install",
        "maintenance",
        "panel",
        "motor",
        "motors",
        "cable",
        "cables",
        "parts",
        "part",
        "goods",
        "appliance",
        "appliances",
        "tools",
        "tool",
        "vehicle",
        "car",
        "bike",
        "battery",
        "scooter",
        "wiring",
        "testing",
        "lighting",
        "drill",
        "fan",
        "heater",
        "switch",
        "box",
    ]
)
_CLEAR_POWER = frozenset(
    [
        "electricity",
        "strom",
        "stromrechnung",
        "stromkosten",
        "electricite",
        "electricidad",
        "elektrizitat",
        "prad",
        "elettricita",
        "elektriciteit",
        "stroom",
        "stromverbrauch",
        "strombezug",
    ]
)


def not_an_emission(reading: Reading, *, money: bool) -> str | None:
    """Return the sentence why a line is no activity, or None.

    Non-cash entries, taxes, pay, totals and the like; offsets are reported apart.
    """
    tokens = words(reading.query.name)
    told = [t for t in tokens if t not in STOP and not is_code(t)]
    if money and _electricity(reading, told):
        return (
            "The spend table has no sector for electricity, so money alone gives no figure; "
            "please give the kWh."
        )
    hits = [h for h in lexicon().find(tokens) if h.facet == "kind" and h.value == "non_emission"]
    if not hits:
        return None
    if not money:
        offsets = any("offset" in h.phrase or "carbon credit" in h.phrase for h in hits)
        return "Offsets are no activity; they are reported apart." if offsets else None
    if _SERVICE & set(told):
        return None
    covered = {i for h in hits for i in h.span}
    strong = any(tokens[i] in _STRONG for i in covered)
    share = sum(1 for i in covered if tokens[i] in told) / max(len(told), 1)
    if strong or share >= 0.5 or any(len(h.span) >= 2 for h in hits):
        return (
            "This looks like a booking without an activity (pay, tax, interest, a non-cash entry, "
            "an offset or a total), which has no emission factor."
        )
    return None


def _electricity(reading: Reading, told: list[str]) -> bool:
    if not reading.has("product", "electricity"):
        return False
    tokens = set(reading.tokens)
    if tokens & _NOT_POWER:
        return False
    if set(told) & _CLEAR_POWER:
        return True
    return bool(set(told) & {"power", "elec", "electric", "luz", "electrical"}) and bool(
        tokens & _POWER
    )


def nothing_but_a_vendor(reading: Reading) -> str | None:
    """Return the sentence why a line does not say what was bought, or None."""
    query = reading.query
    told = [t for t in words(query.name) if t not in STOP and not is_code(t)]
    more = content_stems(f"{query.description or ''} {query.type or ''}", expand=False)
    informative = [t for t in told if t not in _VENDORS]
    if informative or (more and not set(more) <= set(content_stems(" ".join(_VENDORS)))):
        return None
    if not told:
        return "The line has no words that tell what was bought."
    return "The line names a vendor or nothing in particular; please say what was bought."
