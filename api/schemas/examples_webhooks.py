"""What the answers about webhooks look like; joined to api.schemas.examples."""

from __future__ import annotations

from typing import Any

WEBHOOK = "019b8a7e-41b0-7c11-9e0d-3a55d2c01f88"
EVENT = "019b8a7f-0c1d-7a20-8f3e-5b66e3d12a99"
DELIVERY = "019b8a7f-0c1e-7b31-9a4f-6c77f4e23baa"
USER = "019b8a53-7a11-7b7e-8a55-52f2b7f6a001"
AT = "2026-11-25T10:05:00Z"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # noqa: S105 - the specification's example

ITEM: dict[str, Any] = {
    "id": WEBHOOK,
    "url": "https://hooks.example.org/tonnage",
    "events": ["file.completed", "file.failed"],
    "description": "our data warehouse",
    "enabled": True,
    "disabled_by": None,
    "disabled_at": None,
    "consecutive_failures": 0,
    "created_by": USER,
    "created_at": AT,
    "updated_at": AT,
}
DELIVERY_ITEM: dict[str, Any] = {
    "id": DELIVERY,
    "event_id": EVENT,
    "event": "file.completed",
    "status": "delivered",
    "attempts": [
        {"number": 1, "status_code": 503, "problem": None, "duration_ms": 41, "attempted_at": AT},
        {"number": 2, "status_code": 204, "problem": None, "duration_ms": 38, "attempted_at": AT},
    ],
    "next_attempt_at": None,
    "created_at": AT,
    "ended_at": AT,
}

WEBHOOKS: dict[str, dict[str, Any]] = {
    "WebhookItem": ITEM,
    "WebhookCreated": ITEM | {"secret": SECRET},
    "WebhookList": {
        "webhooks": [ITEM],
        "pagination": {"limit": 50, "next_cursor": None, "has_more": False, "total": None},
    },
    "WebhookDeleted": {"deleted": True, "webhook_id": WEBHOOK},
    "SecretRotated": {
        "webhook_id": WEBHOOK,
        "secret": SECRET,
        "previous_secret_signs_until": "2026-11-26T10:05:00Z",
    },
    "DeliveryList": {
        "deliveries": [DELIVERY_ITEM],
        "pagination": {"limit": 50, "next_cursor": None, "has_more": False, "total": None},
    },
    "DeliveryStarted": {"event_id": EVENT, "webhook_id": WEBHOOK, "status": "pending"},
}
