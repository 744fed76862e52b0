"""A base year for an organization.

Revision ID: 2026_11_25_1120
Revises: 2026_11_25_1011
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1120"
down_revision: str | None = "2026_11_25_1011"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "base_year_up.sql").read_text())


def downgrade() -> None:
    """Go down; the years that were set are lost."""
    op.execute((SQL / "base_year_down.sql").read_text())
