"""Upstream figures on request.

Revision ID: 2026_11_23_0940
Revises: 2026_11_23_0930
"""

from pathlib import Path

from alembic import op

revision = "2026_11_23_0940"
down_revision: str | None = "2026_11_23_0930"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "upstream_up.sql").read_text())


def downgrade() -> None:
    """Go down; what the new tables held is lost."""
    op.execute((SQL / "upstream_down.sql").read_text())
