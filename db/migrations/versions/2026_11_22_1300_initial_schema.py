"""Initial schema: the user's tables, what the pipeline needs, roles, row-level security.

Revision ID: 2026_11_22_1300
Revises:
"""

from pathlib import Path

from alembic import op

revision = "2026_11_22_1300"
down_revision: str | None = None
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Create everything."""
    for name in ("roles", "tables", "security"):
        op.execute((SQL / f"initial_{name}.sql").read_text())


def downgrade() -> None:
    """Drop everything but the roles, which belong to the cluster and may serve other databases."""
    op.execute((SQL / "initial_down.sql").read_text())
