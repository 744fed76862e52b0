"""Webhooks: endpoints, their secrets, the outbox of events, deliveries and their attempts.

Revision ID: 2026_11_25_1110
Revises: 2026_11_25_1020
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1110"
down_revision: str | None = "2026_11_25_1020"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "webhooks_up.sql").read_text())


def downgrade() -> None:
    """Go down; what the new tables held is lost."""
    op.execute((SQL / "webhooks_down.sql").read_text())
