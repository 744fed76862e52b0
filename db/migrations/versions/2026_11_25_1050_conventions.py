"""Idempotency keys and rate limits.

Revision ID: 2026_11_25_1050
Revises: 2026_11_25_1040
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1050"
down_revision: str | None = "2026_11_25_1040"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "conventions_up.sql").read_text())


def downgrade() -> None:
    """Go down; keys that clients still rely on are forgotten."""
    op.execute((SQL / "conventions_down.sql").read_text())
