"""Loose ends: settling a file is bounded, and a report knows what it shows.

Revision ID: 2026_11_25_1422
Revises: 2026_11_25_1411
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1422"
down_revision: str | None = "2026_11_25_1411"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "loose_ends_up.sql").read_text())


def downgrade() -> None:
    """Go down."""
    op.execute((SQL / "loose_ends_down.sql").read_text())
