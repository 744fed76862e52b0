"""Remembered decisions, and old figures that stay readable.

Revision ID: 2026_11_23_0910
Revises: 2026_11_23_0900
"""

from pathlib import Path

from alembic import op

revision = "2026_11_23_0910"
down_revision: str | None = "2026_11_23_0900"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "reviews_and_memory_up.sql").read_text())


def downgrade() -> None:
    """Go down; what the new tables held is lost."""
    op.execute((SQL / "reviews_and_memory_down.sql").read_text())
