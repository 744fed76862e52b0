"""Say why an attempt to deliver a webhook had no answer.

Revision ID: 2026_11_25_1905
Revises: 2026_11_25_1450
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1905"
down_revision: str | None = "2026_11_25_1450"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up; of attempts before nobody knows."""
    op.execute((SQL / "unanswered_attempts_up.sql").read_text())


def downgrade() -> None:
    """Go down."""
    op.execute((SQL / "unanswered_attempts_down.sql").read_text())
