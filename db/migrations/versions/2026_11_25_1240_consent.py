"""Consent: an invitation is no membership until the person accepts it.

Revision ID: 2026_11_25_1240
Revises: 2026_11_25_1220
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1240"
down_revision: str | None = "2026_11_25_1220"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "consent_up.sql").read_text())


def downgrade() -> None:
    """Go down; what the new tables held is lost."""
    op.execute((SQL / "consent_down.sql").read_text())
