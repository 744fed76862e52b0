"""Answers of language models, their budget and their breaker.

Revision ID: 2026_11_23_0920
Revises: 2026_11_23_0910
"""

from pathlib import Path

from alembic import op

revision = "2026_11_23_0920"
down_revision: str | None = "2026_11_23_0910"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql"


def upgrade() -> None:
    """Go up."""
    op.execute((SQL / "model_answers_up.sql").read_text())


def downgrade() -> None:
    """Go down; what the new tables held is lost."""
    op.execute((SQL / "model_answers_down.sql").read_text())
