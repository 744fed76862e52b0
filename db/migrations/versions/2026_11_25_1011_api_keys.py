"""Keys of machines.

Revision ID: 2026_11_25_1011
Revises: 2026_11_25_1110
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1011"
down_revision: str | None = "2026_11_25_1110"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "api_keys_up.sql").read_text())


def downgrade() -> None:
    """Go down; what the new tables held is lost."""
    op.execute((SQL / "api_keys_down.sql").read_text())
