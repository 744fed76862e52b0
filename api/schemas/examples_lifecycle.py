"""Examples of deletions, cancellations and retries."""

from __future__ import annotations

from typing import Any

AT = "2026-11-22T14:00:00Z"
FILE = "019c1f6e-7c1a-7b53-9d5e-2f0a4c3b1a10"

LIFECYCLE: dict[str, dict[str, Any]] = {
    "FileDeleted": {
        "deleted": True,
        "file_id": FILE,
        "cascaded": {"emissions": 52, "reviews": 3},
        "purge_after": "2026-12-22T14:00:00Z",
    },
    "EmissionDeleted": {"deleted": True, "emission_id": FILE},
    "FileCancelled": {"file_id": FILE, "status": "ai_matching", "cancel_requested_at": AT},
    "FileRetried": {
        "file_id": FILE,
        "status": "uploaded",
        "processing_job_id": f"file/{FILE}",
        "run": 2,
        "resumes_at": "match",
    },
}
