"""Whose mappings are remembered.

Revision ID: 2026_11_25_1221
Revises: 2026_11_25_1240
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1221"
down_revision: str | None = "2026_11_25_1240"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "remember_mapping_up.sql").read_text())


def downgrade() -> None:
    """Go down; every mapping then counts for its own upload only."""
    op.execute((SQL / "remember_mapping_down.sql").read_text())
