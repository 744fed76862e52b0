"""What the answers about the audit trail look like; joined to api.schemas.examples."""

from __future__ import annotations

from typing import Any

EVENT: dict[str, Any] = {
    "id": "019ab8a0-5c00-7c11-8a10-3c8b6b1d2e01",
    "sequence": 1,
    "occurred_at": "2026-11-22T13:05:00.000120Z",
    "actor": {
        "kind": "user",
        "user_id": "0192f0c1-7b1e-7c11-8a10-3c8b6b1d2e02",
        "name": "Ada Muster",
    },
    "action": "file.uploaded",
    "object": {"type": "file", "id": "0192f0c1-7b1e-7c11-8a10-3c8b6b1d2e03"},
    "before": None,
    "after": {"status": "uploaded", "size_bytes": 10240},
    "request_id": "0f8a1c6f2f0e4c0b9a54d3f9f3f0a7d2",
    "previous_hash": "0" * 64,
    "hash": "0bd046c2e1e0ecbb33d9fcedf478cc58044ef45f4734248b6f1f32630abe148a",
}
BY_SCHEMA: dict[str, dict[str, Any]] = {
    "AuditList": {
        "events": [EVENT],
        "pagination": {"limit": 50, "next_cursor": None, "has_more": False, "total": None},
    },
}
