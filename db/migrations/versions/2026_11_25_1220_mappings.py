"""Remembered column mappings; issues of single figures.

Revision ID: 2026_11_25_1220
Revises: 2026_11_25_1120
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1220"
down_revision: str | None = "2026_11_25_1120"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "mappings_up.sql").read_text())


def downgrade() -> None:
    """Go down; what was remembered is lost."""
    op.execute((SQL / "mappings_down.sql").read_text())
