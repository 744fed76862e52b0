"""What the answers about emission factors look like; joined to api.schemas.examples.

Figures: DESNZ 2025, natural gas in kWh of gross calorific value.
"""

from __future__ import annotations

from typing import Any

FACTOR = "3f0c1b8e-7e0f-5a53-8f3c-64bb3e5f1d20"
AT = "2026-11-22T13:05:00Z"

ITEM: dict[str, Any] = {
    "id": FACTOR,
    "name": "Gaseous fuels, Natural gas",
    "category": "Fuels",
    "value_kg_co2e_per_unit": 0.18296,
    "unit": "kWh",
    "dimension": "energy",
    "basis": "gross",
    "currency": None,
    "price_year": None,
    "region": "GB",
    "scope": 1,
    "biogenic": False,
    "scope3_category": None,
    "activity_kind": "fuel",
    "data_year": 2025,
    "source_year": 2025,
    "valid_from_year": None,
    "valid_to_year": None,
    "release": "desnz-2025",
    "source": "DESNZ, UK Government GHG Conversion Factors for Company Reporting 2025",
    "source_id": "1_100_1004_6_1",
    "licence": "Open Government Licence v3.0",
    "gwp_set": "AR5",
}


def one(value: str | int) -> list[dict[str, Any]]:
    """Return a facet with one value."""
    return [{"value": value, "count": 1}]


FACETS: dict[str, Any] = {
    "category": one("Fuels"), "region": one("GB"), "year": one(2025), "release": one("desnz-2025"),
    "unit": one("kWh"), "scope": one(1), "dimension": one("energy"),
}  # fmt: skip
RELEASE: dict[str, Any] = {
    "name": "desnz-2025",
    "publisher": "UK Department for Energy Security and Net Zero (DESNZ)",
    "title": "UK Government GHG Conversion Factors for Company Reporting 2025, flat file",
    "version": "version 1",
    "source_year": 2025,
    "data_year": 2025,
    "licence": "Open Government Licence v3.0",
    "share_alike": False,
    "url": "https://www.gov.uk/government/collections/government-conversion-factors-for-company-reporting",
    "retrieved_on": "2026-11-22",
    "file_name": "ghg-conversion-factors-2025-flat-format.xlsx",
    "file_sha256": "8bfdb45b81ec4a88e3bdf4584637330f62e6bd09ce1940e654c5d7b7f736de94",
    "content_sha256": "9f2c5d1f0c8e4b7a9d3e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c",
    "gwp_set": "AR5",
    "note": "Gas parts are in kg CO2e, as published. Blank values are left out, never zero.",
    "factor_count": 2600,
    "supersedes": "desnz-2024",
    "superseded_by": None,
    "created_at": AT,
}
ANSWER: dict[str, Any] = ITEM | {
    "gases": [
        {"gas": "CO2", "kg_co2e": 0.18259, "kg_gas": None},
        {"gas": "CH4", "kg_co2e": 0.00028, "kg_gas": None},
        {"gas": "N2O", "kg_co2e": 0.00009, "kg_gas": None},
    ],
    "levels": ["Fuels", "Gaseous fuels", "Natural gas"],
    "search_terms": [],
    "source_row": "Factors by Category!83",
    "note": "",
    "is_active": True,
    "created_at": AT,
    "deleted_at": None,
    "provenance": RELEASE,
    "superseded_by": None,
    "successor_id": None,
    "audit": [],
}
PAGINATION: dict[str, Any] = {"limit": 50, "next_cursor": None, "has_more": False, "total": None}

BY_SCHEMA: dict[str, dict[str, Any]] = {
    "FactorList": {"emission_factors": [ITEM], "pagination": PAGINATION, "facets": FACETS},
    "FactorAnswer": ANSWER,
    "NewFactor": {
        "name": "Rooftop solar tariff",
        "category": "Electricity",
        "value_kg_co2e_per_unit": 0.021,
        "unit": "kWh",
        "data_year": 2025,
        "source": "Supplier's certificate 2025",
        "region": "GB",
    },
    "FactorDeleted": {"deleted": True, "emission_factor_id": FACTOR},
    "ReleaseList": {"releases": [RELEASE | {"pinned": True}], "own_factors": 2},
    "OrganizationAnswer": {
        "id": "019b8a53-7a10-7c44-9d1c-0c1f4c0d2b11",
        "name": "Harbour Logistics",
        "industry": "transport",
        "country": "GB",
        "search_language": "english",
        "review_below": 0.6,
        "hold_below": 0.3,
        "base_year": 2019,
        "factor_releases": ["desnz-2025", "epa-hub-2025", "epa-supply-chain-1.3"],
        "ai_matching": True,
        "data_retention_days": 365,
        "created_at": AT,
        "updated_at": AT,
    },
    "OrganizationPatch": {"review_below": 0.7, "factor_releases": ["desnz-2025"]},
}
