"""Search at a million figures: rollups, indexes for every sort and filter, the tenant view.

Revision ID: 2026_11_25_1100
Revises: 2026_11_25_1050
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1100"
down_revision: str | None = "2026_11_25_1050"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up; figures that are there already are summed once."""
    for name in ("rollups", "view"):
        op.execute((SQL / f"search_{name}_up.sql").read_text())


def downgrade() -> None:
    """Go down; nothing is lost that the figures do not say."""
    op.execute((SQL / "search_down.sql").read_text())
