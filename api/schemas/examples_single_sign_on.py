"""What answers about single sign-on look like."""

from __future__ import annotations

from typing import Any

ORGANIZATION = "019b8a53-7a10-7c44-9d1c-0c1f4c0d2b11"

BY_SCHEMA: dict[str, dict[str, Any]] = {
    "SingleSignOn": {
        "issuer": "https://id.harbour.example",
        "client_id": "tonnage",
        "allowed_domains": ["harbour.example"],
        "default_role": "user",
        "enabled": True,
        "login_url": f"https://tonnage.example/v1/auth/sso/{ORGANIZATION}/login",
        "redirect_uri": f"https://tonnage.example/v1/auth/sso/{ORGANIZATION}/callback",
        "created_at": "2026-11-25T10:05:00Z",
        "updated_at": "2026-11-25T10:05:00Z",
    }
}
