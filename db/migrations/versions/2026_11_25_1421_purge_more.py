"""Purge more: indexes for what ends and is removed in batches.

Revision ID: 2026_11_25_1421
Revises: 2026_11_25_1420
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1421"
down_revision: str | None = "2026_11_25_1420"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "purge_more_up.sql").read_text())


def downgrade() -> None:
    """Go down."""
    op.execute((SQL / "purge_more_down.sql").read_text())
