"""The audit trail as one hash chain an organization.

Revision ID: 2026_11_25_1030
Revises: 2026_11_23_0940
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1030"
down_revision: str | None = "2026_11_23_0940"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up; events that are there already are chained in the order of their writing."""
    op.execute((SQL / "audit_chain_up.sql").read_text())


def downgrade() -> None:
    """Go down; the events stay, their chain is lost."""
    op.execute((SQL / "audit_chain_down.sql").read_text())
