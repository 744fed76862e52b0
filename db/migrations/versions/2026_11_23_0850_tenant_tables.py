"""A function that protects a tenant table, for the migrations that add some.

Revision ID: 2026_11_23_0850
Revises: 2026_11_22_1300
"""

from pathlib import Path

from alembic import op

revision = "2026_11_23_0850"
down_revision: str | None = "2026_11_22_1300"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "tenant_tables_up.sql").read_text())


def downgrade() -> None:
    """Go down; what the new tables held is lost."""
    op.execute((SQL / "tenant_tables_down.sql").read_text())
