"""Sum the figures of a file when it completes, instead of batch by batch.

Revision ID: 2026_11_25_1410
Revises: 2026_11_25_1421
"""

from pathlib import Path

from alembic import op

revision = "2026_11_25_1410"
down_revision: str | None = "2026_11_25_1421"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up; sums of files that do not count go, the others stay as they are."""
    op.execute((SQL / "sums_when_complete_up.sql").read_text())


def downgrade() -> None:
    """Go down; every figure is summed again, whether its file counts or not."""
    op.execute((SQL / "sums_when_complete_down.sql").read_text())
