"""Single sign-on: connections, identities, sessions of one organization.

Revision ID: 2026_11_25_1020
Revises: 2026_11_25_1100
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1020"
down_revision: str | None = "2026_11_25_1100"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "single_sign_on_up.sql").read_text())


def downgrade() -> None:
    """Go down; connections and who signed on through them are lost."""
    op.execute((SQL / "single_sign_on_down.sql").read_text())
