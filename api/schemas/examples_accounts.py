"""What answers about people, projects and keys look like."""

from __future__ import annotations

from typing import Any

ORGANIZATION = "019b8a53-7a10-7c44-9d1c-0c1f4c0d2b11"
USER = "019b8a53-7a11-7b7e-8a55-52f2b7f6a001"
PROJECT = "019b8a5d-1f2d-7c0b-8f5d-2f7d0c4b8a31"
AT = "2026-11-22T13:05:00Z"
LATER = "2026-11-25T13:05:00Z"
PAGINATION: dict[str, Any] = {"limit": 50, "next_cursor": None, "has_more": False, "total": None}

MEMBER: dict[str, Any] = {
    "user_id": USER,
    "email": "grace@harbour.example",
    "first_name": "Grace",
    "last_name": "Hopper",
    "role": "user",
    "permissions": {"projects": [PROJECT]},
    "status": "invited",
    "member_since": AT,
}
PROJECT_ANSWER: dict[str, Any] = {
    "id": PROJECT,
    "name": "Fleet",
    "description": "Vans and company cars",
    "created_at": AT,
    "updated_at": AT,
}
API_KEY: dict[str, Any] = {
    "id": PROJECT,
    "name": "Nightly import",
    "role": "user",
    "permissions": {},
    "created_by": USER,
    "created_at": AT,
    "expires_at": "2027-02-20T13:05:00Z",
    "last_used_at": None,
}

BY_SCHEMA: dict[str, dict[str, Any]] = {
    "MemberItem": MEMBER,
    "MemberList": {"members": [MEMBER], "pagination": PAGINATION},
    "MemberAdded": {
        "member": MEMBER,
        "invitation": {
            "token": "kq2YH8f3cT0gq1Lr0bq0N3nDq4mQd5J7s0mX9v2wZ1A",
            "expires_at": LATER,
        },
    },
    "MemberRemoved": {"removed": True, "user_id": USER},
    "Membership": {"role": "manager", "permissions": {"projects": [PROJECT]}},
    "NewMember": {
        "email": "grace@harbour.example",
        "role": "user",
        "first_name": "Grace",
        "last_name": "Hopper",
    },
    "ProjectAnswer": PROJECT_ANSWER,
    "ProjectList": {"projects": [PROJECT_ANSWER], "pagination": PAGINATION},
    "ProjectDeleted": {"deleted": True, "project_id": PROJECT},
    "NewProject": {"name": "Fleet", "description": "Vans and company cars"},
    "ProjectPatch": {"name": "Fleet 2026"},
    "PasswordChange": {
        "old_password": "a pass phrase of several words",
        "new_password": "neon giraffe paints quietly",
    },
    "Join": {"token": "kq2YH8f3cT0gq1Lr0bq0N3nDq4mQd5J7s0mX9v2wZ1A"},
    "SessionList": {
        "sessions": [
            {
                "id": "019b8a53-9c10-7c44-9d1c-0c1f4c0d2b55",
                "current": True,
                "created_at": AT,
                "last_used_at": AT,
                "expires_at": "2026-11-29T13:05:00Z",
            }
        ],
        "pagination": PAGINATION,
    },
    "ApiKeyList": {"api_keys": [API_KEY], "pagination": PAGINATION},
    "ApiKeyMade": {"api_key": API_KEY, "secret": f"tng_{PROJECT.replace('-', '')}_{'x' * 43}"},
    "ApiKeyRevoked": {"revoked": True, "key_id": PROJECT},
    "NewApiKey": {"name": "Nightly import", "role": "user", "expires_in_days": 90},
}
