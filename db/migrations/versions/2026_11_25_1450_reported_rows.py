"""Tell rejected rows from rows that are no activity, and keep what a report says of its files.

Revision ID: 2026_11_25_1450
Revises: 2026_11_25_1412
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1450"
down_revision: str | None = "2026_11_25_1412"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up; files that were read before are counted from their issues."""
    op.execute((SQL / "reported_rows_up.sql").read_text())


def downgrade() -> None:
    """Go down."""
    op.execute((SQL / "reported_rows_down.sql").read_text())
