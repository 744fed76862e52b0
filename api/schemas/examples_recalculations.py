"""What the answers about recalculations look like; joined to api.schemas.examples."""

from __future__ import annotations

from typing import Any

RECALCULATION = "019b8a7e-41b0-7c11-9e0d-3a55d2c01f77"
USER = "019b8a53-7a11-7b7e-8a55-52f2b7f6a001"
FILE = "019b8a5c-31c4-7d0a-b0a8-1f64a3b6c9e2"
EMISSION = "019b8a5d-0b6e-7f3a-9a43-6a1d6a2f7c10"
AT = "2026-11-23T09:05:00Z"
PAGINATION: dict[str, Any] = {"limit": 50, "next_cursor": None, "has_more": False, "total": None}


def sums(old: float, new: float, difference: float) -> dict[str, float]:
    """Return the three sums."""
    return {"old_kg_co2e": old, "new_kg_co2e": new, "difference_kg_co2e": difference}


# 50,000 kWh of UK electricity, 0.20705 (2024) and 0.177 kg CO2e per kWh (2025)
CHANGE = sums(10352.5, 8850.0, -1502.5)
TOTALS: dict[str, Any] = CHANGE | {
    "rows": 1,
    "changed": 1,
    "biogenic": sums(0.0, 0.0, 0.0),
    "by_scope": [CHANGE | {"scope": 2}],
    "by_reason": [CHANGE | {"code": "newer_release", "rows": 1}],
    "in_review": {
        "activities": 1,
        "rows": 12,
        "with_a_factor": {"activities": 0, "rows": 0, "kg_co2e": 0.0},
    },
}
ITEM: dict[str, Any] = {
    "id": RECALCULATION,
    "status": "previewed",
    "releases": ["desnz-2025"],
    "releases_before": ["desnz-2024"],
    "reason": "the 2025 edition of the UK factors",
    "user_id": USER,
    "totals": TOTALS,
    "error_code": None,
    "error_message": None,
    "created_at": AT,
    "previewed_at": AT,
    "commit_requested_at": None,
    "commit_requested_by": None,
    "ended_at": None,
}
DETAIL: dict[str, Any] = ITEM | {
    "selection": {"year_from": 2025, "year_to": 2025},
    "progress": {
        "files": 1,
        "files_committed": 0,
        "files_left_out": 0,
        "activities": 2,
        "activities_matched": 2,
        "rows": 1,
        "rows_previewed": 1,
        "rows_changed": 0,
        "percent": 100.0,
    },
    "audit": [
        {
            "action": "recalculation.requested",
            "actor": "user",
            "actor_user_id": USER,
            "occurred_at": AT,
            "request_id": "0f8a1c6f2f0e4c0b9a54d3f9f3f0a7d2",
            "before": None,
            "after": {"releases": ["desnz-2025"]},
        }
    ],
}


def figure(kg: float, release: str, factor_id: str, value: float) -> dict[str, Any]:
    """Return one side of a row."""
    return {
        "kg_co2e": kg,
        "scope": 2,
        "biogenic": False,
        "factor": {
            "id": factor_id,
            "release": release,
            "source_id": "7_400_4000_5_1",
            "name": "Electricity generated, Electricity: UK",
            "value_kg_co2e_per_unit": value,
            "unit": "kWh",
        },
    }


ROW: dict[str, Any] = {
    "emission_id": EMISSION,
    "file_id": FILE,
    "filename": "energy-2025.xlsx",
    "sheet": "Electricity",
    "row": 4,
    "activity_name": "Electricity",
    "old": figure(10352.5, "desnz-2024", "8e2c64be-1f00-5a53-8f3c-64bb3e5f1d20", 0.20705),
    "new": figure(8850.0, "desnz-2025", "3f0c1b8e-7e0f-5a53-8f3c-64bb3e5f1d20", 0.177),
    "difference_kg_co2e": -1502.5,
    "changed": True,
    "reason": {
        "code": "newer_release",
        "sentence": "Electricity generated, Electricity: UK [desnz-2025 7_400_4000_5_1]: 0.20705 "
        "kg CO2e per kWh in desnz-2024, 0.177 per kWh in desnz-2025.",
    },
}

BY_SCHEMA: dict[str, dict[str, Any]] = {
    "RecalculationAccepted": {"recalculation_id": RECALCULATION, "status": "previewing"},
    "RecalculationList": {"recalculations": [ITEM], "pagination": PAGINATION},
    "RecalculationDetail": DETAIL,
    "RecalculationRowList": {"rows": [ROW], "pagination": PAGINATION},
    "RecalculationDeleted": {"deleted": True, "recalculation_id": RECALCULATION},
}
