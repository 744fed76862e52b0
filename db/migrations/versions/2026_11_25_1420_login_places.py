"""Login places: an address that an account has logged in from keeps a counter of its own.

Revision ID: 2026_11_25_1420
Revises: 2026_11_25_1221
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1420"
down_revision: str | None = "2026_11_25_1221"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "login_places_up.sql").read_text())


def downgrade() -> None:
    """Go down; who logged in from where is forgotten."""
    op.execute((SQL / "login_places_down.sql").read_text())
