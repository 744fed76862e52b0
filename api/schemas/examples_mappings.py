"""What the answers about remembered mappings look like; joined to api.schemas.examples."""

from __future__ import annotations

from typing import Any

MAPPING_ID = "0192f0c1-7b1e-7c11-8a10-3c8b6b1d2e09"
MAPPINGS: dict[str, dict[str, Any]] = {
    "MappingList": {
        "mappings": [
            {
                "id": MAPPING_ID,
                "headings": ["Objekt", "Art", "Wert", "ME"],
                "mapping": {"Art": "activity_name", "Wert": "volume", "Objekt": "ignore"},
                "file_id": "0192f0c1-7b1e-7c11-8a10-3c8b6b1d2e03",
                "filename": "verbrauch-2025-10.xlsx",
                "confirmed_at": "2026-11-22T13:05:00Z",
                "confirmed_by": "0192f0c1-7b1e-7c11-8a10-3c8b6b1d2e02",
                "confirmed_by_name": "Ada Example",
                "used": 3,
                "last_used_at": "2026-11-22T13:05:00Z",
                "replaced_at": None,
                "revoked_at": None,
                "revoked_by": None,
            }
        ],
        "pagination": {"limit": 50, "next_cursor": None, "has_more": False, "total": None},
    },
    "MappingRevoked": {"revoked": True, "mapping_id": MAPPING_ID},
}
