"""What is left of things that have ended: deliveries, invitations, memberships, login state.

As platform; purged as db/queries/purge.py does, in batches that skip what somebody holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from db.queries.purge import GONE, Terms, delete_batch
from db.queries.throttles import FORGET_FAILURES_AFTER, PLACE_KNOWN_FOR

OVER = "< now() - make_interval(days => :purge_days)"
HERE = "x.organization_id = :organization_id"


def _unless(table: str, condition: str) -> str:
    return f"NOT EXISTS (SELECT FROM {table} x WHERE {HERE} AND {condition})"


# A membership is what shows a person's name to the organization: it stays while anything that the
# person did is left. Audit events stay for ever, so it goes of those who never did anything.
NOTHING_DONE = " AND ".join(
    _unless(table, f"x.{column} = t.user_id")
    for table, column in (
        ("audit_events", "actor_user_id"), ("files", "user_id"), ("reports", "user_id"),
        ("recalculations", "user_id"), ("api_keys", "created_by"), ("webhooks", "created_by"),
        ("invitations", "invited_by"), ("column_mappings", "confirmed_by"),
        ("remembered_decisions", "decided_by"), ("reviews", "resolved_by"),
        # a provider's subject without a membership would have to be asked who it is
        ("sso_identities", "user_id"),
    )
)  # fmt: skip
# By table, children before parents; `t` is the row.
OF_ORGANIZATION: Mapping[str, str] = {
    "webhook_deliveries": f"(t.ended_at {OVER} OR EXISTS (SELECT FROM webhooks x WHERE {HERE}"
    f" AND x.id = t.webhook_id AND x.{GONE}))",
    "webhook_events": f"t.created_at {OVER} AND "
    + _unless("webhook_deliveries", "x.event_id = t.id"),
    "webhooks": f"t.{GONE} AND " + _unless("webhook_deliveries", "x.webhook_id = t.id"),
    "invitations": f"t.expires_at {OVER}",
    # the files of a deleted project were deleted before it, and may wait for longer
    "projects": f"t.{GONE} AND {_unless('files', 'x.project_id = t.id')}"
    f" AND {_unless('emissions', 'x.project_id = t.id')}",
    "user_organization_roles": f"t.{GONE} AND {NOTHING_DONE}",
    # the budget is a day's; what calls cost is kept with them
    "model_spend": "t.spent_on < (now() AT TIME ZONE 'UTC')::date - CAST(:purge_days AS integer)",
}

# Login state belongs to no organization. Tokens of a session go with it.
OF_LOGIN: Mapping[str, tuple[str, str]] = {
    "sessions": ("id", f"least(t.expires_at, t.revoked_at) {OVER}"),
    "one_time_tokens": ("id", f"least(t.expires_at, t.used_at) {OVER}"),
    "login_throttles": (
        "subject",
        "t.last_failed_at < now() - :forget AND coalesce(t.blocked_until, '-infinity') <= now()"
        " AND coalesce(t.full_at, '-infinity') <= now()"
        " AND coalesce(t.proved_at, '-infinity') < now() - :known",
    ),
}
TOKENS_A_SESSION = 50  # far more than most have; a batch of sessions is so much smaller


def purge_ended(session: Session, terms: Terms, table: str, limit: int) -> int:
    """Remove up to `limit` rows of one of OF_ORGANIZATION; return how many."""
    return delete_batch(session, table, OF_ORGANIZATION[table], {**terms.values(), "limit": limit})


def purge_logins(session: Session, table: str, purge_days: int, limit: int) -> int:
    """Remove up to `limit` rows of one of OF_LOGIN; return how many."""
    key, condition = OF_LOGIN[table]
    found = session.execute(
        text(
            f"DELETE FROM {table} WHERE {key} IN (SELECT t.{key} FROM {table} t WHERE {condition}"
            f" LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING 1"
        ),
        _login_values(purge_days)
        | {"limit": limit if table != "sessions" else max(1, limit // TOKENS_A_SESSION)},
    )
    return len(found.all())


def forecast(session: Session, terms: Terms) -> dict[str, int]:
    """Count what of an organization would go now by itself; nothing changes.

    What only goes once its children went (an event with its deliveries) is not counted.
    """
    counts = ", ".join(
        f"(SELECT count(*) FROM {table} t WHERE t.organization_id = :organization_id"
        f" AND {condition}) AS {table}"
        for table, condition in OF_ORGANIZATION.items()
    )
    return dict(session.execute(text(f"SELECT {counts}"), terms.values()).one()._mapping)


def forecast_logins(session: Session, purge_days: int) -> dict[str, int]:
    """Count the login state that would go now; nothing changes."""
    counts = ", ".join(
        f"(SELECT count(*) FROM {table} t WHERE {condition}) AS {table}"
        for table, (_, condition) in OF_LOGIN.items()
    )
    row = session.execute(text(f"SELECT {counts}"), _login_values(purge_days)).one()
    return dict(row._mapping)


def _login_values(purge_days: int) -> dict[str, Any]:
    return {"purge_days": purge_days, "forget": FORGET_FAILURES_AFTER, "known": PLACE_KNOWN_FOR}
