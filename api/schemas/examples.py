"""What answers look like, for the OpenAPI document; a test holds each against its schema."""

from __future__ import annotations

from typing import Any

from api.schemas.examples_accounts import BY_SCHEMA as ACCOUNTS
from api.schemas.examples_audit import BY_SCHEMA as AUDIT
from api.schemas.examples_factors import BY_SCHEMA as FACTORS
from api.schemas.examples_lifecycle import LIFECYCLE
from api.schemas.examples_mappings import MAPPINGS
from api.schemas.examples_recalculations import BY_SCHEMA as RECALCULATIONS
from api.schemas.examples_single_sign_on import BY_SCHEMA as SINGLE_SIGN_ON
from api.schemas.examples_webhooks import WEBHOOKS

ORGANIZATION = "019b8a53-7a10-7c44-9d1c-0c1f4c0d2b11"
USER = "019b8a53-7a11-7b7e-8a55-52f2b7f6a001"
FILE = "019b8a5c-31c4-7d0a-b0a8-1f64a3b6c9e2"
EMISSION = "019b8a5d-0b6e-7f3a-9a43-6a1d6a2f7c10"
FACTOR = "3f0c1b8e-7e0f-5a53-8f3c-64bb3e5f1d20"
REVIEW = "019b8a5d-1f2d-7c0b-8f5d-2f7d0c4b8a31"
AT = "2026-11-22T13:05:00Z"

PAGINATION: dict[str, Any] = {"limit": 50, "next_cursor": None, "has_more": False, "total": None}

PROFILE: dict[str, Any] = {
    "id": USER,
    "email": "demo@tonnage.example",
    "first_name": "Ada",
    "last_name": "Byron",
    "organizations": [{"id": ORGANIZATION, "name": "Harbour Logistics", "role": "admin"}],
}
TOKENS: dict[str, Any] = {
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTliIn0.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "refresh_expires_in": 604800,
    "user": PROFILE,
}
ME: dict[str, Any] = PROFILE | {
    "organizations": [
        {
            "id": ORGANIZATION,
            "name": "Harbour Logistics",
            "role": "user",
            "permissions": {},
            "projects": [{"id": REVIEW, "name": "Fleet"}],
            "features": {"read": True, "upload_files": True, "manage_members": False},
        }
    ]
}
ORGANIZATIONS: dict[str, Any] = {
    "organizations": [
        {
            "id": ORGANIZATION,
            "name": "Harbour Logistics",
            "industry": "transport",
            "country": "GB",
            "role": "admin",
            "permissions": {},
            "created_at": AT,
            "member_since": AT,
        }
    ],
    "pagination": PAGINATION,
}
ACCEPTED: dict[str, Any] = {
    "file_id": FILE,
    "status": "uploaded",
    "processing_job_id": f"file/{FILE}",
    "duplicate_of": None,
}
FILE_ITEM: dict[str, Any] = {
    "id": FILE,
    "filename": "activities-2024.xlsx",
    "file_type": "xlsx",
    "mime_type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "size_bytes": 18344,
    "status": "completed",
    "project_id": None,
    "user_id": USER,
    "rows": {"total": 60, "calculated": 55, "in_review": 3, "rejected": 2, "no_activity": 1},
    "error_code": None,
    "error_message": None,
    "duplicate_of": None,
    "created_at": AT,
    "updated_at": AT,
    "processing_started_at": AT,
    "processing_completed_at": AT,
}
FILES: dict[str, Any] = {"files": [FILE_ITEM], "pagination": PAGINATION}
FILE_DETAIL: dict[str, Any] = FILE_ITEM | {
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "processing_job_id": f"file/{FILE}",
    "scan_state": "unscanned",
    "region": "GB",
    "reporting_year": 2024,
    "upstream": False,
    "mapping": None,
    "recognized": None,
    "totals_by_scope": [{"scope": 1, "count": 12, "kg_co2e": 3084.984, "biogenic_kg_co2": 0.0}],
    "download_url": "/v1/downloads?token=…",
    "history": [
        {
            "stage": "scan",
            "kind": "completed",
            "attempt": 1,
            "message": "Accepted.",
            "occurred_at": AT,
        }
    ],
    "audit": [
        {
            "action": "file.uploaded",
            "actor": "user",
            "actor_user_id": USER,
            "occurred_at": AT,
            "request_id": "0f8a1c6f2f0e4c0b9a54d3f9f3f0a7d2",
            "before": None,
            "after": {"status": "uploaded"},
        }
    ],
}
STATUS: dict[str, Any] = {
    "file_id": FILE,
    "status": "ai_matching",
    "stage": "match",
    "stages": [
        {
            "name": "match",
            "state": "running",
            "started_at": AT,
            "finished_at": None,
            "attempts": 1,
        }
    ],
    "progress": {
        "rows_total": 60,
        "rows_parsed": 60,
        "rows_valid": 58,
        "activities_to_match": 41,
        "activities_matched": 20,
        "rows_calculated": 0,
        "percent": 55.0,
    },
    "retries": 0,
    "retrying": [],
    "errors": [],
    "eta": None,
    "source": "workflow",
}
ISSUES: dict[str, Any] = {
    "issues": [
        {
            "sheet": "Fuels",
            "row": 14,
            "column": "Unit",
            "code": "unit_unknown",
            "severity": "rejected",
            "message": "This unit is not known; write it as litres, kWh, kg, t, km or a currency.",
            "value": "sacks",
        }
    ],
    "pagination": PAGINATION,
}
EMISSION_ITEM: dict[str, Any] = {
    "id": EMISSION,
    "file_id": FILE,
    "project_id": None,
    "sheet": "Fuels",
    "row": 5,
    "activity_name": "Diesel, vans",
    "activity_type": "fuel",
    "activity_description": None,
    "volume": 1200.0,
    "unit": "l",
    "region": "GB",
    "date": "2024-03-31",
    "year": 2024,
    "emission_kg_co2e": 3084.984,
    "biogenic_kg_co2": 0.0,
    "upstream_kg_co2e": 733.212,
    "outside_of_scopes_kg_co2": 168.0,
    "scope": 1,
    "scope3_category": None,
    "category": "Fuels",
    "biogenic": False,
    "confidence": 0.97,
    "calculation_method": "activity data × emission factor desnz-2025 1_101_1011_8_1, "
    "matched by the offline ranker",
    "emission_factor_id": FACTOR,
    "created_at": AT,
}
EMISSIONS: dict[str, Any] = {
    "results": [EMISSION_ITEM],
    "pagination": PAGINATION,
    "summary": {
        "count": 1,
        "total_kg_co2e": 3084.984,
        "biogenic_kg_co2": 0.0,
        "by_scope": [{"scope": 1, "count": 1, "kg_co2e": 3084.984, "biogenic_kg_co2": 0.0}],
        "by_type": [{"type": "fuel", "count": 1, "kg_co2e": 3084.984}],
        "types": 1,
        "linked": {"upstream_kg_co2e": 733.212, "outside_of_scopes_kg_co2": 168.0},
    },
    "searched_for": None,
}
EMISSION_DETAIL: dict[str, Any] = EMISSION_ITEM | {
    "source_file": {
        "id": FILE,
        "filename": "activities-2024.xlsx",
        "sha256": FILE_DETAIL["sha256"],
    },
    "factor": {
        "id": FACTOR,
        "name": "Diesel (average biofuel blend)",
        "category": "Fuels",
        "value_kg_co2e_per_unit": 2.57082,
        "unit": "l",
        "region": "GB",
        "source": "UK DESNZ, Greenhouse gas reporting: conversion factors 2025",
        "source_id": "1_101_1011_8_1",
        "source_year": 2025,
        "data_year": 2025,
        "release": "desnz-2025",
        "licence": "OGL v3",
        "scope": 1,
        "gases": [],
        "gwp_set": "AR5",
    },
    "match": {
        "confidence": 0.97,
        "outcome": "matched",
        "method": "offline",
        "reasons": [],
        "candidates": [],
        "fallbacks": [],
    },
    "decided_by": None,
    "revisions": [],
    "calculation": {"formula": "1200.0 l × 2.57082 = 3084.984 kg CO2e"},
    "history": [],
    "audit": [],
}
REVIEWS: dict[str, Any] = {
    "reviews": [
        {
            "id": REVIEW,
            "file_id": FILE,
            "filename": "activities-2024.xlsx",
            "reason_code": "no_candidate",
            "reason": "No factor of the library is per item and fits laptops.",
            "rows": 1,
            "kg_co2e_at_risk": None,
            "activity": {"name": "12 laptops", "unit": "item"},
            "confidence": 0.0,
            "emission_factor_id": None,
            "candidates": [],
            "fallbacks": [],
            "status": "open",
            "resolved_at": None,
            "resolved_by": None,
            "resolution_reason": None,
            "applied_at": None,
            "created_at": AT,
        }
    ],
    "pagination": PAGINATION,
}
RESOLVED: dict[str, Any] = {
    "review_id": REVIEW,
    "status": "chosen",
    "emission_factor_id": FACTOR,
    "applied": True,
    "decision_id": FILE,
    "same_activity_open": 0,
}
REMEMBERED: dict[str, Any] = {
    "decisions": [
        {
            "id": FILE,
            "activity": {"name": "Heizung Halle 2", "unit": "kWh", "dimension": "energy"},
            "emission_factor_id": FACTOR,
            "emission_factor_name": "Gaseous fuels, Natural gas",
            "reason": "The invoice says natural gas.",
            "review_id": REVIEW,
            "decided_at": AT,
            "decided_by": USER,
            "decided_by_name": "Ada Example",
            "used": 3,
            "last_used_at": AT,
            "replaced_at": None,
            "revoked_at": None,
            "revoked_by": None,
        }
    ],
    "pagination": PAGINATION,
}
VERIFIED: dict[str, Any] = {
    "emission_id": FACTOR,
    "same": True,
    "stored_kg_co2e": 3084.984,
    "recomputed_kg_co2e": 3084.984,
    "formula": "1200.0 l × 2.57082 = 3084.984 kg CO2e",
    "checked": ["every step of the calculation, to the last digit"],
}

REPORT_ITEM: dict[str, Any] = {
    "id": REVIEW,
    "name": "Footprint 2024",
    "description": None,
    "report_type": "emission_summary",
    "file_format": "csv",
    "status": "completed",
    "user_id": USER,
    "size_bytes": 1384,
    "error_message": None,
    "created_at": AT,
    "updated_at": AT,
    "generation_started_at": AT,
    "generation_completed_at": AT,
}
REPORTS: dict[str, Any] = {"reports": [REPORT_ITEM], "pagination": PAGINATION}
REPORT_DETAIL: dict[str, Any] = REPORT_ITEM | {
    "criteria": {"date_from": "2024-01-01", "date_to": "2024-12-31"},
    "group_by": ["scope", "category"],
    "include_details": False,
    "layout": "standard",
    "annex_url": None,
    "progress": {"rows_written": None, "rows_total": None, "percent": 100.0},
    "snapshot": {
        "outdated": True,
        "figures_shown": 371,
        "figures_now": 360,
        "kg_co2e_shown": 18240.75,
        "kg_co2e_now": 17912.5,
    },
    "rows": {"total": 400, "calculated": 371, "in_review": 20, "rejected": 9, "no_activity": 7},
    "duplicates": {"files": 0, "figures": 0, "kg_co2e": 0.0, "warning": None},
    "for_review": {"figures": 2, "kg_co2e": 612.4},
    "undated": {"figures": 0, "kg_co2e": 0.0, "biogenic_kg_co2": 0.0, "warning": None},
    "estimated_completion": None,
    "download_url": "/v1/downloads?token=…",
    "permissions": {"delete": True},
    "audit": [
        {
            "action": "report.requested",
            "actor": "user",
            "actor_user_id": USER,
            "occurred_at": AT,
            "request_id": "0f8a1c6f2f0e4c0b9a54d3f9f3f0a7d2",
            "before": None,
            "after": {"name": "Footprint 2024"},
        }
    ],
}
REPORT_ACCEPTED: dict[str, Any] = {
    "report_id": REVIEW,
    "status": "generating",
    "estimated_completion": AT,
}

BY_SCHEMA: dict[str, dict[str, Any]] = {
    "Tokens": TOKENS,
    "CurrentUser": ME,
    "OrganizationAccess": ME["organizations"][0],
    "OrganizationList": ORGANIZATIONS,
    "FileAccepted": ACCEPTED,
    "FileList": FILES,
    "FileDetail": FILE_DETAIL,
    "FileStatusAnswer": STATUS,
    "RowIssueList": ISSUES,
    "EmissionList": EMISSIONS,
    "EmissionDetail": EMISSION_DETAIL,
    "ReviewList": REVIEWS,
    "ReviewDetail": REVIEWS["reviews"][0] | {"audit": []},
    "Resolution": {"action": "choose", "emission_factor_id": FACTOR, "reason": "as invoiced"},
    "Resolved": RESOLVED,
    "RememberedList": REMEMBERED,
    "Verified": VERIFIED,
    "Revoked": {"revoked": True, "decision_id": FILE},
    "ReportAccepted": REPORT_ACCEPTED,
    "ReportList": REPORTS,
    "ReportCancelled": {"report_id": REPORT_DETAIL["id"], "status": "failed"},
    "ReportDetail": REPORT_DETAIL,
    "ReportDeleted": {"deleted": True, "report_id": REVIEW},
    **ACCOUNTS,
    **AUDIT,
    **FACTORS,
    **RECALCULATIONS,
    **LIFECYCLE,
    **MAPPINGS,
    **SINGLE_SIGN_ON,
    **WEBHOOKS,
}
